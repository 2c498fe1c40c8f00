//! Values that can be used and wiped, but not printed, compared in variable time or serialized.
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::HsmError;

/// `Debug` that names the type and nothing of its value.
macro_rules! hidden {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(hidden)"))
            }
        }
    };
}
pub(crate) use hidden;

/// A card security code as read or typed: CVV, iCVV or CVV2, three ASCII digits.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecurityCode([u8; 3]);
hidden!(SecurityCode);

impl SecurityCode {
    /// Three ASCII digits.
    pub fn new(digits: [u8; 3]) -> Result<Self, HsmError> {
        if digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits))
        } else {
            Err(HsmError::BadInput("a card security code is three digits"))
        }
    }

    /// The digits, for the wire and for the comparison inside the daemon.
    pub fn expose(&self) -> &[u8; 3] {
        &self.0
    }

    /// Whether it is this one; takes as long whatever differs.
    pub fn matches(&self, other: &[u8; 3]) -> bool {
        self.0.ct_eq(other).into()
    }
}

/// PIN verification value: four digits against which a holder of the PVK verifies a PIN.
#[derive(Clone, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Pvv([u8; 4]);
hidden!(Pvv);

impl PartialEq for Pvv {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Pvv {
    /// Four ASCII digits.
    pub fn new(digits: [u8; 4]) -> Result<Self, HsmError> {
        if digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits))
        } else {
            Err(HsmError::BadInput("a PVV is four digits"))
        }
    }

    /// The digits, to be stored with the card.
    pub fn expose(&self) -> &[u8; 4] {
        &self.0
    }

    /// Whether it is this one; takes as long whatever differs.
    pub fn matches(&self, other: &[u8; 4]) -> bool {
        self.0.ct_eq(other).into()
    }
}

/// Bytes from the module's generator. They may become a secret, so they do not show.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RandomBytes(Vec<u8>);
hidden!(RandomBytes);

impl RandomBytes {
    /// Bytes that the module has drawn.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// An AES-256 key that a program uses itself, for bulk data that must survive on its own disk (the switch's pending log).
///
/// In clear it is only in that program's memory; on disk it is wrapped under the module's `data-kek`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);
hidden!(DataKey);

impl DataKey {
    /// A key that the daemon has unwrapped.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key bytes, for the cipher.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}
