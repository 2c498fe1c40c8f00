//! Reads the keys of a dialect file one by one. Each error has the file, the key and the reason.

use super::DialectError;
use toml::{Table, Value};

/// A table of a dialect file, with its path.
#[derive(Clone, Copy)]
pub(super) struct KeyReader<'a> {
    file: &'a str,
    /// The path, as `fields.127.nested.`; empty at the top.
    path: &'a str,
    table: &'a Table,
}

impl<'a> KeyReader<'a> {
    pub(super) fn new(file: &'a str, path: &'a str, table: &'a Table) -> Self {
        Self { file, path, table }
    }

    pub(super) fn wrong(&self, key: &str, reason: impl Into<String>) -> DialectError {
        DialectError { file: self.file.into(), key: format!("{}{key}", self.path), reason: reason.into() }
    }

    /// Refuses a key that is not in `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), DialectError> {
        match self.table.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(self.wrong(key, unknown(key, known))),
            None => Ok(()),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, DialectError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(key, format!("a text is due, not {}", other.type_str()))),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<usize>, DialectError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => match usize::try_from(*number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong(key, format!("{number} is negative"))),
            },
            Some(other) => Err(self.wrong(key, format!("a number is due, not {}", other.type_str()))),
        }
    }

    /// The tables within the table `key`, by name.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<(&'a str, &'a Table)>, DialectError> {
        let Some(tables) = self.table(key)? else { return Ok(Vec::new()) };
        let each = |(name, value): (&'a String, &'a Value)| match value {
            Value::Table(table) => Ok((name.as_str(), table)),
            other => Err(self.wrong(&format!("{key}.{name}"), format!("a table is due, not {}", other.type_str()))),
        };
        tables.iter().map(each).collect()
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<&'a Table>, DialectError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(other) => Err(self.wrong(key, format!("a table is due, not {}", other.type_str()))),
        }
    }

    /// Pairs of a text and a number, in order.
    pub(super) fn pairs(&self, key: &str) -> Result<Option<Vec<(String, usize)>>, DialectError> {
        let wrong = || self.wrong(key, "no list of pairs of a name and a length, as in [[\"sequence\", 12], …]");
        let Some(list) = self.table.get(key) else { return Ok(None) };
        let pair = |pair: &Value| match pair.as_array()?.as_slice() {
            [Value::String(name), Value::Integer(length)] => Some((name.clone(), usize::try_from(*length).ok()?)),
            _ => None,
        };
        let pairs: Option<Vec<_>> = list.as_array().ok_or_else(wrong)?.iter().map(pair).collect();
        pairs.filter(|pairs| !pairs.is_empty()).ok_or_else(wrong).map(Some)
    }
}

/// The error for an unknown key: the known key that resembles it, or all known keys.
fn unknown(key: &str, known: &[&str]) -> String {
    let likeness = |known: &&&str| (strsim::normalized_damerau_levenshtein(key, known) * 1000.0) as u32;
    match known.iter().max_by_key(likeness) {
        Some(nearest) if likeness(&nearest) >= 500 => format!("no such key; the nearest is {nearest:?}"),
        _ => format!("no such key; there are {}", known.join(", ")),
    }
}
