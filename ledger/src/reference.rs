//! References: unique names by which orders and operators address accounts, cards and tokens.

use std::fmt;

/// What a reference is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceKind {
    Account,
    Card,
    Token,
}

crate::stored_words!(ReferenceKind, "column `reference.kind`" {
    Account => "account",
    Card => "card",
    Token => "token",
});

/// Name of an account, card or token: one to 64 letters, digits, dots, dashes and underscores, unique within its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(String);

/// A text that cannot be a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no reference: one to 64 letters, digits, dots, dashes and underscores")]
pub struct NotAReference(String);

impl Reference {
    pub fn new(text: impl Into<String>) -> Result<Self, NotAReference> {
        let text = text.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(NotAReference(text))
        }
    }

    /// The default reference of an account, card or token whose order gave none: its kind and number.
    #[must_use]
    pub fn by_number(of: ReferenceKind, id: i64) -> Self {
        Self(format!("{}-{id}", of.as_str()))
    }

    /// Whether it has the form of a default reference of this kind.
    #[must_use]
    pub fn is_by_number(&self, of: ReferenceKind) -> bool {
        let number = self.0.strip_prefix(of.as_str()).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|number| number.parse::<u64>().is_ok())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_plain() {
        for text in ["a", "card-1001", "Load.7_x"] {
            assert_eq!(Reference::new(text).unwrap().as_str(), text);
        }
        for text in ["", "daily limit", "a/b", "ü", &"x".repeat(65)] {
            assert!(Reference::new(text).is_err(), "{text}");
        }
        let by_number = Reference::by_number(ReferenceKind::Card, 1001);
        assert_eq!(by_number.as_str(), "card-1001");
        assert!(by_number.is_by_number(ReferenceKind::Card) && !by_number.is_by_number(ReferenceKind::Token));
        assert!(!Reference::new("card-red").unwrap().is_by_number(ReferenceKind::Card));
    }
}
