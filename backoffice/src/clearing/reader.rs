//! Reads a clearing file twice: all of it is verified before any of it is used, so that nothing is posted from an incomplete
//! or inconsistent one. A record at a time is in memory. Pure, but for the input that it is given.

use std::fmt;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use codecs::ipm::{Layout, LayoutError, ReadError, Reader};
use codecs::{Dialect, Message, de};
use sha2::{Digest, Sha256};

use super::record::{FileId, Header, Presentment, ProcessingMode, Record, RecordError, Trailer, mti};
use super::writer::Totals;

/// A clearing file that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedFile {
    pub header: Header,
    pub totals: Totals,
    pub sha256: [u8; 32],
    layout: Layout,
}

impl VerifiedFile {
    #[must_use]
    pub const fn id(&self) -> &FileId {
        &self.header.file
    }
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

/// Faults that are told of one file; further ones are counted.
const FAULTS_TOLD: usize = 100;

/// The faults of a file, at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The first of them.
    pub faults: Vec<FileFault>,
    /// How many more there are.
    pub more: usize,
}

impl Refused {
    fn push(&mut self, fault: FileFault) {
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{fault}")?;
        }
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Why a file was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

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
    /// The dialect, by the first digit of a record's MTI: `1` is 31 in ASCII and F1 in EBCDIC.
    fn of<'d>(&'d self, record: &[u8]) -> &'d Arc<Dialect> {
        if record.first() == Some(&0xF1) { &self.ebcdic } else { &self.ascii }
    }
}

/// Verifies a file of any layout and encoding, in itself and against `expected`. Reads it from its beginning to its end.
///
/// # Errors
/// The file's faults, or those of reading it.
pub fn verify(
    mut file: impl Read + Seek,
    dialects: &Dialects,
    expected: &FileRequirements<'_>,
) -> Result<VerifiedFile, VerifyError> {
    file.rewind()?;
    let layout = Layout::of(&mut file)?;
    file.rewind()?;
    let mut hashed = Hashed { from: file, sha256: Sha256::new() };
    let mut records = Reader::new(&mut hashed, layout);
    let mut verifier = Verifier::new(expected);
    loop {
        match records.next_record() {
            Ok(Some(record)) => verifier.record(record, dialects),
            Ok(None) => break,
            Err(ReadError::Io(error)) => return Err(error.into()),
            Err(ReadError::Layout(fault)) => {
                // the next record begins where this one ends: without that nothing after it can be read
                verifier.faults.push(fault.into());
                return Err(verifier.faults.into());
            }
        }
    }
    let (header, totals) = verifier.finish()?;
    Ok(VerifiedFile { header, totals, sha256: hashed.sha256.finalize().into(), layout })
}

/// Reads the presentments of a verified file, in order.
#[derive(Debug)]
pub struct Presentments<'d, R> {
    records: Reader<Hashed<R>>,
    dialects: &'d Dialects,
    record: u32,
    sha256: [u8; 32],
}

/// Why the presentments of a file that was verified could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PresentmentsError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is not what it was when it was verified")]
    Changed,
}

impl<'d, R: Read + Seek> Presentments<'d, R> {
    /// Begins at the start of `file`.
    ///
    /// # Errors
    /// That of going there.
    pub fn of(verified: &VerifiedFile, mut file: R, dialects: &'d Dialects) -> io::Result<Self> {
        file.rewind()?;
        let records = Reader::new(Hashed { from: file, sha256: Sha256::new() }, verified.layout);
        Ok(Self { records, dialects, record: 0, sha256: verified.sha256 })
    }

    /// The next presentment with its record number. `None` says that all were read, and that the file is the one that was
    /// verified.
    ///
    /// # Errors
    /// Those of reading, and a file that was changed meanwhile.
    pub fn next_presentment(&mut self) -> Result<Option<(u32, Presentment)>, PresentmentsError> {
        loop {
            let message = match self.records.next_record() {
                Ok(Some(bytes)) => Message::decode(self.dialects.of(bytes), bytes.to_vec().into()),
                Ok(None) => break,
                Err(ReadError::Io(error)) => return Err(error.into()),
                Err(ReadError::Layout(_)) => return Err(PresentmentsError::Changed),
            };
            self.record += 1;
            match message.ok().and_then(|message| Record::read(&message).ok()) {
                Some(Record::Presentment(presentment)) => return Ok(Some((self.record, *presentment))),
                Some(_) => {}
                None => return Err(PresentmentsError::Changed),
            }
        }
        let sha256: [u8; 32] = self.records.get_ref().sha256.clone().finalize().into();
        if sha256 == self.sha256 { Ok(None) } else { Err(PresentmentsError::Changed) }
    }
}

/// Hashes what is read.
#[derive(Debug)]
struct Hashed<R> {
    from: R,
    sha256: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(out)?;
        self.sha256.update(&out[..count]);
        Ok(count)
    }
}

struct Verifier<'e> {
    expected: &'e FileRequirements<'e>,
    records: u32,
    checksum: u64,
    header: Option<Header>,
    trailer: Option<(u32, Trailer)>,
    faults: Refused,
}

impl<'e> Verifier<'e> {
    fn new(expected: &'e FileRequirements<'e>) -> Self {
        let faults = Refused::default();
        Self { expected, records: 0, checksum: 0, header: None, trailer: None, faults }
    }

    fn record(&mut self, bytes: &[u8], dialects: &Dialects) {
        self.records += 1;
        let record = self.records;
        let mut fault = |fault| self.faults.push(fault);
        if self.trailer.is_some() {
            fault(FileFault::AfterTrailer { record });
        }
        let message = match Message::decode(dialects.of(bytes), bytes.to_vec().into()) {
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
            Ok(Record::Header(header)) => self.header(header),
            Ok(Record::Trailer(trailer)) => self.trailer = Some((record, trailer)),
            Ok(Record::Presentment(presentment)) => self.presentment(record, &presentment),
            Err(source) => fault(FileFault::Record { record, source }),
        }
    }

    fn header(&mut self, header: Header) {
        let (found, expected) = (header.processing, self.expected.processing);
        if found != expected {
            self.faults.push(FileFault::Processing { found, expected });
        }
        let sender = header.file.sender();
        if !self.expected.senders.contains(&sender) {
            self.faults.push(FileFault::Sender { found: sender.to_owned() });
        }
        self.header = Some(header);
    }

    fn presentment(&mut self, record: u32, presentment: &Presentment) {
        let Some(header) = &self.header else { return };
        let named = presentment.originator.map(|id| id.as_str().trim_start_matches('0').to_owned());
        if named.is_some_and(|named| named != header.file.sender()) {
            self.faults.push(FileFault::Originator { record });
        }
    }

    fn finish(mut self) -> Result<(Header, Totals), Refused> {
        if self.header.is_none() {
            self.faults.push(FileFault::NoHeader);
        }
        self.check_trailer();
        match self.header {
            Some(header) if self.faults.faults.is_empty() => {
                Ok((header, Totals { records: self.records, checksum: self.checksum }))
            }
            _ => Err(self.faults),
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
