//! Secret digits: PINs and card verification values.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A short secret of digits. `Debug` hides it, there is no `Display`, and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Digits(Zeroizing<String>);

impl Digits {
    /// `None` for anything but digits.
    #[must_use]
    pub fn new(digits: &str) -> Option<Self> {
        digits.bytes().all(|d| d.is_ascii_digit()).then(|| Self(Zeroizing::new(digits.into())))
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} digits]", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // the error must not repeat the refused value
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("a secret of digits holds something else"))
    }
}
