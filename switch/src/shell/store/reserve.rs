//! A file that takes up room on the disk, to be given back when nothing else is left: reversals, acknowledgements and the
//! ends of requests under way are still written then.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Written at once, where the file system cannot just set room aside.
const CHUNK: usize = 1 << 20;

#[derive(Debug, Clone)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// A reserve in this folder, which need not be there yet.
    pub fn in_folder(folder: &Path, bytes: u64) -> Self {
        Self { path: folder.join("reserve"), bytes }
    }

    pub fn is_there(&self) -> bool {
        self.bytes == 0 || std::fs::metadata(&self.path).is_ok_and(|file| file.len() >= self.bytes)
    }

    /// Sets the room aside, if that has not been done.
    ///
    /// # Errors
    /// There is not as much room. What was taken is given back.
    pub fn make(&self) -> io::Result<()> {
        if self.is_there() {
            return Ok(());
        }
        let made = self.fill();
        if made.is_err() {
            self.release();
        }
        made
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)?;
        // written, not only set aside: some file systems give room away twice
        let chunk = vec![0x52; CHUNK];
        let mut left = self.bytes;
        while left > 0 {
            let now = left.min(CHUNK as u64);
            file.write_all(&chunk[..now as usize])?;
            left -= now;
        }
        file.sync_all()
    }

    /// Gives the room back; `false` if there was none.
    pub fn release(&self) -> bool {
        let there = File::open(&self.path).is_ok();
        std::fs::remove_file(&self.path).is_ok() && there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_aside_given_back_and_set_aside_again() {
        let folder = std::env::temp_dir().join(format!("switch-reserve-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let reserve = Reserve::in_folder(&folder, 3_000_000);
        assert!(!reserve.is_there() && !reserve.release());
        for _ in 0..2 {
            reserve.make().expect("room on the disk");
            assert_eq!(std::fs::metadata(folder.join("reserve")).expect("a file").len(), 3_000_000);
            assert!(reserve.is_there() && reserve.release() && !reserve.is_there());
        }
        let _ = std::fs::remove_dir_all(folder);
    }
}
