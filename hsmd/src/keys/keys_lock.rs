//! The lock that keeps two acts on keys from running at once.
use std::fs::File;
use std::io;
use std::path::PathBuf;

use nix::fcntl::{Flock, FlockArg};

use crate::config::Config;

/// The lock, held while an act runs; the kernel releases it if its holder dies.
pub(crate) struct KeysLock {
    _lock: Flock<File>,
}

impl KeysLock {
    /// Waits until no other act runs. An error names the lock's file.
    pub(crate) fn acquire(config: &Config) -> Result<Self, (PathBuf, io::Error)> {
        let path = config.keys_dir.join("keyroom.lock");
        let fail = |error| (path.clone(), error);
        std::fs::create_dir_all(&config.keys_dir).map_err(fail)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| fail(io::Error::from(error)))?;
        Ok(Self { _lock: lock })
    }
}
