//! The result folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// Folders that an earlier run may have left.
const OURS: [&str; 3] = ["clearing", "settlement", "receipts"];

/// The folder given with `--out`.
#[derive(Debug)]
pub struct ResultFolder(PathBuf);

impl ResultFolder {
    /// Makes the folder, and removes the folders of an earlier run; everything else in it stays.
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

    pub fn receipts(&self, receipts: &[String]) -> Result<()> {
        let folder = self.0.join("receipts");
        fs::create_dir_all(&folder)?;
        for (place, text) in receipts.iter().enumerate() {
            fs::write(folder.join(format!("{:03}.txt", place + 1)), text)?;
        }
        Ok(())
    }
}
