//! Writes a clearing file: header, presentments, and a trailer with the totals. Pure: bytes are appended to a buffer
//! that the caller may drain at any time.

use std::sync::Arc;

use codecs::ipm::{Layout, RecordSize, Writer as RecordWriter};
use codecs::{Builder, Dialect, EncodeError};
use jiff::civil::Date;

use super::record::{Header, Presentment, Trailer};

/// A clearing file that is being written.
#[derive(Debug)]
pub struct Writer {
    dialect: Arc<Dialect>,
    layout: RecordWriter,
    header: Header,
    records: u32,
    checksum: u64,
}

/// Totals of a file, for its trailer and its control file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub records: u32,
    pub checksum: u64,
}

/// Why a record could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("record {record}: {source}")]
    Encode { record: u32, source: EncodeError },
    #[error("record {record}: {source}")]
    Size { record: u32, source: RecordSize },
    #[error("record {record}: the file's totals overflow")]
    Totals { record: u32 },
}

impl Writer {
    /// Starts a file in blocks of 1014 bytes, the usual form of transfer, and writes the header.
    pub fn start(dialect: &Arc<Dialect>, header: Header, out: &mut Vec<u8>) -> Result<Self, WriteError> {
        let layout = RecordWriter::new(Layout::Blocked);
        let mut writer = Self { dialect: Arc::clone(dialect), layout, header, records: 0, checksum: 0 };
        let record = writer.header.write(dialect, 1).map_err(|source| WriteError::Encode { record: 1, source })?;
        writer.append(&record, out)?;
        Ok(writer)
    }

    /// Appends a presentment and returns its record number.
    pub fn presentment(
        &mut self,
        presentment: &Presentment,
        taken_back_on: Option<Date>,
        out: &mut Vec<u8>,
    ) -> Result<u32, WriteError> {
        let record = self.records + 1;
        let overflow = WriteError::Totals { record };
        self.checksum = self.checksum.checked_add(presentment.amount.0.unsigned_abs()).ok_or(overflow)?;
        let builder = presentment.write(&self.dialect, record, taken_back_on);
        self.append(&builder, out)?;
        Ok(record)
    }

    /// Appends the trailer and the end mark.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Totals, WriteError> {
        let records = self.records + 1;
        let trailer = Trailer { file: self.header.file.clone(), checksum: self.checksum, records };
        let builder = trailer.write(&self.dialect).map_err(|source| WriteError::Encode { record: records, source })?;
        self.append(&builder, out)?;
        self.layout.finish(out);
        Ok(Totals { records, checksum: self.checksum })
    }

    fn append(&mut self, builder: &Builder, out: &mut Vec<u8>) -> Result<(), WriteError> {
        self.records += 1;
        let record = self.records;
        let bytes = builder.encode().map_err(|source| WriteError::Encode { record, source })?;
        self.layout.record(&bytes, out).map_err(|source| WriteError::Size { record, source })
    }
}
