//! Atomic writing of files: each is written beside its place, forced to disk and renamed, then the folder is forced to
//! disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ledger::journal::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::failpoint;

/// A file of a batch, as reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenFile {
    /// Path below the output folder.
    pub path: String,
    pub sha256: String,
    pub bytes: u64,
}

impl WrittenFile {
    pub(super) fn of(path: String, content: &[u8]) -> Self {
        Self { path, sha256: hex(&Sha256::digest(content)), bytes: content.len() as u64 }
    }
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Writes `content` to `path` below `folder`, unless the file has that content already.
pub(super) fn write_atomically(folder: &Path, path: &str, content: &[u8]) -> Result<(), WriteError> {
    let target = folder.join(path);
    let named = |at: &Path| {
        let path = at.to_owned();
        move |source| WriteError { path, source }
    };
    if fs::read(&target).is_ok_and(|found| found == content) {
        return Ok(());
    }
    let parent = target.parent().expect("a path below a folder has a parent");
    fs::create_dir_all(parent).map_err(named(parent))?;
    let name = target.file_name().expect("a path below a folder has a name").to_string_lossy().into_owned();
    let beside = parent.join(format!(".{name}.part"));
    let mut file = File::create(&beside).map_err(named(&beside))?;
    let (first, second) = content.split_at(content.len() / 2);
    file.write_all(first).map_err(named(&beside))?;
    failpoint::reach("within-file");
    file.write_all(second).map_err(named(&beside))?;
    file.sync_all().map_err(named(&beside))?;
    failpoint::reach("before-rename");
    fs::rename(&beside, &target).map_err(named(&target))?;
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(named(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = std::env::temp_dir().join(format!("switchyard-place-{}", std::process::id()));
        write_atomically(&folder, "a/b/file.csv", b"first").unwrap();
        write_atomically(&folder, "a/b/file.csv", b"second").unwrap();
        assert_eq!(fs::read(folder.join("a/b/file.csv")).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.join("a/b")).unwrap().count(), 1);
        let before = fs::metadata(folder.join("a/b/file.csv")).unwrap().modified().unwrap();
        write_atomically(&folder, "a/b/file.csv", b"second").unwrap();
        assert_eq!(fs::metadata(folder.join("a/b/file.csv")).unwrap().modified().unwrap(), before, "left alone");
        fs::remove_dir_all(&folder).unwrap();
    }
}
