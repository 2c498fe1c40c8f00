//! The file format of clearing files (IPM): variable-length records with an end mark, in blocks of 1014 bytes.
//!
//! A record is a length of four bytes, big-endian, and that many bytes; four zero bytes end the file. In the blocked
//! form that stream is cut every 1012 bytes, regardless of records, and each cut is followed by two filler bytes; the
//! last block is filled up. The contents of records are described by the dialect `ipm`.

use std::borrow::Cow;

/// The longest record. No presentment comes near it, and other readers of the format have the same limit.
pub const MAX_RECORD: usize = 6000;
/// Bytes of a block, filler included.
pub const BLOCK: usize = 1014;
/// Bytes of the stream per block.
const PAYLOAD: usize = 1012;
/// A blank in EBCDIC, in files of any encoding.
const FILLER: u8 = 0x40;
const LENGTH: usize = 4;

/// A fault in the layout of a file, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// `record` counts from 1, `offset` is in the unblocked stream.
    #[error("record {record} at byte {offset}: {length} bytes long, at most {MAX_RECORD} are taken")]
    RecordTooLong { record: usize, offset: usize, length: u32 },
    #[error("record {record} at byte {offset}: the file ends within it")]
    Truncated { record: usize, offset: usize },
    #[error("the file ends after record {record} without an end mark")]
    NoEndMark { record: usize },
    #[error("after the end mark of record {record}: byte {offset} is not filler")]
    ContentAfterEnd { record: usize, offset: usize },
    #[error("{length} bytes are no whole number of blocks of {BLOCK}")]
    PartialBlock { length: usize },
    #[error("block {block} does not end in two filler bytes")]
    BlockEnd { block: usize },
}

/// Layout of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Records one after the other.
    Stream,
    /// Cut into blocks of 1014.
    Blocked,
}

impl Layout {
    /// Blocked if the length is a whole number of blocks and each ends in filler. A stream could satisfy this by
    /// chance, but not one of real records.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let blocked = !file.is_empty() && file.len().is_multiple_of(BLOCK);
        if blocked && file.chunks_exact(BLOCK).all(ends_in_filler) { Self::Blocked } else { Self::Stream }
    }
}

fn ends_in_filler(block: &[u8]) -> bool {
    block[PAYLOAD..] == [FILLER; BLOCK - PAYLOAD]
}

/// The stream of records in a file of either layout.
///
/// # Errors
/// A blocked file whose blocks are incomplete or do not end in filler.
pub fn stream(file: &[u8], layout: Layout) -> Result<Cow<'_, [u8]>, LayoutError> {
    if layout == Layout::Stream {
        return Ok(Cow::Borrowed(file));
    }
    if !file.len().is_multiple_of(BLOCK) {
        return Err(LayoutError::PartialBlock { length: file.len() });
    }
    if let Some(block) = file.chunks_exact(BLOCK).position(|block| !ends_in_filler(block)) {
        return Err(LayoutError::BlockEnd { block: block + 1 });
    }
    Ok(Cow::Owned(file.chunks_exact(BLOCK).flat_map(|block| &block[..PAYLOAD]).copied().collect()))
}

/// Iterator over the records of a stream, in order. The first fault ends it; a file is complete only if there was none.
#[derive(Clone, Debug)]
pub struct Records<'f> {
    stream: &'f [u8],
    layout: Layout,
    at: usize,
    record: usize,
    ended: bool,
}

/// Cuts a stream into records; `layout` is that of its file: only blocks have filler after the end mark.
#[must_use]
pub fn records(stream: &[u8], layout: Layout) -> Records<'_> {
    Records { stream, layout, at: 0, record: 0, ended: false }
}

impl<'f> Records<'f> {
    fn cut(&mut self) -> Result<Option<&'f [u8]>, LayoutError> {
        let offset = self.at;
        let rest = &self.stream[offset..];
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH>() else {
            return Err(match rest.len() {
                0 => LayoutError::NoEndMark { record: self.record },
                _ => LayoutError::Truncated { record: self.record + 1, offset },
            });
        };
        let length = u32::from_be_bytes(*length);
        if length == 0 {
            return self.check_after_end(offset + LENGTH).map(|()| None);
        }
        self.record += 1;
        // checked before it is used: the length comes from the sender
        let size = usize::try_from(length).ok().filter(|size| *size <= MAX_RECORD);
        let size = size.ok_or(LayoutError::RecordTooLong { record: self.record, offset, length })?;
        let record = rest.get(..size).ok_or(LayoutError::Truncated { record: self.record, offset })?;
        self.at = offset + LENGTH + size;
        Ok(Some(record))
    }

    fn check_after_end(&self, end: usize) -> Result<(), LayoutError> {
        let filler = |byte: &u8| self.layout == Layout::Blocked && *byte == FILLER;
        match self.stream[end..].iter().position(|byte| !filler(byte)) {
            Some(at) => Err(LayoutError::ContentAfterEnd { record: self.record, offset: end + at }),
            // a whole block of filler does not belong to the file
            None if self.stream.len() - end >= PAYLOAD => {
                Err(LayoutError::ContentAfterEnd { record: self.record, offset: end + PAYLOAD - 1 })
            }
            None => Ok(()),
        }
    }
}

impl<'f> Iterator for Records<'f> {
    type Item = Result<&'f [u8], LayoutError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.cut().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Writes records. Bytes appended to `out` may be drained at any time, so a large file need not be in memory.
#[derive(Clone, Debug)]
pub struct Writer {
    layout: Layout,
    /// Bytes of the stream in the current block.
    filled: usize,
}

/// A record of a size that readers refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {0} bytes: there must be some, and at most {MAX_RECORD}")]
pub struct RecordSize(pub usize);

impl Writer {
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, filled: 0 }
    }

    /// Appends a record.
    ///
    /// # Errors
    /// An empty record, which would end the file, or one over [`MAX_RECORD`].
    pub fn record(&mut self, record: &[u8], out: &mut Vec<u8>) -> Result<(), RecordSize> {
        let length = u32::try_from(record.len()).ok().filter(|length| (1..=MAX_RECORD as u32).contains(length));
        let length = length.ok_or(RecordSize(record.len()))?;
        self.append(&length.to_be_bytes(), out);
        self.append(record, out);
        Ok(())
    }

    /// Appends the end mark and fills up the last block.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.append(&[0; LENGTH], out);
        if self.layout == Layout::Blocked && self.filled > 0 {
            let rest = PAYLOAD - self.filled;
            self.append(&[FILLER; PAYLOAD][..rest], out);
        }
    }

    fn append(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if self.layout == Layout::Stream {
            out.extend_from_slice(bytes);
            return;
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PAYLOAD - self.filled));
            out.extend_from_slice(now);
            self.filled += now.len();
            if self.filled == PAYLOAD {
                out.extend_from_slice(&[FILLER; BLOCK - PAYLOAD]);
                self.filled = 0;
            }
            bytes = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(file: &[u8], layout: Layout) -> Result<Vec<Vec<u8>>, LayoutError> {
        let stream = stream(file, layout)?;
        records(&stream, layout).map(|record| record.map(<[u8]>::to_vec)).collect()
    }

    fn write(records: &[Vec<u8>], layout: Layout) -> Vec<u8> {
        let mut writer = Writer::new(layout);
        let mut out = Vec::new();
        for record in records {
            writer.record(record, &mut out).unwrap();
        }
        writer.finish(&mut out);
        out
    }

    proptest! {
        #[test]
        fn records_turn_back_in_both_layouts(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..700), 0..12)
        ) {
            for layout in [Layout::Stream, Layout::Blocked] {
                let file = write(&records, layout);
                prop_assert_eq!(read(&file, layout), Ok(records.clone()));
                prop_assert!(layout == Layout::Stream || file.len().is_multiple_of(BLOCK));
            }
        }

        #[test]
        fn any_bytes_give_records_or_a_fault(file in prop::collection::vec(any::<u8>(), 0..3000)) {
            let _ = read(&file, Layout::of(&file));
        }
    }

    #[test]
    fn a_stream_that_ends_with_its_block_gets_no_further_block() {
        // the end mark's last byte is the 1012th
        let file = write(&[vec![7; PAYLOAD - 2 * LENGTH]], Layout::Blocked);
        assert_eq!(file.len(), BLOCK);
        assert_eq!(read(&file, Layout::Blocked).unwrap().len(), 1);
    }

    #[test]
    fn every_proper_prefix_is_refused() {
        let records = [vec![b'a'; 300], vec![b'b'; 900]];
        for layout in [Layout::Stream, Layout::Blocked] {
            let file = write(&records, layout);
            for cut in 0..file.len() {
                read(&file[..cut], layout).expect_err("a file cut short");
            }
        }
    }

    #[test]
    fn faults_are_named() {
        let one = write(&[b"record".to_vec()], Layout::Stream);
        let with_length = |length: u32| [&length.to_be_bytes(), &one[4..]].concat();
        for (file, fault) in [
            (with_length(6001), LayoutError::RecordTooLong { record: 1, offset: 0, length: 6001 }),
            (with_length(u32::MAX), LayoutError::RecordTooLong { record: 1, offset: 0, length: u32::MAX }),
            (with_length(600), LayoutError::Truncated { record: 1, offset: 0 }),
            (one[..10].to_vec(), LayoutError::NoEndMark { record: 1 }),
            ([&one[..], b"x"].concat(), LayoutError::ContentAfterEnd { record: 1, offset: 14 }),
        ] {
            assert_eq!(read(&file, Layout::Stream), Err(fault));
        }
        let mut blocked = write(&[vec![1; 1500]], Layout::Blocked);
        blocked[PAYLOAD] = 0;
        assert_eq!(read(&blocked, Layout::Blocked), Err(LayoutError::BlockEnd { block: 1 }));
        blocked.pop();
        assert_eq!(read(&blocked, Layout::Blocked), Err(LayoutError::PartialBlock { length: 2 * BLOCK - 1 }));
        let extra = [write(&[vec![1; 10]], Layout::Blocked), vec![FILLER; BLOCK]].concat();
        assert!(matches!(read(&extra, Layout::Blocked), Err(LayoutError::ContentAfterEnd { record: 1, .. })));
    }

    #[test]
    fn an_empty_or_oversized_record_is_not_written() {
        let mut out = Vec::new();
        let mut writer = Writer::new(Layout::Stream);
        assert_eq!(writer.record(&[], &mut out), Err(RecordSize(0)));
        assert_eq!(writer.record(&[0; MAX_RECORD + 1], &mut out), Err(RecordSize(MAX_RECORD + 1)));
        assert!(out.is_empty());
    }
}
