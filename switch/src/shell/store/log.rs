//! The segment files of the pending log: appended to, never rewritten.
//!
//! Each start opens a new segment; a tail torn by a crash is cut off the last one before that. A full segment is followed by
//! the next, which is made beforehand, and synced with it: nothing here waits for a disk but `write` itself. A segment beyond
//! `keep_segments` is deleted once the records of it that are still open are copied forward, a few at each `write`.
//!
//! Versions 2 to 4 added kinds of records; earlier versions are still read. A segment of a later version is refused and left
//! as it is: an unknown record may be one that an answer relied on.
//!
//! | file | contents |
//! |---|---|
//! | log.rs | the log: append, write, change of segments |
//! | segment.rs | the form of one file |
//! | background.rs | segments are made, read and deleted on a thread of their own |
//! | repair.rs | a log with a damaged segment is made readable |

mod background;
mod repair;
mod segment;

pub use repair::{Repaired, repair};
#[cfg(test)]
use segment::Unreadable;

use super::open_item::{OpenItem, OpensOrCloses};
use super::reserve::Reserve;
use crate::data_key::DataKey;
use crate::record::Record;
use background::{Background, Done, Job};
use segment::Segment;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// Open records that one `write` copies out of the oldest segment.
const COPIES_PER_WRITE: usize = 128;
/// The log is at most so many times as long as what is open in it, and `keep_segments`: a segment that is copied forward
/// makes room for the more others, the less of it is open.
const TIMES_OPEN: u64 = 4;

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: the first record does not open: written under another data key, or not a pending log", .0.display())]
    OtherKey(PathBuf),
    #[error(
        "{}: damaged at byte {at}, and newer segments follow: what was owed there is not known; \
         `cardswitch repair` keeps what can be read",
        path.display()
    )]
    Damaged { path: PathBuf, at: u64 },
    #[error("{}: version {version:?} of the pending log: written by a later cardswitch", path.display())]
    OtherVersion { path: PathBuf, version: char },
    #[error("{}: a record at byte {at} is of no known kind: written by a later cardswitch", path.display())]
    UnknownRecord { path: PathBuf, at: u64 },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> LogError + '_ {
    move |source| LogError::Io { path: path.to_owned(), source }
}

/// The size at which a segment is closed, how many older segments are kept, and the room that is set aside.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub segment_bytes: u64,
    pub keep_segments: usize,
    pub reserve_bytes: u64,
}

/// Where the latest record of an open request or message is.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u64,
    bytes: u32,
}

/// The oldest segment, while its open records are copied forward.
struct Retiring {
    number: u64,
    path: PathBuf,
    /// `None` until it is read.
    records: Option<VecDeque<Record>>,
    copied_into: Vec<Arc<File>>,
}

/// A segment that nothing more is written to, and its length.
#[derive(Debug, Clone, Copy)]
struct Closed {
    segment: u64,
    bytes: u64,
}

pub struct PendingLog {
    folder: PathBuf,
    limits: Limits,
    reserve: Reserve,
    current: Segment,
    /// The one after it, once it is made.
    next: Option<Segment>,
    /// The size of the current segment at which the next one is asked for.
    ask_at: u64,
    /// Older segments, oldest first.
    older: VecDeque<(u64, PathBuf)>,
    retiring: Option<Retiring>,
    /// Segments that were closed since the last sync was asked for.
    closed: Vec<(Closed, Arc<File>)>,
    /// Those that a sync under way covers, by its ticket.
    syncing: VecDeque<(u64, Closed)>,
    open: HashMap<OpenItem, Place>,
    /// Of the records of `open`.
    open_bytes: u64,
    date: Option<Record>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    /// Told when the reserve had to be used.
    low: Option<watch::Sender<bool>>,
    background: Background,
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
        let Read { segments, records, open } = read_all(folder, &key)?;
        let date = records.iter().rfind(|r| matches!(r, Record::BusinessDate(_))).cloned();
        let number = segments.back().map_or(1, |(number, _)| number + 1);
        let reserve = Reserve::in_folder(folder, limits.reserve_bytes);
        if let Err(error) = reserve.make() {
            tracing::error!(%error, "no room can be set aside for the pending log");
        }
        let mut log = Self {
            folder: folder.into(),
            reserve,
            current: Segment::create(folder, number, &key)?,
            next: None,
            ask_at: limits.segment_bytes / 2,
            older: segments,
            retiring: None,
            closed: Vec::new(),
            syncing: VecDeque::new(),
            open_bytes: open.values().map(|place| u64::from(place.bytes)).sum(),
            open,
            date,
            buffer: Vec::new(),
            scratch: Vec::new(),
            background: Background::start(folder.into(), key).map_err(io_error(folder))?,
            low: None,
            limits,
        };
        log.begin_segment();
        for (segment, path) in log.older.clone() {
            let bytes = std::fs::metadata(&path).map_err(io_error(&path))?.len();
            log.append(&Record::SegmentWhole { segment, bytes });
        }
        log.write_buffer()?;
        Ok((log, records))
    }

    /// Adds a record to what `write` will write.
    pub fn append(&mut self, record: &Record) {
        if matches!(record, Record::BusinessDate(_)) {
            self.date = Some(record.clone());
        }
        let place = self.current.written + self.buffer.len() as u64;
        let bytes = self.current.seal(place, record, &mut self.scratch, &mut self.buffer);
        let place = Place { segment: self.current.number, bytes };
        self.open_bytes = self.open_bytes.saturating_add_signed(track(&mut self.open, record, place));
    }

    /// Hands everything appended to the kernel: from here on it survives the end of this process.
    ///
    /// # Errors
    /// The disk is full, the reserve too, or it is gone. The switch must stop then: its answers would rely on records that
    /// are not kept.
    pub fn write(&mut self) -> Result<(), LogError> {
        while let Some(done) = self.background.next_done() {
            self.take(done);
        }
        self.copy_forward();
        self.write_buffer()?;
        self.delete_retired();
        if self.current.written >= self.ask_at && self.next.is_none() {
            // asked again only after as much more, if it cannot be made
            self.ask_at = self.current.written + self.limits.segment_bytes / 2;
            self.background.ask(Job::Make(self.current.number + 1));
        }
        if self.current.written >= self.limits.segment_bytes {
            self.change_segment();
        }
        self.retire_oldest();
        Ok(())
    }

    fn write_buffer(&mut self) -> Result<(), LogError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (file, path) = (&self.current.file, &self.current.path);
        let mut written = (&**file).write_all(&self.buffer);
        if written.as_ref().is_err_and(is_full) && self.reserve.release() {
            tracing::error!(path = %path.display(), "the disk is full: the reserve of the pending log is used up now");
            if let Some(low) = &self.low {
                low.send_replace(true);
            }
            // a part of it may be there
            written = file.set_len(self.current.written).and_then(|()| (&**file).write_all(&self.buffer));
        }
        written.map_err(io_error(path))?;
        self.current.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The room that is set aside, for whoever watches the disk. `low` is told when it had to be used.
    pub fn watch_reserve(&mut self, low: watch::Sender<bool>) -> Reserve {
        self.low = Some(low);
        self.reserve.clone()
    }

    /// The files to be synced for everything written so far. When they are, [`PendingLog::synced`] gets this ticket; tickets
    /// rise.
    pub fn begin_sync(&mut self, ticket: u64) -> Vec<Arc<File>> {
        self.syncing.extend(self.closed.iter().map(|(closed, _)| (ticket, *closed)));
        let closed = self.closed.drain(..).map(|(_, file)| file);
        closed.chain([Arc::clone(&self.current.file)]).collect()
    }

    /// What was written before [`PendingLog::begin_sync`] got this ticket is on the disk.
    pub fn synced(&mut self, ticket: u64) {
        while let Some((_, Closed { segment, bytes })) = self.syncing.pop_front_if(|(with, _)| *with <= ticket) {
            self.append(&Record::SegmentWhole { segment, bytes });
        }
    }

    /// Syncs everything written so far, here and now.
    ///
    /// # Errors
    /// A file cannot be synced.
    pub fn sync_now(&mut self) -> Result<(), LogError> {
        let last = u64::MAX;
        for file in self.begin_sync(last) {
            file.sync_data().map_err(io_error(&self.current.path))?;
        }
        self.synced(last);
        Ok(())
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Made(Ok(segment)) => self.next = Some(*segment),
            Done::Made(Err(error)) => tracing::error!(%error, "no new segment: the current one goes on"),
            Done::Read(Ok(records)) => {
                if let Some(retiring) = &mut self.retiring {
                    retiring.records = Some(records);
                }
            }
            // it stays, and nothing after it is deleted either
            Done::Read(Err(error)) => tracing::error!(%error, "the oldest segment cannot be read any more"),
            Done::Deleted(Ok(())) => {}
            Done::Deleted(Err(error)) => tracing::error!(%error, "a segment that is not needed cannot be deleted"),
        }
    }

    fn change_segment(&mut self) {
        let Some(next) = self.next.take() else { return };
        let closed = std::mem::replace(&mut self.current, next);
        self.closed.push((Closed { segment: closed.number, bytes: closed.written }, closed.file));
        self.older.push_back((closed.number, closed.path));
        self.ask_at = self.limits.segment_bytes / 2;
        self.begin_segment();
    }

    /// Puts the business date into the new segment: every segment has it, so that any may be the oldest one left.
    fn begin_segment(&mut self) {
        if let Some(date) = self.date.clone() {
            self.append(&date);
        }
    }

    /// Begins to copy what is open in the oldest segment, if there are more than are kept.
    fn retire_oldest(&mut self) {
        let open = (TIMES_OPEN * self.open_bytes).div_euclid(self.limits.segment_bytes) as usize;
        if self.retiring.is_some() || self.older.len() <= self.limits.keep_segments + open {
            return;
        }
        let Some((number, path)) = self.older.pop_front() else { return };
        let nothing_open = !self.open.values().any(|place| place.segment == number);
        let records = nothing_open.then(VecDeque::new);
        if records.is_none() {
            self.background.ask(Job::Read(path.clone()));
        }
        self.retiring = Some(Retiring { number, path, records, copied_into: Vec::new() });
    }

    fn copy_forward(&mut self) {
        let Some(mut retiring) = self.retiring.take() else { return };
        let records =
            retiring.records.iter_mut().flat_map(|records| records.drain(..records.len().min(COPIES_PER_WRITE)));
        for record in records.collect::<Vec<_>>() {
            let is_open = |item| self.open.get(&item).is_some_and(|place| place.segment == retiring.number);
            if let Some(OpensOrCloses::Opens(item)) = OpensOrCloses::of(&record)
                && is_open(item)
            {
                self.append(&record);
                if retiring.copied_into.last().is_none_or(|last| !Arc::ptr_eq(last, &self.current.file)) {
                    retiring.copied_into.push(Arc::clone(&self.current.file));
                }
            }
        }
        self.retiring = Some(retiring);
    }

    fn delete_retired(&mut self) {
        let is_done = |retiring: &mut Retiring| retiring.records.as_ref().is_some_and(VecDeque::is_empty);
        if let Some(retiring) = self.retiring.take_if(is_done) {
            self.background.ask(Job::Delete(retiring.path, retiring.copied_into));
        }
    }

    /// Waits until nothing is under way on the other thread.
    #[cfg(test)]
    fn settle(&mut self) {
        loop {
            self.write().expect("room on the disk");
            match self.background.wait() {
                Some(done) => self.take(done),
                None if self.retiring.is_some() => {}
                None => return,
            }
        }
    }
}

/// Whether an error says that there is no room.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Notes what a record opens or closes; gives by how many bytes that changes what is open.
fn track(open: &mut HashMap<OpenItem, Place>, record: &Record, place: Place) -> i64 {
    let (before, now) = match OpensOrCloses::of(record) {
        Some(OpensOrCloses::Opens(item)) => (open.insert(item, place), place.bytes),
        Some(OpensOrCloses::Closes(item)) => (open.remove(&item), 0),
        None => return 0,
    };
    i64::from(now) - before.map_or(0, |before| i64::from(before.bytes))
}

/// Of each request and message the last record that opens it, in the order of writing.
fn last_of_each(records: Vec<Record>) -> VecDeque<Record> {
    let mut seen = HashSet::new();
    let mut last = VecDeque::new();
    for record in records.into_iter().rev() {
        if let Some(OpensOrCloses::Opens(item)) = OpensOrCloses::of(&record)
            && seen.insert(item)
        {
            last.push_front(record);
        }
    }
    last
}

/// The segments of a log, read.
struct Read {
    segments: VecDeque<(u64, PathBuf)>,
    records: Vec<Record>,
    open: HashMap<OpenItem, Place>,
}

fn read_all(folder: &Path, key: &DataKey) -> Result<Read, LogError> {
    let mut read = Vec::new();
    for (number, path) in segment::files(folder)? {
        let content = segment::read(&path, key)?;
        read.push((number, path, content));
    }
    if let Some((_, path, _)) = read.iter().find(|(_, _, content)| content.nothing_opens)
        && read.iter().all(|(_, _, content)| content.records.is_empty())
    {
        return Err(LogError::OtherKey(path.clone()));
    }
    let (mut segments, mut records, mut open) = (VecDeque::new(), Vec::new(), HashMap::new());
    let mut later = read.iter().map(|(_, _, content)| content.follows_synced).skip(1).collect::<VecDeque<_>>();
    let whole = lengths_told(read.iter().flat_map(|(_, _, content)| content.records.iter().map(|(record, _)| record)));
    for (number, path, content) in read {
        let next_follows_synced = later.pop_front();
        let length = std::fs::metadata(&path).map_err(io_error(&path))?.len();
        let is_repaired = content.records.iter().any(|(record, _)| *record == Record::SegmentRepaired);
        let is_shorter = !is_repaired && whole.get(&number).is_some_and(|bytes| length < *bytes);
        if let Some(at) = content.damaged_at.or_else(|| is_shorter.then_some(length)) {
            let was_whole = whole.contains_key(&number) || next_follows_synced == Some(true);
            if was_whole {
                return Err(LogError::Damaged { path, at });
            }
            tracing::warn!(segment = %path.display(), at, "torn record: it was not on the disk, and nothing relied on it");
            segment::cut_tail(&path, at)?;
        }
        if content.records.is_empty() {
            // one that was made beforehand, or of which nothing was ever synced
            let _ = std::fs::remove_file(&path);
            continue;
        }
        // else a power failure could take from it what is relied on from now on
        File::open(&path).and_then(|file| file.sync_all()).map_err(io_error(&path))?;
        for (record, bytes) in content.records {
            track(&mut open, &record, Place { segment: number, bytes });
            records.push(record);
        }
        segments.push_back((number, path));
    }
    Ok(Read { segments, records, open })
}

/// The lengths of segments that were on the disk as a whole, as later segments say.
fn lengths_told<'r>(records: impl Iterator<Item = &'r Record>) -> HashMap<u64, u64> {
    let told = records.filter_map(|record| match record {
        Record::SegmentWhole { segment, bytes } => Some((*segment, *bytes)),
        _ => None,
    });
    told.collect()
}

#[cfg(test)]
mod tests;
