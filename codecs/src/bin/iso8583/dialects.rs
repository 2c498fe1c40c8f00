//! Finds dialects: by name, by path, or inline as JSON.

use codecs::dialect::{self, Dialect, DialectError};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Source of dialects, with those read so far: a long input uses the same few again and again.
pub struct Dialects {
    folder: Option<PathBuf>,
    read: HashMap<String, Arc<Dialect>>,
}

impl Dialects {
    /// Without a folder given, config/dialects is searched from the current folder upwards.
    pub fn new(folder: Option<PathBuf>) -> Self {
        let nearby = || {
            let here = std::env::current_dir().ok()?;
            here.ancestors().map(|above| above.join("config/dialects")).find(|folder| folder.is_dir())
        };
        Self { folder: folder.or_else(nearby), read: HashMap::new() }
    }

    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Names of the dialects in the folder.
    pub fn in_folder(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        if let Some(folder) = &self.folder {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "toml") {
                    names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
                }
            }
        }
        Ok(names)
    }

    /// A dialect as given on the command line: a name, a path that ends in .toml, or a JSON object.
    pub fn named(&mut self, name: &str) -> Result<Arc<Dialect>, DialectError> {
        if let Some(known) = self.read.get(name) {
            return Ok(Arc::clone(known));
        }
        let dialect = if name.trim_start().starts_with('{') {
            let wrong = |reason: String| DialectError { file: "inline".into(), key: String::new(), reason };
            let keys = serde_json::from_str::<dialect::Keys>(name).map_err(|e| wrong(e.to_string()))?;
            self.keyed("inline", &keys)?
        } else if name.ends_with(".toml") {
            let path = Path::new(name);
            let stem = path.file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
            Arc::new(Dialect::from_toml(&stem, &read(path)?, &|base| self.text(base))?)
        } else {
            Arc::new(Dialect::from_toml(name, &self.text(name)?, &|base| self.text(base))?)
        };
        self.read.insert(name.to_owned(), Arc::clone(&dialect));
        Ok(dialect)
    }

    /// A dialect from its keys; errors call it `name`.
    pub fn keyed(&self, name: &str, keys: &dialect::Keys) -> Result<Arc<Dialect>, DialectError> {
        Ok(Arc::new(Dialect::from_keys(name, keys, &|base| self.text(base))?))
    }

    /// A dialect as given in a line of JSON: a string, or the object itself.
    pub fn given(&mut self, dialect: &Value) -> Result<Arc<Dialect>, DialectError> {
        match dialect {
            Value::String(name) => self.named(name),
            other => self.named(&other.to_string()),
        }
    }

    /// The text of a file in the folder, or else of a shipped dialect.
    fn text(&self, name: &str) -> Result<String, DialectError> {
        let path = self.folder.as_ref().map(|folder| folder.join(format!("{name}.toml"))).filter(|path| path.is_file());
        match path {
            Some(path) => read(&path),
            None => dialect::shipped_text(name).map(Into::into),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the tool reads dialect files for its user")]
fn read(path: &Path) -> Result<String, DialectError> {
    std::fs::read_to_string(path).map_err(|e| DialectError {
        file: path.display().to_string(),
        key: String::new(),
        reason: e.to_string(),
    })
}
