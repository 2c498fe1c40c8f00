//! Values that are never shown: PIN blocks and message authentication codes.

use super::encoded_value::EncodedValue;
use super::{Value, exactly};
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;
use zeroize::Zeroize;

/// An encrypted PIN block: 8 bytes (ISO 9564 formats 0 and 3) or 16 (format 4).
#[derive(Clone, PartialEq, Eq)]
pub struct PinBlock {
    bytes: [u8; 16],
    len: u8,
}

impl PinBlock {
    /// `None` for a length other than 8 or 16.
    pub fn new(block: &[u8]) -> Option<Self> {
        matches!(block.len(), 8 | 16).then(|| {
            let mut bytes = [0; 16];
            bytes[..block.len()].copy_from_slice(block);
            Self { bytes, len: block.len() as u8 }
        })
    }

    /// The encrypted block: for the wire and the HSM, never for a log or a table.
    #[inline]
    pub fn expose(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Drop for PinBlock {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for PinBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[PIN block]")
    }
}

impl Value<'_> for PinBlock {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        let mut bytes = [0; 16];
        let count = field.copy_to(&mut bytes).ok_or(ErrorKind::BadLength)?;
        Self::new(&bytes[..count]).ok_or(ErrorKind::BadLength)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Content(self.expose())
    }
}

/// A message authentication code of eight bytes (DE64, DE128).
#[derive(Clone, Copy, Eq)]
pub struct Mac(pub [u8; 8]);

impl PartialEq for Mac {
    /// Compared as one machine word, in the same time wherever they differ.
    fn eq(&self, other: &Self) -> bool {
        u64::from_ne_bytes(self.0) == u64::from_ne_bytes(other.0)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[MAC]")
    }
}

impl Value<'_> for Mac {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 8)?;
        let mut bytes = [0; 8];
        field.copy_to(&mut bytes).ok_or(ErrorKind::BadLength)?;
        Ok(Self(bytes))
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Content(&self.0)
    }
}
