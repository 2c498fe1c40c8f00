//! Reads and verifies a whole clearing file, so that nothing is posted from an incomplete or inconsistent one. Pure.

use std::fmt;
use std::sync::Arc;

use codecs::ipm::{self, Layout, LayoutError};
use codecs::{Dialect, Message, de};

use super::record::{Header, Presentment, ProcessingMode, Record, RecordError, Trailer, mti};
use super::writer::Totals;

/// A clearing file that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearingFile {
    pub header: Header,
    /// The presentments with their record numbers.
    pub presentments: Vec<(u32, Presentment)>,
    pub totals: Totals,
}

/// A fault of a clearing file: where, and what was found. It never contains a record's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    #[error("{0}")]
    Layout(#[from] LayoutError),
    #[error("record {record}: {source}")]
    Record { record: u32, source: RecordError },
    #[error("record 1: MTI and DE24 are not those of a header")]
    NoHeader,
    #[error("record {record}: DE24 says header, after the first record")]
    HeaderWithin { record: u32 },
    #[error("record {record}: DE24 does not say trailer, and no record follows")]
    NoTrailer { record: u32 },
    #[error("record {record}: stands after the trailer")]
    AfterTrailer { record: u32 },
    #[error("record {record}: DE48 PDS0105 is not the header's")]
    FileIdDiffers { record: u32 },
    #[error("record {record}: DE71 is {found}")]
    RecordNumber { record: u32, found: u32 },
    #[error("record {record}: DE48 PDS0301 is {declared}, DE4 over the file is {counted}")]
    Checksum { record: u32, declared: u64, counted: u64 },
    #[error("record {record}: DE48 PDS0306 is {declared}, there are {counted} records")]
    RecordCount { record: u32, declared: u32, counted: u32 },
    #[error("record 1: DE48 PDS0122 says {found:?}, {expected:?} is accepted here")]
    Processing { found: ProcessingMode, expected: ProcessingMode },
    #[error("record 1: DE48 PDS0105 names sender {found}, who is not expected")]
    Sender { found: String },
    #[error("record {record}: DE94 is not the sender of the file")]
    Originator { record: u32 },
}

/// All faults of a file, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<FileFault>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Requirements on a file for it to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct FileRequirements<'a> {
    pub processing: ProcessingMode,
    /// Institutions that may send presentments to us.
    pub senders: &'a [&'a str],
}

/// The dialects for files in ASCII and in EBCDIC.
#[derive(Clone, Debug)]
pub struct Dialects {
    pub ascii: Arc<Dialect>,
    pub ebcdic: Arc<Dialect>,
}

impl Dialects {
    /// The dialect, by the first digit of the first record's MTI: `1` is 31 in ASCII and F1 in EBCDIC.
    fn of<'d>(&'d self, stream: &[u8]) -> &'d Arc<Dialect> {
        if stream.get(4) == Some(&0xF1) { &self.ebcdic } else { &self.ascii }
    }
}

/// Reads `file` in any layout and encoding, and verifies it in itself and against `expected`.
pub fn read(file: &[u8], dialects: &Dialects, expected: &FileRequirements<'_>) -> Result<ClearingFile, Refused> {
    let layout = Layout::of(file);
    let stream = ipm::stream(file, layout).map_err(|fault| Refused(vec![fault.into()]))?;
    let dialect = dialects.of(&stream);
    let mut verifier = Verifier::default();
    for bytes in ipm::records(&stream, layout) {
        match bytes {
            Ok(bytes) => verifier.record(bytes, dialect),
            Err(fault) => {
                // the next record begins where this one ends: without that nothing after it can be read
                verifier.faults.push(fault.into());
                return Err(Refused(verifier.faults));
            }
        }
    }
    verifier.finish(expected)
}

#[derive(Default)]
struct Verifier {
    records: u32,
    checksum: u64,
    header: Option<Header>,
    presentments: Vec<(u32, Presentment)>,
    trailer: Option<(u32, Trailer)>,
    faults: Vec<FileFault>,
}

impl Verifier {
    fn record(&mut self, bytes: &[u8], dialect: &Arc<Dialect>) {
        self.records += 1;
        let record = self.records;
        let mut fault = |fault| self.faults.push(fault);
        if self.trailer.is_some() {
            fault(FileFault::AfterTrailer { record });
        }
        let message = match Message::decode(dialect, bytes.to_vec().into()) {
            Ok(message) => message,
            Err(source) => return fault(FileFault::Record { record, source: source.into() }),
        };
        match message.require::<de::v93::MessageNumber>() {
            Ok(number) if number.0 == record => {}
            Ok(number) => fault(FileFault::RecordNumber { record, found: number.0 }),
            Err(source) => fault(FileFault::Record { record, source: source.into() }),
        }
        if message.mti() == mti::PRESENTMENT {
            // added even if the rest of the record cannot be read, so that one fault is not reported as two
            let amount = message.get::<de::Amount>().ok().flatten().unwrap_or_default();
            self.checksum = self.checksum.saturating_add(amount.0.unsigned_abs());
        }
        match Record::read(&message) {
            Ok(Record::Header(_)) if record > 1 => fault(FileFault::HeaderWithin { record }),
            Ok(Record::Header(header)) => self.header = Some(header),
            Ok(Record::Trailer(trailer)) => self.trailer = Some((record, trailer)),
            Ok(Record::Presentment(presentment)) => self.presentments.push((record, *presentment)),
            Err(source) => fault(FileFault::Record { record, source }),
        }
    }

    fn finish(mut self, expected: &FileRequirements<'_>) -> Result<ClearingFile, Refused> {
        match &self.header {
            None => self.faults.push(FileFault::NoHeader),
            Some(header) => {
                let found = header.processing;
                if found != expected.processing {
                    self.faults.push(FileFault::Processing { found, expected: expected.processing });
                }
                let sender = header.file.sender();
                if !expected.senders.contains(&sender) {
                    self.faults.push(FileFault::Sender { found: sender.to_owned() });
                }
                for (record, presentment) in &self.presentments {
                    let named = presentment.originator.map(|id| id.as_str().trim_start_matches('0').to_owned());
                    if named.is_some_and(|named| named != sender) {
                        self.faults.push(FileFault::Originator { record: *record });
                    }
                }
            }
        }
        self.check_trailer();
        match self.header {
            Some(header) if self.faults.is_empty() => {
                let totals = Totals { records: self.records, checksum: self.checksum };
                Ok(ClearingFile { header, presentments: self.presentments, totals })
            }
            _ => Err(Refused(self.faults)),
        }
    }

    fn check_trailer(&mut self) {
        let Some((record, trailer)) = &self.trailer else {
            return self.faults.push(FileFault::NoTrailer { record: self.records });
        };
        let record = *record;
        if self.header.as_ref().is_some_and(|header| header.file != trailer.file) {
            self.faults.push(FileFault::FileIdDiffers { record });
        }
        if trailer.checksum != self.checksum {
            let (declared, counted) = (trailer.checksum, self.checksum);
            self.faults.push(FileFault::Checksum { record, declared, counted });
        }
        if trailer.records != self.records {
            let (declared, counted) = (trailer.records, self.records);
            self.faults.push(FileFault::RecordCount { record, declared, counted });
        }
    }
}

#[cfg(test)]
mod tests;
