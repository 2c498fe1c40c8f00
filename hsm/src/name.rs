//! Names of keys. A name consists of role and owner, `zpk/host`.
use std::fmt;

use crate::error::HsmError;

/// The longest name accepted, in characters.
const LONGEST: usize = 48;

/// The name of a static key, such as `zpk/host`, `zpk/issuer-510051` or `audit`.
///
/// Lower-case letters, digits, `-`, `.` and `/`, at most 48 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// Checks the characters; whether the module holds such a key is learned when it is used.
    pub fn new(name: impl Into<String>) -> Result<Self, HsmError> {
        let name = name.into();
        if is_name(&name, true) {
            Ok(Self(name))
        } else {
            Err(HsmError::BadInput("a key name is 1 to 48 of a-z 0-9 - . /"))
        }
    }

    /// The zone PIN key shared with a partner: `zpk/<zone>`.
    pub fn zone_pin(zone: &str) -> Result<Self, HsmError> {
        Self::new(format!("zpk/{zone}"))
    }

    /// The key that seals heads of hash chains.
    pub fn audit() -> Self {
        Self("audit".into())
    }

    /// A card key of an owner, such as `imk-ac/400012`: a role that is a literal of the program, and a checked owner.
    pub fn role(role: &'static str, owner: &KeySet) -> Self {
        Self(format!("{role}/{}", owner.as_str()))
    }

    /// A name that is a literal of the program, and so is not checked again.
    pub fn fixed(name: &'static str) -> Self {
        debug_assert!(is_name(name, true), "{name:?} is no name of a key");
        Self(name.into())
    }

    /// The single-length companion (left half twice) that a MAC chain needs beside a double-length DES key.
    pub fn left(&self) -> Self {
        self.with_suffix(".l")
    }

    /// The name of a companion.
    pub fn with_suffix(&self, suffix: &'static str) -> Self {
        Self(format!("{}{suffix}", self.0))
    }

    /// The label of a later generation: `NAME.g2`.
    pub fn generation(&self, number: u8) -> Self {
        Self(format!("{}.g{number}", self.0))
    }

    /// The label of a generation; the first bears the name itself.
    pub fn numbered(&self, number: u8) -> Self {
        if number == 1 { self.clone() } else { self.generation(number) }
    }

    /// Name and generation in a label; a label without a generation is its key's first. A companion is of its key's
    /// generation: `NAME.g2.l` is the second of `NAME.l`.
    pub fn split_generation(&self) -> (Self, u8) {
        let (label, companion) = match self.0.rsplit_once('.') {
            Some((label, "l")) => (label, ".l"),
            Some((label, "v")) => (label, ".v"),
            _ => (self.0.as_str(), ""),
        };
        match label.rsplit_once(".g").map(|(name, number)| (name, number.parse())) {
            Some((name, Ok(number @ 2..))) => (Self(format!("{name}{companion}")), number),
            _ => (self.clone(), 1),
        }
    }

    /// The key that this is a companion of, or itself.
    pub fn without_companion(&self) -> Self {
        let own = |suffix| self.0.strip_suffix(suffix).filter(|_| !self.0.starts_with("storage/"));
        own(".l").or(own(".v")).map_or_else(|| self.clone(), |name| Self(name.into()))
    }

    /// Whether this is a key of that owner: `imk-ac/400012` is one of `400012`.
    pub fn is_of(&self, owner: &str) -> bool {
        self.0.split_once('/').is_some_and(|(_, rest)| rest == owner)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The owner of a set of card keys: an issuer's BIN (`400012`) or a token range (`40001290`).
///
/// A BIN's set has `cvk`, `pvk` and `imk-ac`; a token range's has `imk-ac` alone, because a DPAN has neither stripe nor PIN of its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySet(String);

impl KeySet {
    /// Checks the characters: lower-case letters, digits and `-`.
    pub fn new(owner: impl Into<String>) -> Result<Self, HsmError> {
        let owner = owner.into();
        if is_name(&owner, false) && owner.len() <= 32 {
            Ok(Self(owner))
        } else {
            Err(HsmError::BadInput("a key set is 1 to 32 of a-z 0-9 -"))
        }
    }

    /// The owner as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(text: &str, path: bool) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || (path && matches!(b, b'/' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_name_and_generation() {
        let name = KeyName::new("zpk/host").unwrap();
        assert_eq!(name.split_generation(), (name.clone(), 1));
        assert_eq!(name.generation(2).split_generation(), (name.clone(), 2));
        assert_eq!(name.generation(255).split_generation(), (name, 255));
        let companion = KeyName::new("zak/x.l").unwrap();
        assert_eq!(KeyName::new("zak/x.g3.l").unwrap().split_generation(), (companion.clone(), 3));
        assert_eq!(companion.generation(3).split_generation(), (companion, 3));
        for odd in ["zpk/x.g1", "zpk/x.g256", "zpk/x.gone", "cvk/x.l"] {
            let odd = KeyName::new(odd).unwrap();
            assert_eq!(odd.split_generation(), (odd.clone(), 1), "{odd}");
        }
    }
}
