//! A pending log with a damaged segment is made readable: what can be read is kept, and what cannot be is told.

use super::segment::{self, Segment, Unreadable};
use super::{LogError, io_error};
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

/// Rewrites each damaged segment of the log in `folder` from the records in it that can be read. The damaged file is kept
/// beside it.
///
/// # Errors
/// A file cannot be read or written, or the data key is another one.
pub fn repair(folder: &Path, key: &DataKey) -> Result<Vec<Repaired>, LogError> {
    let mut repaired = Vec::new();
    for (number, path) in segment::files(folder)? {
        let (records, unreadable) = segment::read_around_damage(&path, key)?;
        if unreadable.is_empty() {
            continue;
        }
        if records.is_empty() && unreadable[0].from > 0 {
            return Err(LogError::OtherKey(path));
        }
        let kept_as = path.with_extension("damaged");
        std::fs::rename(&path, &kept_as).map_err(io_error(&path))?;
        let lost_between_ms = lost_between(folder, key, number, &records)?;
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
    for record in records {
        let place = segment.written + bytes.len() as u64;
        segment.seal(place, record, &mut scratch, &mut bytes);
    }
    let written = (&*segment.file).write_all(&bytes).and_then(|()| segment.file.sync_all());
    written.map_err(io_error(&segment.path))
}

/// The latest time in this segment, and the earliest in those after it.
fn lost_between(
    folder: &Path,
    key: &DataKey,
    number: u64,
    records: &[Record],
) -> Result<(Option<i64>, Option<i64>), LogError> {
    let mut after = None;
    for (later, path) in segment::files(folder)? {
        if later > number && after.is_none() {
            after = segment::read_around_damage(&path, key)?.0.iter().find_map(time_of);
        }
    }
    Ok((records.iter().rev().find_map(time_of), after))
}

fn time_of(record: &Record) -> Option<i64> {
    match record {
        Record::Sent(sent) => Some(sent.sent_at_ms),
        Record::Owed(owed) | Record::OwedLate { owed, .. } | Record::DeadLetter { owed, .. } => Some(owed.since_ms),
        Record::EarlyReversal(early) => Some(early.at_ms),
        _ => None,
    }
}
