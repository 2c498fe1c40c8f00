//! A pending log with a damaged segment is made readable: what can be read is kept, and what cannot be is told.

use super::segment::{self, Segment, Unreadable};
use super::{LogError, io_error, lengths_told};
use crate::data_key::DataKey;
use crate::now::utc;
use crate::record::Record;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What was done about one damaged segment.
#[derive(Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The segment as it was.
    pub kept_as: PathBuf,
    pub records_kept: usize,
    pub unreadable: Vec<Unreadable>,
    /// The times, in milliseconds since 1970, of the latest record before the damage and the earliest after it: what is lost
    /// happened between.
    pub lost_between_ms: (Option<i64>, Option<i64>),
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |ms: Option<i64>| ms.map_or_else(|| "unknown".to_owned(), |ms| utc(ms).to_string());
        let (from, to) = self.lost_between_ms;
        write!(f, "{}: {} records are kept; not readable:", self.kept_as.display(), self.records_kept)?;
        for unreadable in &self.unreadable {
            write!(f, " bytes {} to {},", unreadable.from, unreadable.to)?;
        }
        let (from, to) = (time(from), time(to));
        write!(f, " written between {from} and {to} UTC: a reversal or advice of that time may never be sent")
    }
}

/// A segment as far as it can be read.
struct Read {
    number: u64,
    path: PathBuf,
    records: Vec<Record>,
    unreadable: Vec<Unreadable>,
}

/// Rewrites each damaged segment of the log in `folder` from the records in it that can be read. The damaged file is kept
/// beside it.
///
/// # Errors
/// A file cannot be read or written, or the data key is another one.
pub fn repair(folder: &Path, key: &DataKey) -> Result<Vec<Repaired>, LogError> {
    let mut segments = Vec::new();
    for (number, path) in segment::files(folder)? {
        let (records, unreadable) = segment::read_around_damage(&path, key)?;
        segments.push(Read { number, path, records, unreadable });
    }
    if let Some(first) = segments.first()
        && segments.iter().all(|segment| segment.records.is_empty())
    {
        return Err(LogError::OtherKey(first.path.clone()));
    }
    let whole = lengths_told(segments.iter().flat_map(|segment| &segment.records));
    let starts: Vec<(u64, Option<i64>)> =
        segments.iter().map(|segment| (segment.number, segment.records.iter().find_map(time_of))).collect();
    let mut repaired = Vec::new();
    for Read { number, path, records, mut unreadable } in segments {
        let length = std::fs::metadata(&path).map_err(io_error(&path))?.len();
        let is_cut = whole.get(&number).filter(|bytes| length < **bytes && !records.contains(&Record::SegmentRepaired));
        unreadable.extend(is_cut.map(|bytes| Unreadable { from: length, to: *bytes }));
        if unreadable.is_empty() {
            continue;
        }
        let kept_as = path.with_extension("damaged");
        std::fs::rename(&path, &kept_as).map_err(io_error(&path))?;
        let after = starts.iter().find_map(|(later, at)| at.filter(|_| *later > number));
        let lost_between_ms = (records.iter().rev().find_map(time_of), after);
        if !records.is_empty() {
            rewrite(folder, number, key, &records)?;
        }
        repaired.push(Repaired { kept_as, records_kept: records.len(), unreadable, lost_between_ms });
    }
    Ok(repaired)
}

fn rewrite(folder: &Path, number: u64, key: &DataKey, records: &[Record]) -> Result<(), LogError> {
    let segment = Segment::create(folder, number, key)?;
    let (mut scratch, mut bytes) = (Vec::new(), Vec::new());
    for record in records.iter().chain([&Record::SegmentRepaired]) {
        let place = segment.written + bytes.len() as u64;
        segment.seal(place, record, &mut scratch, &mut bytes);
    }
    let written = (&*segment.file).write_all(&bytes).and_then(|()| segment.file.sync_all());
    written.map_err(io_error(&segment.path))
}

fn time_of(record: &Record) -> Option<i64> {
    match record {
        Record::Sent(sent) => Some(sent.sent_at_ms),
        Record::Owed(owed) | Record::OwedLate { owed, .. } | Record::DeadLetter { owed, .. } => Some(owed.since_ms),
        Record::EarlyReversal(early) => Some(early.at_ms),
        _ => None,
    }
}
