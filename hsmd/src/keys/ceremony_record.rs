//! The record of ceremonies: one JSON line per act, each carrying the hash of the line before, so that none can be taken
//! out or changed without breaking all that follow.
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// Why the record cannot be written or trusted.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error("{0}: line {1} does not follow from the one before: the record has been altered")]
    Broken(PathBuf, usize),
}

/// One line of the record: an act on a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedAct {
    at: String,
    act: String,
    key: String,
    check_value: String,
    /// SHA-256 of the line before, hex; zeros in the first.
    previous: String,
}

/// The open record.
#[derive(Debug)]
pub(crate) struct CeremonyRecord {
    path: PathBuf,
    head: String,
}

impl CeremonyRecord {
    /// Reads the record through and checks its chain.
    pub(crate) fn open(keys_dir: &Path) -> Result<Self, RecordError> {
        let path = keys_dir.join("ceremonies.ndjson");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(RecordError::File(path, error)),
        };
        let mut head = hex(&[0; 32]);
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str::<RecordedAct>(line) {
                Ok(entry) if entry.previous == head => head = hex(&Sha256::digest(line)),
                _ => return Err(RecordError::Broken(path, number + 1)),
            }
        }
        Ok(Self { path, head })
    }

    /// The acts so far as text, after the chain has been checked.
    pub(crate) fn acts(keys_dir: &Path) -> Result<Vec<String>, RecordError> {
        let record = Self::open(keys_dir)?;
        let text = match std::fs::read_to_string(&record.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(RecordError::File(record.path, error)),
        };
        let entries = text.lines().filter_map(|line| serde_json::from_str::<RecordedAct>(line).ok());
        let acts =
            entries.map(|entry| format!("{}  {:<32} {:<28} {}", entry.at, entry.act, entry.key, entry.check_value));
        Ok(acts.chain([format!("head {}", record.head)]).collect())
    }

    /// Adds an act; it is on the disk when this returns.
    pub(crate) fn append(
        &mut self,
        at: jiff::Timestamp,
        act: &str,
        key: &str,
        check_value: &str,
    ) -> Result<(), RecordError> {
        let entry = RecordedAct {
            at: at.to_string(),
            act: act.into(),
            key: key.into(),
            check_value: check_value.into(),
            previous: self.head.clone(),
        };
        self.write(&entry).map_err(|error| RecordError::File(self.path.clone(), error))
    }

    fn write(&mut self, entry: &RecordedAct) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let line = serde_json::to_string(entry)?;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()?;
        self.head = hex(&Sha256::digest(&line));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("switchyard-record-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_changed_line_is_noticed() {
        let folder = folder("changed");
        let at = jiff::Timestamp::UNIX_EPOCH;
        let mut record = CeremonyRecord::open(&folder).unwrap();
        for key in ["vault", "pan-index", "audit"] {
            record.append(at, "generated", key, "ABCDEF").unwrap();
        }
        CeremonyRecord::open(&folder).unwrap().append(at, "generated", "pvk", "123456").unwrap();
        let path = folder.join("ceremonies.ndjson");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4);
        std::fs::write(&path, text.replace("pan-index", "pan-indox")).unwrap();
        assert!(matches!(CeremonyRecord::open(&folder), Err(RecordError::Broken(_, 3))));
        let without_second: String =
            text.lines().enumerate().filter(|(n, _)| *n != 1).map(|(_, l)| format!("{l}\n")).collect();
        std::fs::write(&path, without_second).unwrap();
        assert!(matches!(CeremonyRecord::open(&folder), Err(RecordError::Broken(_, 2))));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
