//! The files of the fingerprints: a day of requests, recognized by key, trace number or reference number.
//!
//! Each hour has files of its own (hour.rs), so that a day is forgotten by deleting files. They are written by a thread of
//! their own (thread.rs) and synced every few seconds: what a power failure takes was in the pending log, from which it is
//! noted again at the start.

mod hour;
mod index;
mod thread;

pub use thread::{FingerprintThread, Found};

use crate::fingerprint::{Entry, Filter, Fingerprint, Hour, MOST_FOUND, Question};
use hour::HourFiles;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FingerprintError {
    path: PathBuf,
    source: io::Error,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FingerprintError + '_ {
    move |source| FingerprintError { path: path.to_owned(), source }
}

/// The fingerprints on the disk.
#[derive(Debug)]
pub struct Fingerprints {
    folder: PathBuf,
    hours: BTreeMap<Hour, HourFiles>,
}

impl Fingerprints {
    /// Opens the files in `folder`, which is made if it is missing, and gives the filter of what is in them. A file that
    /// cannot be read is left as it is, with a line in the log: what is in it is forgotten early.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<(Self, Filter), FingerprintError> {
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        let (mut hours, mut filter) = (BTreeMap::new(), Filter::default());
        for entry in std::fs::read_dir(folder).map_err(at(folder))? {
            let path = entry.map_err(at(folder))?.path();
            let hour = path.extension().filter(|of| *of == "rows").and(path.file_stem());
            let Some(hour) = hour.and_then(|hour| hour.to_str()?.parse().ok()).map(Hour) else { continue };
            match HourFiles::open(folder, hour) {
                Ok((files, known)) => {
                    filter.add_hour(hour, known);
                    hours.insert(hour, files);
                }
                Err(error) => tracing::error!(%error, "fingerprints of an hour cannot be read"),
            }
        }
        Ok((Self { folder: folder.to_owned(), hours }, filter))
    }

    /// Adds a request that has ended. It is in the file after [`Fingerprints::flush`].
    ///
    /// # Errors
    /// The hour's files cannot be made.
    pub fn add(&mut self, entry: &Entry) -> Result<(), FingerprintError> {
        let hour = entry.hour();
        let files = match self.hours.entry(hour) {
            std::collections::btree_map::Entry::Occupied(files) => files.into_mut(),
            std::collections::btree_map::Entry::Vacant(none) => none.insert(HourFiles::create(&self.folder, hour)?),
        };
        files.add(entry)
    }

    /// Adds a request, or overwrites what is kept of it.
    ///
    /// # Errors
    /// As [`Fingerprints::add`], and where the files cannot be read or written.
    pub fn set(&mut self, entry: &Entry) -> Result<(), FingerprintError> {
        let overwritten = match self.hours.get_mut(&entry.hour()) {
            Some(files) => files.overwrite(entry)?,
            None => false,
        };
        if overwritten { Ok(()) } else { self.add(entry) }
    }

    /// The fingerprints that answer a question, the latest first, at most [`MOST_FOUND`].
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn find(&mut self, question: &Question) -> Result<Vec<Fingerprint>, FingerprintError> {
        let mut found = Vec::new();
        for files in self.hours.values_mut().rev() {
            files.find(question, &mut found)?;
            if found.len() >= MOST_FOUND {
                found.truncate(MOST_FOUND);
                break;
            }
        }
        Ok(found)
    }

    /// Hands everything added to the kernel. What cannot be written is gone; gives how many that are.
    ///
    /// # Errors
    /// A file cannot be written: the first that could not.
    pub fn flush(&mut self) -> Result<(), (FingerprintError, usize)> {
        let mut failed = None;
        for files in self.hours.values_mut() {
            if let Err((error, lost)) = files.flush() {
                let (_, before) = failed.get_or_insert((error, 0));
                *before += lost;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Syncs everything, and closes the hours before this one: their references are sorted for good.
    ///
    /// # Errors
    /// A file cannot be written. What was not closed stays as it was.
    pub fn settle(&mut self, before: Hour) -> Result<(), FingerprintError> {
        for (hour, files) in &mut self.hours {
            files.sync()?;
            if *hour < before {
                files.close(&self.folder)?;
            }
        }
        Ok(())
    }

    /// Deletes the hours up to this one.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn forget_to(&mut self, last: Hour) -> Result<(), FingerprintError> {
        while let Some(oldest) = self.hours.first_entry().filter(|oldest| *oldest.key() <= last) {
            oldest.remove().delete(&self.folder)?;
        }
        Ok(())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.hours.values().map(HourFiles::bytes).sum()
    }
}

#[cfg(test)]
mod tests;
