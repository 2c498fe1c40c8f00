//! `hsmd backup` and `hsmd restore`: SoftHSM's token folder and the files beside it. Other modules have their makers' tools.
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::hex::hex;
use crate::keys::ceremony_record::{CeremonyRecord, RecordError};
use crate::keys::keys_lock::KeysLock;
use crate::keys::whole_file::write_whole;

/// Why there is no backup, or no restored token.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error("SOFTHSM2_CONF names no file with a directories.tokendir: only SoftHSM's tokens are files")]
    NotSoftHsm,
    #[error("{0} is not empty: nothing is ever overwritten")]
    NotEmpty(PathBuf),
    #[error("{0} is not what was backed up")]
    Altered(PathBuf),
    #[error("the copy cannot be opened with the PIN of the configuration")]
    DoesNotOpen,
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// `manifest.json`: SHA-256 of every file, by its path in the backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    made: String,
    files: BTreeMap<String, String>,
}

/// Logins of serving daemons rewrite a file of the token; a copy taken in that moment is taken again.
const ATTEMPTS: u32 = 3;
/// Beside the token: wrapped data keys with the generations, and the record.
const BESIDE: [&str; 2] = ["data-keys.json", "ceremonies.ndjson"];

/// Copies the token and the files beside it into `folder`, which must not exist yet, and opens the copy to check it. PINs and
/// components are not in it. Returns the number of files.
pub fn backup(config: &Config, folder: &Path, now: jiff::Timestamp) -> Result<usize, BackupError> {
    let _lock = lock_keys(config)?;
    let tokens = token_folder()?;
    must_be_empty(folder)?;
    let token_copy = folder.join("tokens");
    for attempt in 1.. {
        let _ = fs::remove_dir_all(&token_copy);
        copy_folder(&tokens, &token_copy)?;
        match opens(config, &token_copy, folder) {
            true => break,
            false if attempt == ATTEMPTS => return Err(BackupError::DoesNotOpen),
            false => {}
        }
    }
    for name in BESIDE {
        let from = config.keys_dir.join(name);
        if from.exists() {
            copy_file(&from, &folder.join(name))?;
        }
    }
    let files = hashes(folder)?;
    let count = files.len();
    let manifest = Manifest { made: now.to_string(), files };
    let path = folder.join("manifest.json");
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::File(path.clone(), error.into()))?;
    write_whole(&path, &text).map_err(|error| BackupError::File(path, error))?;
    CeremonyRecord::open(&config.keys_dir)?.append(now, "backed up", &config.token.label, "")?;
    Ok(count)
}

/// Puts a backup back where no token is. The PIN files have to be there: they are kept apart from the keys.
pub fn restore(config: &Config, folder: &Path, now: jiff::Timestamp) -> Result<usize, BackupError> {
    let _lock = lock_keys(config)?;
    let tokens = token_folder()?;
    must_be_empty(&tokens)?;
    let path = folder.join("manifest.json");
    let text = fs::read(&path).map_err(|error| BackupError::File(path.clone(), error))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| BackupError::File(path.clone(), error.into()))?;
    let mut found = hashes(folder)?;
    found.remove("manifest.json");
    if let Some(odd) = found
        .iter()
        .chain(&manifest.files)
        .find(|(name, hash)| found.get(*name) != Some(*hash) || manifest.files.get(*name) != Some(*hash))
    {
        return Err(BackupError::Altered(folder.join(odd.0)));
    }
    for name in BESIDE.into_iter().filter(|name| found.contains_key(*name)) {
        let to = config.keys_dir.join(name);
        if to.exists() {
            return Err(BackupError::NotEmpty(to));
        }
        copy_file(&folder.join(name), &to)?;
    }
    copy_folder(&folder.join("tokens"), &tokens)?;
    if !opens(config, &tokens, &config.keys_dir) {
        return Err(BackupError::DoesNotOpen);
    }
    CeremonyRecord::open(&config.keys_dir)?.append(now, "restored", &config.token.label, "")?;
    Ok(found.len())
}

/// Keeps keys from being made meanwhile: half of one could get into the copy.
fn lock_keys(config: &Config) -> Result<KeysLock, BackupError> {
    KeysLock::acquire(config).map_err(|(path, error)| BackupError::File(path, error))
}

fn token_folder() -> Result<PathBuf, BackupError> {
    let conf = std::env::var_os("SOFTHSM2_CONF").ok_or(BackupError::NotSoftHsm)?;
    let text = fs::read_to_string(&conf).map_err(|error| BackupError::File(conf.into(), error))?;
    let folder = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "directories.tokendir").then(|| PathBuf::from(value.trim()))
    });
    folder.ok_or(BackupError::NotSoftHsm)
}

fn must_be_empty(folder: &Path) -> Result<(), BackupError> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(BackupError::NotEmpty(folder.to_owned())),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::File(folder.to_owned(), error)),
    }
}

/// Whether a child process with this token folder can log in and find every key.
fn opens(config: &Config, tokens: &Path, scratch: &Path) -> bool {
    let conf = scratch.join("softhsm2.verify.conf");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
    let run = || {
        write_whole(&conf, text.as_bytes())?;
        Command::new(std::env::current_exe()?)
            .args(["open-token", "--config"])
            .arg(&config.file)
            .env("SOFTHSM2_CONF", &conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    let opened = run().is_ok_and(|status| status.success());
    let _ = fs::remove_file(&conf);
    opened
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), BackupError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::File(path, error)
    };
    for entry in fs::read_dir(from).map_err(fail(from))? {
        let entry = entry.map_err(fail(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            copy_file(&path, &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let content = fs::read(from).map_err(|error| BackupError::File(from.to_owned(), error))?;
    write_whole(to, &content).map_err(|error| BackupError::File(to.to_owned(), error))
}

fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, BackupError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let fail = |error| BackupError::File(next.clone(), error);
        for entry in fs::read_dir(&next).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = fs::read(&path).map_err(|error| BackupError::File(path.clone(), error))?;
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            found.insert(name, hex(&Sha256::digest(&content)));
        }
    }
    Ok(found)
}
