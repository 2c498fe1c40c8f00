//! The file format of clearing files (IPM): variable-length records with an end mark, in blocks of 1014 bytes.
//!
//! A record is a length of four bytes, big-endian, and that many bytes; four zero bytes end the file. In the blocked
//! form that stream is cut every 1012 bytes, regardless of records, and each cut is followed by two filler bytes; the
//! last block is filled up. The contents of records are described by the dialect `ipm`.

use std::io::{self, Read};

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
    /// Blocked if the file is a whole number of blocks and each ends in filler. A stream could satisfy this by chance, but
    /// not one of real records. Reads the file to its end, or to the first block that is none.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn of(mut file: impl Read) -> io::Result<Self> {
        let mut block = [0; BLOCK];
        let mut blocks = 0_usize;
        loop {
            match fill(&mut file, &mut block)? {
                0 => return Ok(if blocks > 0 { Self::Blocked } else { Self::Stream }),
                BLOCK if ends_in_filler(&block) => blocks += 1,
                _ => return Ok(Self::Stream),
            }
        }
    }
}

fn ends_in_filler(block: &[u8; BLOCK]) -> bool {
    block[PAYLOAD..] == [FILLER; BLOCK - PAYLOAD]
}

/// Reads until `out` is full or the input ends. Returns the number of bytes.
fn fill(from: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match from.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Why no further record could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the records of a file in order, one at a time. A file is complete only if [`Reader::next_record`] has returned `None`.
#[derive(Debug)]
pub struct Reader<R> {
    stream: Stream<R>,
    record: usize,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// `layout` is that of the file: only blocks have filler after the end mark.
    pub fn new(file: R, layout: Layout) -> Self {
        let stream = Stream { from: file, layout, block: [0; BLOCK], filled: 0, at: 0, blocks: 0, offset: 0 };
        Self { stream, record: 0, buffer: Vec::new(), ended: false }
    }

    /// The input.
    pub const fn get_ref(&self) -> &R {
        &self.stream.from
    }

    /// The next record; `None` after the end mark, or after a fault.
    ///
    /// # Errors
    /// A fault in the layout, or of reading the file.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let offset = self.stream.offset;
        let mut length = [0; LENGTH];
        match self.stream.read(&mut length)? {
            LENGTH => {}
            0 => return Err(LayoutError::NoEndMark { record: self.record }.into()),
            _ => return Err(LayoutError::Truncated { record: self.record + 1, offset }.into()),
        }
        let length = u32::from_be_bytes(length);
        if length == 0 {
            self.check_after_end()?;
            return Ok(None);
        }
        self.record += 1;
        let record = self.record;
        // checked before it is used: the length comes from the sender
        let size = usize::try_from(length).ok().filter(|size| *size <= MAX_RECORD);
        let size = size.ok_or(LayoutError::RecordTooLong { record, offset, length })?;
        self.buffer.resize(size, 0);
        if self.stream.read(&mut self.buffer)? < size {
            return Err(LayoutError::Truncated { record, offset }.into());
        }
        self.ended = false;
        Ok(Some(&self.buffer))
    }

    fn check_after_end(&mut self) -> Result<(), ReadError> {
        let (end, record) = (self.stream.offset, self.record);
        let blocked = self.stream.layout == Layout::Blocked;
        let mut rest = [0; PAYLOAD];
        loop {
            let offset = self.stream.offset;
            let count = self.stream.read(&mut rest)?;
            let strange = rest[..count].iter().position(|byte| !(blocked && *byte == FILLER));
            // a whole block of filler does not belong to the file
            let too_much = (offset + count >= end + PAYLOAD).then_some(end + PAYLOAD - 1);
            if let Some(offset) = strange.map(|at| offset + at).or(too_much) {
                return Err(LayoutError::ContentAfterEnd { record, offset }.into());
            }
            if count < PAYLOAD {
                return Ok(());
            }
        }
    }
}

/// The unblocked stream of a file.
#[derive(Debug)]
struct Stream<R> {
    from: R,
    layout: Layout,
    block: [u8; BLOCK],
    /// Bytes of the stream in `block`, and how many of them are read.
    filled: usize,
    at: usize,
    /// Blocks that were read.
    blocks: usize,
    /// Bytes of the stream that were read.
    offset: usize,
}

impl<R: Read> Stream<R> {
    /// Reads until `out` is full or the stream ends. Returns the number of bytes.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        let mut count = 0;
        while count < out.len() && (self.at < self.filled || self.next_block()?) {
            let now = (out.len() - count).min(self.filled - self.at);
            out[count..count + now].copy_from_slice(&self.block[self.at..self.at + now]);
            self.at += now;
            count += now;
        }
        self.offset += count;
        Ok(count)
    }

    fn next_block(&mut self) -> Result<bool, ReadError> {
        let count = fill(&mut self.from, &mut self.block)?;
        (self.at, self.filled) = (0, count);
        if self.layout == Layout::Blocked && count > 0 {
            if count < BLOCK {
                return Err(LayoutError::PartialBlock { length: self.blocks * BLOCK + count }.into());
            }
            if !ends_in_filler(&self.block) {
                return Err(LayoutError::BlockEnd { block: self.blocks + 1 }.into());
            }
            self.filled = PAYLOAD;
        }
        self.blocks += 1;
        Ok(count > 0)
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
        let mut reader = Reader::new(file, layout);
        let mut records = Vec::new();
        loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(record.to_vec()),
                Ok(None) => return Ok(records),
                Err(ReadError::Layout(fault)) => return Err(fault),
                Err(ReadError::Io(error)) => panic!("{error}"),
            }
        }
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
            let _ = read(&file, Layout::of(&file[..]).unwrap());
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
        blocked[PAYLOAD] = FILLER;
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
