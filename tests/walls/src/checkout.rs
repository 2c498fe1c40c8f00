//! Reads the files of the checkout; the other modules work on their parsed content.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::pages::Page;
use crate::source::{Source, outside_tests};

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the checkout.
///
/// # Errors
/// It cannot be read.
pub fn text(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

/// The folders of the workspace's members.
///
/// # Errors
/// The manifest cannot be read.
pub fn members() -> Result<Vec<String>> {
    let manifest: toml::Table = text("Cargo.toml")?.parse().context("Cargo.toml")?;
    let members = manifest["workspace"]["members"].as_array().context("Cargo.toml has no members")?;
    members.iter().map(|member| Ok(member.as_str().context("a member is a path")?.to_owned())).collect()
}

/// The manifest of each member.
///
/// # Errors
/// One cannot be read.
pub fn manifests() -> Result<Vec<(String, toml::Table)>> {
    let read = |member: String| {
        let path = format!("{member}/Cargo.toml");
        let manifest = text(&path)?.parse().with_context(|| path.clone())?;
        Ok((path, manifest))
    };
    members()?.into_iter().map(read).collect()
}

/// The pages of `docs/`, and README.md.
///
/// # Errors
/// One cannot be read.
pub fn pages() -> Result<Vec<Page>> {
    let mut paths = vec!["README.md".to_owned()];
    files_below("docs", ".md", &mut paths)?;
    paths.into_iter().map(|path| Ok(Page { text: text(&path)?, path })).collect()
}

/// The folders in the root of the checkout.
///
/// # Errors
/// The root cannot be read.
pub fn folders() -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(folders)
}

/// Every source file under `src/` of every member, without tests.
///
/// # Errors
/// One cannot be read or parsed.
pub fn sources() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (path, manifest) in manifests()? {
        let package = manifest["package"]["name"].as_str().with_context(|| format!("{path} has no name"))?;
        let mut files = Vec::new();
        files_below(&path.replace("Cargo.toml", "src"), ".rs", &mut files)?;
        for file in files {
            sources.push(Source::parse(package, &file, &text(&file)?).with_context(|| file.clone())?);
        }
    }
    Ok(outside_tests(sources))
}

/// The text of every migration of every member.
///
/// # Errors
/// One cannot be read.
pub fn migrations() -> Result<Vec<String>> {
    let mut files = Vec::new();
    for member in members()? {
        let folder = format!("{member}/migrations");
        if root().join(&folder).is_dir() {
            files_below(&folder, ".sql", &mut files)?;
        }
    }
    files.iter().map(|file| text(file)).collect()
}

fn files_below(folder: &str, ending: &str, into: &mut Vec<String>) -> Result<()> {
    let mut entries: Vec<_> =
        fs::read_dir(root().join(folder)).with_context(|| folder.to_owned())?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            files_below(&path, ending, into)?;
        } else if path.ends_with(ending) {
            into.push(path);
        }
    }
    Ok(())
}
