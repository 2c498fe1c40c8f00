//! A daemon started by root changes to its own user before it reads a key and before it has a second thread.
use std::ffi::CString;
use std::path::{Path, PathBuf};

use hsm::forbid_dumps;
use nix::errno::Errno;
use nix::sys::prctl::{get_pdeathsig, set_pdeathsig};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::unistd::{AccessFlags, Gid, Uid, User, access, geteuid, getgroups, initgroups, setresgid, setresuid};

use crate::config::Config;

/// Why the daemon does not serve as the configured user.
#[derive(Debug, thiserror::Error)]
pub enum OwnUserError {
    #[error("process.user: there is no user {0:?}")]
    NoSuchUser(String),
    #[error("process.user: {0:?} is root")]
    IsRoot(String),
    #[error("process.user: becoming {0:?}: {1}")]
    Switch(String, Errno),
    #[error("process.user: root's rights were not lost for good")]
    Regained,
    #[error("process.user: {user:?} may not {what} {path}: {error}")]
    Path { user: String, what: &'static str, path: PathBuf, error: Errno },
}

/// Becomes the configured user, if there is one and root has started this process; otherwise does nothing. Afterwards memory may
/// be locked without a limit, and debuggers and core dumps are forbidden again.
///
/// Must be called while there is one thread: the C library changes the others too, but not at the same moment.
pub fn become_own_user(config: &Config) -> Result<(), OwnUserError> {
    let Some(name) = &config.process.user else { return Ok(()) };
    if !geteuid().is_root() {
        tracing::info!(user = name, "not started by root: the user stays");
        return Ok(());
    }
    let user = User::from_name(name).ok().flatten().ok_or_else(|| OwnUserError::NoSuchUser(name.clone()))?;
    if user.uid.is_root() {
        return Err(OwnUserError::IsRoot(name.clone()));
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        tracing::warn!(%error, "memory cannot be locked without a limit");
    }
    become_user(name, &user).map_err(|error| OwnUserError::Switch(name.clone(), error))?;
    if setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() || geteuid() != user.uid {
        return Err(OwnUserError::Regained);
    }
    // a change of user resets this, to the system's setting for set-uid programs (fs.suid_dumpable)
    forbid_dumps();
    check_paths(config, name)?;
    tracing::info!(user = name, uid = user.uid.as_raw(), "own user");
    Ok(())
}

fn become_user(name: &str, user: &User) -> Result<(), Errno> {
    // a change of user also clears the parent-death signal
    let with_parent = get_pdeathsig()?;
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    initgroups(&name, user.gid)?;
    if user.gid != Gid::from_raw(0) && getgroups()?.contains(&Gid::from_raw(0)) {
        tracing::warn!("the system's list of groups has this user in root's group");
    }
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)?;
    set_pdeathsig(with_parent)
}

/// Checks access to the files the module needs: the module's own error would name no file.
fn check_paths(config: &Config, user: &str) -> Result<(), OwnUserError> {
    let may = |path: &Path, what: &'static str, flags: AccessFlags| {
        access(path, flags).map_err(|error| OwnUserError::Path {
            user: user.to_owned(),
            what,
            path: path.to_owned(),
            error,
        })
    };
    let (read, write, enter) = (AccessFlags::R_OK, AccessFlags::W_OK, AccessFlags::X_OK);
    // a bare name is for the system to find
    if config.token.module.components().count() > 1 {
        may(&config.token.module, "read", read)?;
    }
    may(&config.keys_dir, "enter", enter | read)?;
    if config.token.user_pin_file.exists() {
        may(&config.token.user_pin_file, "read", read)?;
    }
    // the sockets' folder is made at the first start
    match config.run_dir.ancestors().find(|folder| folder.exists()) {
        Some(folder) => may(folder, "write to", write | enter)?,
        None => may(&config.run_dir, "find", AccessFlags::F_OK)?,
    }
    for folder in std::env::var_os("SOFTHSM2_CONF").iter().filter_map(|conf| tokens_of(conf.as_ref())) {
        // SoftHSM rewrites a file of the token at each login
        may(&folder, "write to", read | write | enter)?;
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            may(&entry.path(), "write to", read | write | enter)?;
        }
    }
    Ok(())
}

/// Where SoftHSM keeps its tokens.
fn tokens_of(conf: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(conf).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "directories.tokendir").then(|| value.trim().into())
    })
}
