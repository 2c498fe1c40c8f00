//! The folder that a run leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use super::receipt;
use super::terminal_log::Line;

/// What an earlier run may have left under the same names.
const OURS: [&str; 3] = ["clearing", "settlement", "receipts"];

/// The folder given with `--out`.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, and removes what an earlier run left there; everything else in it stays.
    pub fn prepare(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let path = path.canonicalize()?;
        for name in OURS {
            let folder = path.join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
            }
        }
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn terminal_log(&self) -> PathBuf {
        self.0.join("terminal-log.ndjson")
    }

    pub fn json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        self.text(name, &(serde_json::to_string_pretty(value)? + "\n"))
    }

    pub fn text(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.0.join(name), text).with_context(|| format!("cannot write {name} in {}", self.0.display()))
    }

    /// One receipt for each line that a customer would have taken one for.
    pub fn receipts<'a>(&self, lines: impl Iterator<Item = &'a Line>) -> Result<usize> {
        let folder = self.0.join("receipts");
        fs::create_dir_all(&folder)?;
        let mut printed = 0;
        for (place, line) in lines.enumerate() {
            if let Some(text) = receipt::text(line) {
                fs::write(folder.join(format!("{:03}-{}-{}.txt", place + 1, line.terminal, line.stan)), text)?;
                printed += 1;
            }
        }
        Ok(printed)
    }

    /// Copies everything below `from` into the subfolder `name`.
    pub fn copy(&self, from: &Path, name: &str) -> Result<()> {
        copy_tree(from, &self.0.join(name)).with_context(|| format!("cannot copy {}", from.display()))
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
