//! The order for a key that is to be made or imported.
use hsm::{CheckValues, KeyName};

use crate::module::Fault;
use crate::module::key_kind::{Cipher, KeyKind};
use crate::token::Extraction;
use crate::verbs::exchangeable::ExchangeableKey;

/// A key that is to be made or imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Such as `zpk/acquirer-ascii`.
    pub name: String,
    /// Where the role leaves it open; triple DES without it.
    pub cipher: Option<Cipher>,
    /// The check value that it must have, six hex digits: over zeros or, of an AES key, by CMAC.
    pub check_value: Option<String>,
    /// Present: make the next generation of an existing key, current in so many seconds.
    pub next_in_s: Option<u32>,
    /// Whether it may be exported from the token under another key.
    pub for_export: bool,
}

impl NewKey {
    /// Whether the key may be exported. Keys that only this installation needs never are.
    pub(crate) fn extraction(&self, name: &KeyName, kind: KeyKind) -> Result<Extraction, Fault> {
        match (self.for_export, ExchangeableKey::of(name, kind)) {
            (false, _) => Ok(Extraction::Never),
            (true, Some(_)) => Ok(Extraction::ForExport),
            (true, None) => Err(Fault::Refused("keys of this role are made here and travel nowhere")),
        }
    }

    /// The key's check value as text, if it is the expected one.
    pub(crate) fn checked(&self, values: &CheckValues) -> Result<String, Fault> {
        let is = |found: &str| self.check_value.as_ref().is_none_or(|expected| expected.eq_ignore_ascii_case(found));
        if !is(&values.zeros) && !values.cmac.as_deref().is_some_and(is) {
            return Err(Fault::Refused("the check value is another: something was mistyped, or it is another key"));
        }
        Ok(values.cmac.clone().unwrap_or_else(|| values.zeros.clone()))
    }
}
