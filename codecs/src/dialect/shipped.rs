//! The dialects of the project, embedded in the program, so that a tool works in any folder.

use super::{Dialect, DialectError};
use std::sync::Arc;

/// Name and text of each dialect in config/dialects/, by name.
pub const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/dialects.rs"));

/// The text of a shipped dialect.
///
/// # Errors
/// There is none of that name; the error lists those that exist.
pub fn shipped_text(name: &str) -> Result<&'static str, DialectError> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).ok_or_else(|| DialectError {
        file: name.into(),
        key: String::new(),
        reason: format!("no such dialect; shipped are {}", names().collect::<Vec<_>>().join(", ")),
    })
}

/// A shipped dialect as it was at build time.
///
/// # Errors
/// As [`shipped_text`].
pub fn shipped(name: &str) -> Result<Arc<Dialect>, DialectError> {
    Dialect::from_toml(name, shipped_text(name)?, &|base| shipped_text(base).map(Into::into)).map(Arc::new)
}

fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shipped_dialect_reads() {
        for name in names() {
            let dialect = shipped(name).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(dialect.name, name);
        }
        assert!(shipped("iso87").unwrap_err().to_string().contains("iso87-ascii"));
    }
}
