//! The error of this crate: one mistake in a configuration file, printed on one line.

use std::fmt;

/// A mistake in a configuration file: which file, which key, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file's path as it was given to the program.
    pub file: String,
    /// The key's dotted path; `None` if the file as a whole cannot be read.
    pub key: Option<String>,
    /// Line of the key, from 1; for a missing key, the line of the table that should have it.
    pub line: Option<usize>,
    /// What is wrong. It never repeats a value of the file.
    pub reason: String,
}

impl ConfigError {
    /// A mistake that concerns the file as a whole.
    #[must_use]
    pub fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), key: None, line: None, reason: one_line(&reason.into()) }
    }

    /// A mistake found only after the file was read, for instance a dialect that does not exist.
    #[must_use]
    pub fn of_key(file: &str, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::of_file(file, reason) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}", self.reason)?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

/// A message of another library on one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
