//! The seal beside the head of a hash chain: a MAC that somebody who rewrites the chain cannot make.
use std::fmt;

use crate::error::HsmError;

/// A MAC under the audit key, first 8 bytes of an AES-CMAC, with the key's generation before it where that is not the first.
///
/// A seal is kept as long as the ledger and is checked under the key that made it, so it names that key's generation, as an
/// envelope does.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditSeal(Vec<u8>);

impl AuditSeal {
    /// Length of the MAC in bytes.
    pub const MAC: usize = 8;

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HsmError> {
        let is_seal = match bytes.len() {
            Self::MAC => true,
            9 => bytes[0] > 1,
            _ => false,
        };
        if is_seal { Ok(Self(bytes.to_vec())) } else { Err(HsmError::BadInput("not an audit seal")) }
    }

    /// A seal of the daemon's making: the MAC, and the generation of the key that made it.
    pub fn new(generation: u8, mac: [u8; Self::MAC]) -> Self {
        let mut bytes = Vec::with_capacity(1 + Self::MAC);
        if generation > 1 {
            bytes.push(generation);
        }
        bytes.extend_from_slice(&mac);
        Self(bytes)
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Generation of the audit key.
    pub fn generation(&self) -> u8 {
        if self.0.len() > Self::MAC { self.0[0] } else { 1 }
    }

    /// The MAC without its generation.
    pub fn mac(&self) -> &[u8] {
        &self.0[self.0.len() - Self::MAC..]
    }
}

impl fmt::Debug for AuditSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditSeal(generation {})", self.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_names_its_generation() {
        for generation in [1, 2, 255] {
            let seal = AuditSeal::new(generation, [9; 8]);
            assert_eq!(seal.generation(), generation);
            assert_eq!(AuditSeal::from_bytes(seal.as_bytes()).unwrap(), seal);
            assert_eq!(seal.mac(), [9; 8]);
        }
        for odd in [&[][..], &[1; 9], &[0; 9], &[2; 10], &[2; 7]] {
            assert!(AuditSeal::from_bytes(odd).is_err(), "{odd:?}");
        }
    }
}
