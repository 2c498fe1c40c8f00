//! The segment files of the pending log: appended to, never rewritten.
//!
//! A segment is a header (magic, version, salt) and records: length (4 bytes, big-endian), sealed record. Each start
//! opens a new segment; a tail torn by a crash is cut off the last one before that.
//!
//! Versions 2 and 3 added kinds of records; earlier versions are still read. A segment of a later version is refused and left
//! as it is: an unknown record may be one that an answer relied on.

use super::open_item::{OpenItem, OpensOrCloses};
use super::seal::{SALT_BYTES, SegmentSeal, TAG_BYTES};
use crate::data_key::DataKey;
use crate::record::Record;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 7] = b"SWYPEND";
const VERSION: u8 = b'3';
const READ_VERSIONS: std::ops::RangeInclusive<u8> = b'1'..=VERSION;
const SALT_AT: usize = MAGIC.len() + 1;
const HEADER_BYTES: u64 = (SALT_AT + SALT_BYTES) as u64;
/// A record holds one message; a longer length can only be damage.
const MAX_RECORD_BYTES: usize = 1 << 17;

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: the first record does not open: written under another data key, or not a pending log", .0.display())]
    OtherKey(PathBuf),
    #[error("{}: damaged at byte {at}, and newer segments follow: what was owed there is not known", path.display())]
    Damaged { path: PathBuf, at: u64 },
    #[error("{}: version {version:?} of the pending log: written by a later cardswitch", path.display())]
    OtherVersion { path: PathBuf, version: char },
    #[error("{}: a record at byte {at} is of no known kind: written by a later cardswitch", path.display())]
    UnknownRecord { path: PathBuf, at: u64 },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LogError + '_ {
    move |source| LogError::Io { path: path.to_owned(), source }
}

/// The size at which a segment is closed, and how many older segments are kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub segment_bytes: u64,
    pub keep_segments: usize,
}

struct Segment {
    number: u64,
    path: PathBuf,
    file: Arc<File>,
    seal: SegmentSeal,
    written: u64,
}

pub struct PendingLog {
    folder: PathBuf,
    key: DataKey,
    limits: Limits,
    current: Segment,
    /// Older segments, oldest first.
    older: VecDeque<(u64, PathBuf)>,
    /// The segment with the latest record of each open request and message.
    open: HashMap<OpenItem, u64>,
    date: Option<Record>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for PendingLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PendingLog({}, segment {})", self.folder.display(), self.current.number)
    }
}

impl PendingLog {
    /// Opens the log in `folder`, made if it is missing, and gives every record in it, oldest first.
    ///
    /// # Errors
    /// The folder cannot be used, the data key is another one, or a segment other than the last is damaged.
    pub fn open(folder: &Path, key: DataKey, limits: Limits) -> Result<(Self, Vec<Record>), LogError> {
        std::fs::create_dir_all(folder).map_err(io_error(folder))?;
        let mut segments = segment_files(folder)?;
        let (mut records, mut open) = (Vec::new(), HashMap::new());
        let last = segments.len().saturating_sub(1);
        for (i, (number, path)) in segments.iter().enumerate() {
            let read = read_segment(path, &key)?;
            if let (Some(at), true) = (read.damaged_at, i < last) {
                return Err(LogError::Damaged { path: path.clone(), at });
            }
            if let Some(at) = read.damaged_at {
                tracing::warn!(segment = %path.display(), at, "torn record at the end of the pending log: it was never acted on");
                cut_tail(path, at)?;
            }
            for record in &read.records {
                track(&mut open, record, *number);
            }
            records.extend(read.records);
        }
        let date = records.iter().rfind(|r| matches!(r, Record::BusinessDate(_))).cloned();
        let number = segments.back().map_or(1, |(number, _)| number + 1);
        let current = Segment::create(folder, number, &key)?;
        let older = std::mem::take(&mut segments);
        let mut log = Self {
            folder: folder.into(),
            key,
            limits,
            current,
            older,
            open,
            date,
            buffer: Vec::new(),
            scratch: Vec::new(),
        };
        log.begin_segment();
        Ok((log, records))
    }

    /// Adds a record to what `write` will write.
    pub fn append(&mut self, record: &Record) {
        if matches!(record, Record::BusinessDate(_)) {
            self.date = Some(record.clone());
        }
        track(&mut self.open, record, self.current.number);
        let place = self.current.written + self.buffer.len() as u64;
        self.scratch.clear();
        self.scratch =
            postcard::to_extend(record, std::mem::take(&mut self.scratch)).expect("records always serialize");
        self.current.seal.seal(place, &mut self.scratch);
        self.buffer.extend_from_slice(&(self.scratch.len() as u32).to_be_bytes());
        self.buffer.extend_from_slice(&self.scratch);
    }

    /// Hands everything appended to the kernel: from here on it survives the end of this process.
    ///
    /// # Errors
    /// The disk is full or gone. The switch must stop then: its answers would rely on records that are not kept.
    pub fn write(&mut self) -> Result<(), LogError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        (&*self.current.file).write_all(&self.buffer).map_err(io_error(&self.current.path))?;
        self.current.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.current.written >= self.limits.segment_bytes {
            self.rotate()?;
        }
        Ok(())
    }

    /// The file to sync for everything written so far: earlier segments were synced when they were closed.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.current.file)
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        self.current.file.sync_data().map_err(io_error(&self.current.path))?;
        let next = Segment::create(&self.folder, self.current.number + 1, &self.key)?;
        let closed = std::mem::replace(&mut self.current, next);
        self.older.push_back((closed.number, closed.path));
        self.begin_segment();
        self.drop_oldest()
    }

    /// Puts the business date into the new segment: every segment has it, so that any may be the oldest one left.
    fn begin_segment(&mut self) {
        if let Some(date) = self.date.clone() {
            self.append(&date);
        }
    }

    /// Deletes the oldest segments beyond `keep_segments`, after copying the records of open requests and messages
    /// forward.
    fn drop_oldest(&mut self) -> Result<(), LogError> {
        while self.older.len() > self.limits.keep_segments {
            let Some((number, path)) = self.older.pop_front() else { break };
            if self.open.values().any(|segment| *segment == number) {
                for record in
                    last_of_each(read_segment(&path, &self.key)?.records, |open| self.open.get(open) == Some(&number))
                {
                    self.append(&record);
                }
                (&*self.current.file).write_all(&self.buffer).map_err(io_error(&self.current.path))?;
                self.current.written += self.buffer.len() as u64;
                self.buffer.clear();
                self.current.file.sync_data().map_err(io_error(&self.current.path))?;
            }
            std::fs::remove_file(&path).map_err(io_error(&path))?;
        }
        Ok(())
    }
}

impl Segment {
    fn create(folder: &Path, number: u64, key: &DataKey) -> Result<Self, LogError> {
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
        Ok(Self { number, path, file: Arc::new(file), seal, written: HEADER_BYTES })
    }
}

fn track(open: &mut HashMap<OpenItem, u64>, record: &Record, segment: u64) {
    match OpensOrCloses::of(record) {
        Some(OpensOrCloses::Opens(thing)) => _ = open.insert(thing, segment),
        Some(OpensOrCloses::Closes(thing)) => _ = open.remove(&thing),
        None => {}
    }
}

/// The latest record of each request and message for which `is_wanted`, in the order of writing.
fn last_of_each(records: Vec<Record>, is_wanted: impl Fn(&OpenItem) -> bool) -> Vec<Record> {
    let mut seen = HashSet::new();
    let is_last = |record: &Record| match OpensOrCloses::of(record) {
        Some(OpensOrCloses::Opens(open)) => is_wanted(&open) && seen.insert(open),
        _ => false,
    };
    let mut last: Vec<Record> = records.into_iter().rev().filter(is_last).collect();
    last.reverse();
    last
}

fn segment_files(folder: &Path) -> Result<VecDeque<(u64, PathBuf)>, LogError> {
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

struct SegmentContent {
    records: Vec<Record>,
    /// Where reading had to stop before the end.
    damaged_at: Option<u64>,
}

fn read_segment(path: &Path, key: &DataKey) -> Result<SegmentContent, LogError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io_error(path))?;
    let mut content = SegmentContent { records: Vec::new(), damaged_at: None };
    let header = HEADER_BYTES as usize;
    if bytes.len() < header || &bytes[..MAGIC.len()] != MAGIC {
        // a process that died between creating the file and writing its header
        content.damaged_at = Some(0);
        return Ok(content);
    }
    let version = bytes[MAGIC.len()];
    if !READ_VERSIONS.contains(&version) {
        return Err(LogError::OtherVersion { path: path.into(), version: char::from(version) });
    }
    let salt = bytes[SALT_AT..header].try_into().expect("the header holds the salt");
    let seal = SegmentSeal::new(key, &salt);
    let mut at = header;
    while at < bytes.len() {
        let Some((record, next)) = open_record(&mut bytes, at, &seal) else {
            if content.records.is_empty() && bytes.len() - at > MAX_RECORD_BYTES {
                return Err(LogError::OtherKey(path.into()));
            }
            if content.records.is_empty() && whole_record_at(&bytes, at) {
                return Err(LogError::OtherKey(path.into()));
            }
            content.damaged_at = Some(at as u64);
            break;
        };
        // the seal is ours, so this is no damage
        let record = record.map_err(|_| LogError::UnknownRecord { path: path.into(), at: at as u64 })?;
        content.records.push(record);
        at = next;
    }
    Ok(content)
}

fn record_range(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
    let range = at + 4..at + 4 + length;
    ((TAG_BYTES..=MAX_RECORD_BYTES).contains(&length) && range.end <= bytes.len()).then_some(range)
}

fn whole_record_at(bytes: &[u8], at: usize) -> bool {
    record_range(bytes, at).is_some()
}

/// `None` for a record that the seal does not open: torn, damaged, or sealed under another key.
fn open_record(bytes: &mut [u8], at: usize, seal: &SegmentSeal) -> Option<(postcard::Result<Record>, usize)> {
    let range = record_range(bytes, at)?;
    let next = range.end;
    let plain = seal.open(at as u64, &mut bytes[range])?;
    Some((postcard::from_bytes(plain), next))
}

/// Cuts a torn tail off, so that the segment reads clean once it is no longer the last.
fn cut_tail(path: &Path, at: u64) -> Result<(), LogError> {
    if at < HEADER_BYTES {
        return std::fs::remove_file(path).map_err(io_error(path));
    }
    let file = OpenOptions::new().write(true).open(path).map_err(io_error(path))?;
    file.set_len(at).and_then(|()| file.sync_all()).map_err(io_error(path))
}

#[cfg(test)]
mod tests;
