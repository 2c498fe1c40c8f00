//! Terminal working keys outside the token: key blocks under the token's storage keys.
//!
//! The keys of thousands of terminals are not token objects: each would cost 22 ms to import and slow every search. The
//! switch stores them as blocks and sends them with each verb; the daemon caches the unwrapped objects of the busiest.
//!
//! A block is `1 || usage || key wrap`, or `2 || generation || usage || key wrap` under a later generation of the storage
//! keys, where the wrap is AES key wrap (RFC 3394) by the module under the
//! storage key *of that usage*. This enforces the usage byte: a TPK presented as a TAK fails the integrity check, because
//! it is unwrapped under the other key. An X9.19 key is two wraps, the key and its left half twice, under two storage
//! keys, since a MAC chain needs both as objects.
use std::fmt;

use crate::error::HsmError;

/// Permitted use of the key inside a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyUsage {
    /// Decipher 8-byte PIN blocks: double-length DES.
    PinDes,
    /// Decipher format 4 PIN blocks: AES, 128 bits where it is drawn here.
    PinAes,
    /// AES-CMAC, first 8 bytes: AES, 128 bits where it is drawn here.
    MacAesCmac,
    /// ANSI X9.19 retail MAC: double-length DES.
    MacX919,
}

impl KeyUsage {
    /// Every usage.
    pub const ALL: [Self; 4] = [Self::PinDes, Self::PinAes, Self::MacAesCmac, Self::MacX919];

    fn byte(self) -> u8 {
        match self {
            Self::PinDes => 1,
            Self::PinAes => 2,
            Self::MacAesCmac => 3,
            Self::MacX919 => 4,
        }
    }

    /// Name of the storage key that wraps keys of this usage.
    pub fn storage_key(self) -> &'static str {
        match self {
            Self::PinDes => "storage/pin-des",
            Self::PinAes => "storage/pin-aes",
            Self::MacAesCmac => "storage/mac-cmac",
            Self::MacX919 => "storage/mac-x919",
        }
    }
}

/// Storage key for the left-half companions of X9.19 keys.
pub const STORAGE_X919_LEFT: &str = "storage/mac-x919.l";

/// All storage keys. They are rotated together, so that one number identifies the keys of a block.
pub fn storage_keys() -> impl Iterator<Item = &'static str> {
    KeyUsage::ALL.into_iter().map(KeyUsage::storage_key).chain([STORAGE_X919_LEFT])
}

/// A working key under the token's storage key. It is useless without the token, so it may be stored and sent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyBlock {
    /// Of the storage keys.
    generation: u8,
    usage: KeyUsage,
    wraps: Vec<u8>,
}

impl KeyBlock {
    const FIRST: u8 = 1;
    const LATER: u8 = 2;
    /// AES key wrap of a 16-byte key, which is what DES keys have.
    pub(crate) const WRAP: usize = 24;

    /// A block of the wraps that the storage keys of a generation made.
    pub fn new(generation: u8, usage: KeyUsage, wraps: Vec<u8>) -> Self {
        Self { generation, usage, wraps }
    }

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HsmError> {
        let bad = HsmError::BadInput("not a key block");
        let (generation, usage, wraps) = match bytes {
            [Self::FIRST, usage, wraps @ ..] => (1, usage, wraps),
            [Self::LATER, generation, usage, wraps @ ..] if *generation > 1 => (*generation, usage, wraps),
            _ => return Err(bad),
        };
        let usage = KeyUsage::ALL.into_iter().find(|u| u.byte() == *usage).ok_or(bad.clone())?;
        let fits = match usage {
            KeyUsage::PinDes => wraps.len() == Self::WRAP,
            KeyUsage::MacX919 => wraps.len() == 2 * Self::WRAP,
            // AES of 16, 24 or 32 bytes
            KeyUsage::PinAes | KeyUsage::MacAesCmac => matches!(wraps.len(), 24 | 32 | 40),
        };
        if fits { Ok(Self { generation, usage, wraps: wraps.to_vec() }) } else { Err(bad) }
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = match self.generation {
            1 => vec![Self::FIRST, self.usage.byte()],
            later => vec![Self::LATER, later, self.usage.byte()],
        };
        bytes.extend_from_slice(&self.wraps);
        bytes
    }

    /// The generation of the storage keys that it is under.
    pub fn generation(&self) -> u8 {
        self.generation
    }

    /// Permitted use of the key inside.
    pub fn usage(&self) -> KeyUsage {
        self.usage
    }

    /// The wrap of the key itself and, for X9.19, of its companion.
    pub fn wraps(&self) -> (&[u8], Option<&[u8]>) {
        match self.usage {
            KeyUsage::MacX919 => {
                let (first, second) = self.wraps.split_at(Self::WRAP);
                (first, Some(second))
            }
            _ => (&self.wraps, None),
        }
    }
}

impl fmt::Debug for KeyBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyBlock({:?})", self.usage)
    }
}
