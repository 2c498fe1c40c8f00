//! A mistake in a file, told on one line.

use std::fmt;

/// Which file, which key, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file as it was named to the program.
    pub file: String,
    /// The key's dotted path; none if the file as a whole cannot be read.
    pub key: Option<String>,
    /// The line that the key, or what it should stand in, is on.
    pub line: Option<usize>,
    /// What is wrong. It never repeats a value of the file.
    pub reason: String,
}

impl ConfigError {
    /// Something about the file as a whole.
    #[must_use]
    pub fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), key: None, line: None, reason: one_line(&reason.into()) }
    }

    /// Something that is known only after the file was read: a dialect it names that does not exist, say.
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

/// Whoever reads the error sees one line, whatever a foreign message contains.
pub(crate) fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
