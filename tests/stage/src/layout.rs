//! The folders and files of a stage.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

/// A unix socket's path must fit into 107 bytes; this leaves room for the file's name.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// The state folder of this checkout: below `/var/tmp` for root, because Postgres refuses to run as root and its own user
/// cannot enter a root-owned home, and inside the checkout for everybody else.
pub fn state_root(checkout: &Path) -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        PathBuf::from(format!("/var/tmp/switchyard-{}", short_hash(checkout)))
    } else {
        checkout.join(".local")
    }
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The folders of one stage, and the lock that makes it the only one there.
#[derive(Debug)]
pub struct Layout {
    state: PathBuf,
    sockets: PathBuf,
    _lock: Flock<File>,
}

impl Layout {
    /// Locks the folder for this process, removes the files of an earlier run, and makes the subfolders.
    pub fn claim(state: &Path) -> Result<Self> {
        fs::create_dir_all(state).with_context(|| format!("cannot make the state folder {}", state.display()))?;
        let lock = lock(state)?;
        empty(state)?;
        let sockets = socket_folder(state)?;
        let layout = Self { state: state.to_owned(), sockets, _lock: lock };
        for folder in [
            layout.logs(),
            layout.config(),
            layout.keys(),
            layout.token(),
            layout.token_pins(),
            layout.orders(),
            layout.deliveries(),
            layout.switch(),
        ] {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        for secret in [layout.keys(), layout.token(), layout.token_pins(), layout.sockets.clone()] {
            fs::set_permissions(&secret, Permissions::from_mode(0o700))?;
        }
        Ok(layout)
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The host's copy of the journal's anchors.
    pub fn anchors(&self) -> PathBuf {
        self.state.join("anchors.ndjson")
    }

    /// One file per program, named after it.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// The configuration files as the programs of this stage read them.
    pub fn config(&self) -> PathBuf {
        self.state.join("config")
    }

    /// Wrapped data keys, the record of the ceremony and the custodians' components of the transport key.
    pub fn keys(&self) -> PathBuf {
        self.state.join("keys")
    }

    /// The two custodians' components of the transport key.
    pub fn transport_components(&self) -> [PathBuf; 2] {
        ["transport.component1", "transport.component2"].map(|name| self.keys().join(name))
    }

    /// The token's PINs, made by the ceremony.
    pub fn token_pins(&self) -> PathBuf {
        self.state.join("token-pins")
    }

    /// The switch's terminals with their key blocks.
    pub fn terminal_keys(&self) -> PathBuf {
        self.state.join("terminals.keys.json")
    }

    pub fn token(&self) -> PathBuf {
        self.state.join("token")
    }

    pub fn softhsm_conf(&self) -> PathBuf {
        self.state.join("softhsm2.conf")
    }

    /// Orders to the back office and the terminal vendor.
    pub fn orders(&self) -> PathBuf {
        self.state.join("orders")
    }

    /// Delivery files for a bureau, a terminal vendor or a partner.
    pub fn deliveries(&self) -> PathBuf {
        self.state.join("deliveries")
    }

    /// The switch's pending log and its store of owed messages.
    pub fn switch(&self) -> PathBuf {
        self.state.join("switch")
    }

    /// Folder of the Unix sockets.
    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub fn postgres(&self) -> PathBuf {
        self.state.join("postgres")
    }
}

fn lock(state: &Path) -> Result<Flock<File>> {
    let path = state.join("lock");
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
    let held = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno);
    let Ok(mut held) = held else {
        let owner = fs::read_to_string(&path).unwrap_or_default();
        bail!("another stage runs in {} (process {})", state.display(), owner.trim());
    };
    held.set_len(0)?;
    std::io::Write::write_all(&mut *held, format!("{}\n", std::process::id()).as_bytes())?;
    Ok(held)
}

/// Empties the folder, so that a run's figures are its own. The lock file stays, because it is locked.
fn empty(state: &Path) -> Result<()> {
    for entry in fs::read_dir(state)? {
        let entry = entry?;
        match entry.file_name().to_str() {
            Some("lock") => {}
            _ if entry.file_type()?.is_dir() => {
                fs::remove_dir_all(entry.path()).with_context(|| format!("cannot empty {}", entry.path().display()))?;
            }
            _ => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn socket_folder(state: &Path) -> Result<PathBuf> {
    let inside = state.join("run");
    let folder = if inside.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
        inside
    } else {
        std::env::temp_dir().join(format!("switchyard-{}-{}", nix::unistd::geteuid(), short_hash(state)))
    };
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("switchyard-layout-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_second_stage_is_refused_while_the_first_lives() {
        let state = scratch("lock");
        let first = Layout::claim(&state).expect("an empty folder can be claimed");
        let refused = Layout::claim(&state).expect_err("the folder is taken");
        assert!(refused.to_string().contains("another stage runs"), "{refused}");
        drop(first);
        Layout::claim(&state).expect("free again");
        fs::remove_dir_all(&state).expect("scratch folder");
    }

    #[test]
    fn what_an_earlier_run_left_is_gone() {
        let state = scratch("left");
        let first = Layout::claim(&state).expect("claim");
        fs::write(first.logs().join("old"), "old").expect("write");
        drop(first);
        let second = Layout::claim(&state).expect("claim");
        assert!(!second.logs().join("old").exists());
        fs::remove_dir_all(&state).expect("scratch folder");
    }

    #[test]
    fn sockets_of_a_deep_checkout_go_where_their_path_is_short() {
        let state = scratch("deep").join("d".repeat(90));
        let layout = Layout::claim(&state).expect("claim");
        assert!(layout.sockets().as_os_str().len() <= LONGEST_SOCKET_FOLDER);
        fs::remove_dir_all(layout.sockets()).expect("socket folder");
        fs::remove_dir_all(scratch("deep")).expect("scratch folder");
    }
}
