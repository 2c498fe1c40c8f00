//! Whose turn it is to open its module anew, among the daemons of one token: never two at once, so that one always serves.
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// The file whose lock is the turn. The kernel gives it back if its holder dies.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    path: PathBuf,
}

/// Held for as long as the module is away.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: Flock<File>,
}

impl Turns {
    pub(crate) fn new(run_dir: &Path) -> Self {
        Self { path: run_dir.join("hsm-turn.lock") }
    }

    /// The turn, if no other daemon has it.
    pub(crate) fn take(&self) -> Option<Turn> {
        let file = File::options().create(true).truncate(false).write(true).open(&self.path).ok()?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(|lock| Turn { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = std::env::temp_dir().join(format!("switchyard-turn-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (one, other) = (Turns::new(&folder), Turns::new(&folder));
        let turn = one.take().unwrap();
        assert!(other.take().is_none());
        drop(turn);
        assert!(other.take().is_some());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
