//! The files of one hour: `.rows`, the fingerprints in the order in which they came; while the hour grows `.references`,
//! two halves of hashes for each row; after it `.index`, the same sorted, and `.filter`.

use super::index::{self, GrowingIndex, SortedIndex};
use super::{FingerprintError, at};
use crate::fingerprint::{Entry, Fingerprint, Hour, HourFilter, Question, ROW_BYTES, References, identity_of};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const ROW: u64 = ROW_BYTES as u64;
const REFERENCE_BYTES: usize = 8;
const EXTENSIONS: [&str; 4] = ["references", "index", "filter", "rows"];

/// How the references of the rows are found.
#[derive(Debug)]
enum Index {
    Growing { references: File, stan: GrowingIndex, rrn: GrowingIndex },
    Sorted { file: File, stan: SortedIndex, rrn: SortedIndex },
}

/// The fingerprints of one hour.
#[derive(Debug)]
pub(super) struct HourFiles {
    hour: Hour,
    path: PathBuf,
    rows: File,
    /// Rows in the file.
    count: u32,
    index: Index,
    /// Of the file of a closed hour.
    filter_bytes: u64,
    /// Rows and references that are not in the files yet.
    new_rows: Vec<u8>,
    new_references: Vec<u8>,
    is_synced: bool,
}

fn path_of(folder: &Path, hour: Hour, extension: &str) -> PathBuf {
    folder.join(format!("{:08}.{extension}", hour.0))
}

fn open_file(path: &Path, new: bool) -> Result<File, FingerprintError> {
    OpenOptions::new().read(true).write(true).create(new).truncate(false).open(path).map_err(at(path))
}

impl HourFiles {
    /// Opens the files of an hour that grows, or makes them.
    pub(super) fn create(folder: &Path, hour: Hour) -> Result<Self, FingerprintError> {
        let path = path_of(folder, hour, "rows");
        let references = open_file(&path_of(folder, hour, "references"), true)?;
        let rows = open_file(&path, true)?;
        let index = Index::Growing { references, stan: GrowingIndex::new(), rrn: GrowingIndex::new() };
        let (new_rows, new_references) = (Vec::new(), Vec::new());
        Ok(Self { hour, path, rows, count: 0, index, filter_bytes: 0, new_rows, new_references, is_synced: true })
    }

    /// Opens the files of an hour, with the filter of what is in them.
    pub(super) fn open(folder: &Path, hour: Hour) -> Result<(Self, HourFilter), FingerprintError> {
        let mut files = Self::create(folder, hour)?;
        let filter_path = path_of(folder, hour, "filter");
        let filter = std::fs::read(&filter_path).ok().and_then(|bytes| HourFilter::from_bytes(&bytes));
        match (filter, sorted(folder, hour)) {
            (Some(filter), Ok(index)) => {
                let path = &files.path;
                files.count = (files.rows.metadata().map_err(at(path))?.len() / ROW) as u32;
                files.index = index;
                files.filter_bytes = filter.to_bytes().len() as u64;
                remove(&path_of(folder, hour, "references"))?;
                Ok((files, filter))
            }
            _ => {
                let filter = files.read_growing()?;
                Ok((files, filter))
            }
        }
    }

    /// Reads the rows with their references, up to the first that was not written as a whole.
    fn read_growing(&mut self) -> Result<HourFilter, FingerprintError> {
        let path = self.path.clone();
        let Index::Growing { references, stan, rrn } = &mut self.index else {
            return Ok(HourFilter::with_room(0));
        };
        let rows = self.rows.metadata().map_err(at(&path))?.len() / ROW;
        let mut filter = HourFilter::with_room(rows as usize);
        let (mut row, mut reference) = ([0; ROW_BYTES], [0; REFERENCE_BYTES]);
        let (mut rows_from, mut references_from) =
            (BufReader::with_capacity(1 << 20, &self.rows), BufReader::with_capacity(1 << 18, &*references));
        for number in 0..rows as u32 {
            let whole = rows_from.read_exact(&mut row).and_then(|()| references_from.read_exact(&mut reference));
            match whole {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(at(&path)(error)),
            }
            if Fingerprint::from_row(&row, self.hour).is_none() {
                break;
            }
            filter.insert(identity_of(&row));
            note(stan, rrn, references_of(reference), number);
            self.count = number + 1;
        }
        Ok(filter)
    }

    pub(super) fn add(&mut self, entry: &Entry) -> Result<(), FingerprintError> {
        let Index::Growing { stan, rrn, .. } = &mut self.index else {
            let late = io::Error::other("the hour is closed: a request that took as long is not kept");
            return Err(at(&self.path)(late));
        };
        let number = self.count + (self.new_rows.len() / ROW_BYTES) as u32;
        note(stan, rrn, entry.references, number);
        self.new_rows.extend_from_slice(&entry.fingerprint.to_row());
        self.new_references.extend_from_slice(&bytes_of(entry.references));
        Ok(())
    }

    /// Overwrites the row with this identity; `false` if there is none.
    pub(super) fn overwrite(&mut self, entry: &Entry) -> Result<bool, FingerprintError> {
        self.flush().map_err(|(error, _)| error)?;
        for number in self.rows_by_stan(entry.references.stan)? {
            let Some(found) = self.row(number)? else { continue };
            if found.identity == entry.fingerprint.identity && found.stan == entry.fingerprint.stan {
                let place = u64::from(number) * ROW;
                self.rows.write_all_at(&entry.fingerprint.to_row(), place).map_err(at(&self.path))?;
                self.is_synced = false;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds those that answer a question, the latest first.
    pub(super) fn find(&mut self, question: &Question, found: &mut Vec<Fingerprint>) -> Result<(), FingerprintError> {
        self.flush().map_err(|(error, _)| error)?;
        let mut rows = Vec::new();
        for reference in question.stan_references() {
            rows.extend(self.rows_by_stan(reference)?);
        }
        let by_rrn = match question.rrn {
            Some((reference, _)) => self.rows_by_rrn(reference)?,
            None => Vec::new(),
        };
        rows.extend(&by_rrn);
        rows.sort_unstable();
        rows.dedup();
        for number in rows.into_iter().rev() {
            let Some(row) = self.row(number)? else { continue };
            if question.fits_by_stan(&row) || (by_rrn.contains(&number) && question.fits_by_rrn(&row)) {
                found.push(row);
            }
        }
        Ok(())
    }

    fn rows_by_stan(&self, reference: u32) -> Result<Vec<u32>, FingerprintError> {
        match &self.index {
            Index::Growing { stan, .. } => Ok(index::rows_of(stan, reference)),
            Index::Sorted { file, stan, .. } => stan.rows_of(file, reference).map_err(at(&self.path)),
        }
    }

    fn rows_by_rrn(&self, reference: u32) -> Result<Vec<u32>, FingerprintError> {
        match &self.index {
            Index::Growing { rrn, .. } => Ok(index::rows_of(rrn, reference)),
            Index::Sorted { file, rrn, .. } => rrn.rows_of(file, reference).map_err(at(&self.path)),
        }
    }

    /// `None` for a row that is not in the file: it could not be written.
    fn row(&self, number: u32) -> Result<Option<Fingerprint>, FingerprintError> {
        if number >= self.count {
            return Ok(None);
        }
        let mut row = [0; ROW_BYTES];
        self.rows.read_exact_at(&mut row, u64::from(number) * ROW).map_err(at(&self.path))?;
        Ok(Fingerprint::from_row(&row, self.hour))
    }

    /// Writes what was added; on an error that is gone.
    pub(super) fn flush(&mut self) -> Result<(), (FingerprintError, usize)> {
        if self.new_rows.is_empty() {
            return Ok(());
        }
        let Index::Growing { references, .. } = &self.index else { return Ok(()) };
        let new = self.new_rows.len() / ROW_BYTES;
        let written = references
            .write_all_at(&self.new_references, u64::from(self.count) * REFERENCE_BYTES as u64)
            .and_then(|()| self.rows.write_all_at(&self.new_rows, u64::from(self.count) * ROW));
        self.new_rows.clear();
        self.new_references.clear();
        self.is_synced = false;
        match written {
            Ok(()) => {
                self.count += new as u32;
                Ok(())
            }
            Err(error) => Err((at(&self.path)(error), new)),
        }
    }

    pub(super) fn sync(&mut self) -> Result<(), FingerprintError> {
        self.flush().map_err(|(error, _)| error)?;
        if self.is_synced {
            return Ok(());
        }
        if let Index::Growing { references, .. } = &self.index {
            references.sync_data().map_err(at(&self.path))?;
        }
        self.rows.sync_data().map_err(at(&self.path))?;
        self.is_synced = true;
        Ok(())
    }

    /// Sorts the references into a file; nothing is added to the hour after that.
    pub(super) fn close(&mut self, folder: &Path) -> Result<(), FingerprintError> {
        let Index::Growing { stan, rrn, .. } = &self.index else { return Ok(()) };
        let mut filter = HourFilter::with_room(self.count as usize);
        let mut row = [0; ROW_BYTES];
        let mut rows = BufReader::with_capacity(1 << 20, PositionedRows { file: &self.rows, at: 0 });
        for _ in 0..self.count {
            rows.read_exact(&mut row).map_err(at(&self.path))?;
            filter.insert(identity_of(&row));
        }
        let filter = filter.to_bytes();
        write_whole(&path_of(folder, self.hour, "filter"), &filter)?;
        let mut sorted_bytes = index::encode(stan);
        sorted_bytes.extend(index::encode(rrn));
        write_whole(&path_of(folder, self.hour, "index"), &sorted_bytes)?;
        self.index = sorted(folder, self.hour)?;
        self.filter_bytes = filter.len() as u64;
        remove(&path_of(folder, self.hour, "references"))
    }

    pub(super) fn delete(self, folder: &Path) -> Result<(), FingerprintError> {
        EXTENSIONS.iter().try_for_each(|extension| remove(&path_of(folder, self.hour, extension)))
    }

    /// Of its files.
    pub(super) fn bytes(&self) -> u64 {
        let references = match &self.index {
            Index::Growing { .. } => u64::from(self.count) * REFERENCE_BYTES as u64,
            Index::Sorted { rrn, .. } => rrn.end() + self.filter_bytes,
        };
        u64::from(self.count) * ROW + references
    }
}

/// Reads a file from its start, whatever its own position.
struct PositionedRows<'f> {
    file: &'f File,
    at: u64,
}

impl Read for PositionedRows<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn sorted(folder: &Path, hour: Hour) -> Result<Index, FingerprintError> {
    let path = path_of(folder, hour, "index");
    let file = File::open(&path).map_err(at(&path))?;
    let stan = SortedIndex::at(&file, 0).map_err(at(&path))?;
    let rrn = SortedIndex::at(&file, stan.end()).map_err(at(&path))?;
    Ok(Index::Sorted { file, stan, rrn })
}

fn note(stan: &mut GrowingIndex, rrn: &mut GrowingIndex, of: References, row: u32) {
    stan.insert((of.stan, row));
    if let Some(reference) = of.rrn {
        rrn.insert((reference, row));
    }
}

fn bytes_of(References { stan, rrn }: References) -> [u8; REFERENCE_BYTES] {
    let mut bytes = [0; REFERENCE_BYTES];
    bytes[..4].copy_from_slice(&stan.to_le_bytes());
    bytes[4..].copy_from_slice(&rrn.unwrap_or(0).to_le_bytes());
    bytes
}

fn references_of(bytes: [u8; REFERENCE_BYTES]) -> References {
    let (stan, rrn) = bytes.split_at(4);
    let half = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    References { stan: half(stan), rrn: Some(half(rrn)).filter(|rrn| *rrn != 0) }
}

/// Writes a file that is there as a whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FingerprintError> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(at(path))
}

fn remove(path: &Path) -> Result<(), FingerprintError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}
