//! Reads the configuration file of any program: TOML into a type, then a check of the meaning.
//!
//! Each mistake is reported on one line, `file: key: reason (line n)`. A key is given by its dotted path; an entry of a
//! list of tables goes by its `name`, or by its index if it has none: `listener.terminals.address`, `route[1].prefix`.
//! No error repeats a value of the file, because any of them may be a secret; the names of entries are no secrets.
//!
//! The crate does not depend on what is configured: the meaning of a key is checked by the type that is read, in its
//! [`Check`].

mod check;
mod error;
pub mod example_mistakes;
mod key_path;
mod value;

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use check::{Check, InvalidValue, check_digits, check_range};
pub use error::ConfigError;

use key_path::KeyPath;
use value::Node;

/// Reads and checks the file at `path`.
///
/// # Errors
/// It cannot be read, is not TOML, has a key that is unknown, missing or of the wrong type, or its meaning is wrong.
pub fn load<T: DeserializeOwned + Check>(path: &Path) -> Result<T, ConfigError> {
    ConfigFile::read(path)?.parse()
}

/// Checks a text in place of a file; errors call it `name`.
///
/// # Errors
/// As [`load`], except that nothing is read from disk.
pub fn parse<T: DeserializeOwned + Check>(text: &str, name: &str) -> Result<T, ConfigError> {
    ConfigFile::new(text, name).parse()
}

/// The text of a file. Kept by a caller that compares the file with another one after each was checked by itself.
#[derive(Clone)]
pub struct ConfigFile {
    name: String,
    text: String,
}

impl std::fmt::Debug for ConfigFile {
    /// Prints no text: it may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfigFile({})", self.name)
    }
}

impl ConfigFile {
    /// Reads the file at `path`, without parsing it.
    ///
    /// # Errors
    /// It cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the one place where a file is read")]
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => Err(ConfigError::of_file(&name, format!("cannot be read: {error}"))),
        }
    }

    /// A text in place of a file; errors call it `name`.
    #[must_use]
    pub fn new(text: &str, name: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    /// Parses and checks the text.
    ///
    /// # Errors
    /// As [`load`], except that nothing is read from disk.
    pub fn parse<T: DeserializeOwned + Check>(&self) -> Result<T, ConfigError> {
        let document = self.document()?;
        let read = T::deserialize(Node(&document)).map_err(|error| {
            let key = KeyPath(error.steps_from_the_top());
            let hint = T::RENAMED.iter().find(|(old, _)| error.is_unknown_key() && *old == key.of_the_kind());
            let reason = hint.map_or_else(|| error.reason(), |(_, hint)| (*hint).to_owned());
            self.error_at(&document, &key, reason)
        })?;
        match read.check() {
            Ok(()) => Ok(read),
            Err(InvalidValue { key, reason }) => Err(self.error_at(&document, &KeyPath::parse(&key), reason)),
        }
    }

    /// The error for a mistake that the caller found, with the line of its key.
    #[must_use]
    pub fn error(&self, wrong: InvalidValue) -> ConfigError {
        match self.document() {
            Ok(document) => self.error_at(&document, &KeyPath::parse(&wrong.key), wrong.reason),
            Err(error) => error,
        }
    }

    fn document(&self) -> Result<Spanned<DeValue<'_>>, ConfigError> {
        let table = DeTable::parse(&self.text).map_err(|error| not_toml(&self.text, &self.name, &error))?;
        Ok(Spanned::new(table.span(), DeValue::Table(table.into_inner())))
    }

    fn error_at(&self, document: &Spanned<DeValue<'_>>, key: &KeyPath, reason: String) -> ConfigError {
        ConfigError {
            file: self.name.clone(),
            key: Some(key.spelled_in(document)).filter(|key| !key.is_empty()),
            line: key.offset_in(document).map(|at| line_of(&self.text, at)),
            reason,
        }
    }
}

/// The error for a text that is not TOML. toml's own message quotes the line, which may hold a secret; only the part
/// that says what was expected is kept.
fn not_toml(text: &str, name: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or_default();
    // keys before the first mistake are read correctly; what follows it may be half of a value
    let (read, _) = DeTable::parse_recoverable(text);
    let document = Spanned::new(read.span(), DeValue::Table(read.into_inner()));
    let key = match text.get(span.clone()) {
        // the parser drops the second of two equal keys: it is located by the last key before it
        Some(twice) if error.message() == "duplicate key" => {
            key_path::last_key_before(span.start, &document).map(|key| key.beside(twice))
        }
        _ => key_path::last_key_on_the_line(text, span.start, &document),
    };
    ConfigError {
        file: name.to_owned(),
        key: key.map(|key| key.spelled_in(&document)),
        line: Some(line_of(text, span.start)),
        reason: error::one_line(error.message()),
    }
}

/// Lines count from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests;
