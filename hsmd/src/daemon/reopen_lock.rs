//! The lock by which the daemons of one token reopen their modules one at a time, so that one of them always serves.
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// The lock's file. The kernel releases the lock if its holder dies.
#[derive(Debug, Clone)]
pub(crate) struct ReopenLock {
    path: PathBuf,
}

/// Held from draining until the module is open again.
#[derive(Debug)]
pub(crate) struct ReopenLockGuard {
    _lock: Flock<File>,
}

impl ReopenLock {
    pub(crate) fn new(run_dir: &Path) -> Self {
        Self { path: run_dir.join("hsm-turn.lock") }
    }

    /// The lock, if no other daemon holds it.
    pub(crate) fn try_acquire(&self) -> Option<ReopenLockGuard> {
        let file = File::options().create(true).truncate(false).write(true).open(&self.path).ok()?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(|lock| ReopenLockGuard { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = std::env::temp_dir().join(format!("switchyard-turn-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (one, other) = (ReopenLock::new(&folder), ReopenLock::new(&folder));
        let guard = one.try_acquire().unwrap();
        assert!(other.try_acquire().is_none());
        drop(guard);
        assert!(other.try_acquire().is_some());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
