//! One segment file: a header (magic, version, salt) and records: length (4 bytes, big-endian), sealed record.

use super::LogError;
use super::io_error;
use crate::data_key::DataKey;
use crate::record::Record;
use crate::shell::store::seal::{SALT_BYTES, SegmentSeal, TAG_BYTES};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const MAGIC: &[u8; 7] = b"SWYPEND";
const VERSION: u8 = b'4';
const READ_VERSIONS: std::ops::RangeInclusive<u8> = b'1'..=VERSION;
/// From this version on a segment may follow one that is not on the disk as a whole.
const MAY_FOLLOW_UNSYNCED: u8 = b'4';
const SALT_AT: usize = MAGIC.len() + 1;
pub(super) const HEADER_BYTES: usize = SALT_AT + SALT_BYTES;
/// A record holds one message; a longer length can only be damage.
const MAX_RECORD_BYTES: usize = 1 << 17;

/// A segment that is written to.
pub(super) struct Segment {
    pub number: u64,
    pub path: PathBuf,
    pub file: Arc<File>,
    pub seal: SegmentSeal,
    pub written: u64,
}

impl Segment {
    pub(super) fn create(folder: &Path, number: u64, key: &DataKey) -> Result<Self, LogError> {
        let path = folder.join(format!("{number:012}.pending"));
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|e| LogError::Io { path: path.clone(), source: io::Error::other(e) })?;
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(io_error(&path))?;
        file.write_all(MAGIC)
            .and_then(|()| file.write_all(&[VERSION]))
            .and_then(|()| file.write_all(&salt))
            .map_err(io_error(&path))?;
        // the name must survive a power cut as well as the content
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))?;
        let seal = SegmentSeal::new(key, &salt);
        Ok(Self { number, path, file: Arc::new(file), seal, written: HEADER_BYTES as u64 })
    }

    /// Seals a record for this place of the segment, and puts it behind the others. Gives its length.
    pub(super) fn seal(&self, place: u64, record: &Record, scratch: &mut Vec<u8>, into: &mut Vec<u8>) -> u32 {
        scratch.clear();
        *scratch = postcard::to_extend(record, std::mem::take(scratch)).expect("records always serialize");
        self.seal.seal(place, scratch);
        into.extend_from_slice(&(scratch.len() as u32).to_be_bytes());
        into.extend_from_slice(scratch);
        scratch.len() as u32 + 4
    }
}

/// The segments in a folder, the oldest first.
pub(super) fn files(folder: &Path) -> Result<VecDeque<(u64, PathBuf)>, LogError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        let number = path.extension().filter(|e| *e == "pending").and(path.file_stem());
        if let Some(number) = number.and_then(|n| n.to_str()?.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found.into())
}

#[derive(Default)]
pub(super) struct SegmentContent {
    /// With the bytes that each has in the file.
    pub records: Vec<(Record, u32)>,
    /// Where reading had to stop before the end.
    pub damaged_at: Option<u64>,
    /// There is something that could be a record, or much of anything, and no record opens: damage, or another data key.
    pub nothing_opens: bool,
    /// The segment before it was on the disk as a whole when this one was begun.
    pub follows_synced: bool,
}

pub(super) fn read(path: &Path, key: &DataKey) -> Result<SegmentContent, LogError> {
    let mut content = SegmentContent::default();
    let Some(mut segment) = Reading::open(path, key)? else {
        // a process that died between creating the file and writing its header
        content.damaged_at = Some(0);
        return Ok(content);
    };
    content.follows_synced = segment.version < MAY_FOLLOW_UNSYNCED;
    let mut at = HEADER_BYTES;
    while at < segment.bytes.len() {
        let Some((record, next)) = segment.record_at(at) else {
            let nothing_opened = content.records.is_empty();
            let whole = record_range(&segment.bytes, at).is_some() || segment.bytes.len() - at > MAX_RECORD_BYTES;
            content.nothing_opens = nothing_opened && whole;
            content.damaged_at = Some(at as u64);
            break;
        };
        // the seal is ours, so this is no damage
        let record = record.map_err(|_| LogError::UnknownRecord { path: path.into(), at: at as u64 })?;
        content.records.push((record, (next - at) as u32));
        at = next;
    }
    Ok(content)
}

/// Bytes of a segment that hold no record that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    pub from: u64,
    pub to: u64,
}

/// Reads a damaged segment: every record that can be read, and what lies between.
pub(super) fn read_around_damage(path: &Path, key: &DataKey) -> Result<(Vec<Record>, Vec<Unreadable>), LogError> {
    let (mut records, mut unreadable): (Vec<Record>, Vec<Unreadable>) = (Vec::new(), Vec::new());
    let Some(mut segment) = Reading::open(path, key)? else {
        let length = std::fs::metadata(path).map_err(io_error(path))?.len();
        return Ok((records, vec![Unreadable { from: 0, to: length }]));
    };
    let mut at = HEADER_BYTES;
    while at < segment.bytes.len() {
        match segment.record_at(at) {
            Some((Ok(record), next)) => {
                records.push(record);
                at = next;
            }
            Some((Err(_), _)) => return Err(LogError::UnknownRecord { path: path.into(), at: at as u64 }),
            None => {
                match unreadable.last_mut() {
                    Some(last) if last.to == at as u64 => last.to += 1,
                    _ => unreadable.push(Unreadable { from: at as u64, to: at as u64 + 1 }),
                }
                at += 1;
            }
        }
    }
    Ok((records, unreadable))
}

/// A segment in memory.
struct Reading {
    bytes: Vec<u8>,
    version: u8,
    seal: SegmentSeal,
    scratch: Vec<u8>,
}

impl Reading {
    /// `None` for a file without a whole header.
    fn open(path: &Path, key: &DataKey) -> Result<Option<Self>, LogError> {
        let mut bytes = Vec::new();
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io_error(path))?;
        if bytes.len() < HEADER_BYTES || &bytes[..MAGIC.len()] != MAGIC {
            return Ok(None);
        }
        let version = bytes[MAGIC.len()];
        if !READ_VERSIONS.contains(&version) {
            return Err(LogError::OtherVersion { path: path.into(), version: char::from(version) });
        }
        let salt = bytes[SALT_AT..HEADER_BYTES].try_into().expect("the header holds the salt");
        Ok(Some(Self { version, seal: SegmentSeal::new(key, &salt), bytes, scratch: Vec::new() }))
    }

    /// The record at this place, and where the next one is. `None` for one that the seal does not open: torn, damaged, or
    /// sealed under another key.
    fn record_at(&mut self, at: usize) -> Option<(postcard::Result<Record>, usize)> {
        let range = record_range(&self.bytes, at)?;
        let next = range.end;
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.bytes[range]);
        let plain = self.seal.open(at as u64, &mut self.scratch)?;
        Some((postcard::from_bytes(plain), next))
    }
}

fn record_range(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
    let range = at + 4..at + 4 + length;
    ((TAG_BYTES..=MAX_RECORD_BYTES).contains(&length) && range.end <= bytes.len()).then_some(range)
}

/// Cuts a torn tail off, so that the segment reads clean once it is no longer the last. A file without a whole header is
/// deleted.
pub(super) fn cut_tail(path: &Path, at: u64) -> Result<(), LogError> {
    if at < HEADER_BYTES as u64 {
        return std::fs::remove_file(path).map_err(io_error(path));
    }
    let file = OpenOptions::new().write(true).open(path).map_err(io_error(path))?;
    file.set_len(at).and_then(|()| file.sync_all()).map_err(io_error(path))
}
