//! Keys as types that cannot be printed, and the two block ciphers.

use std::fmt;

use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use des::{Des, TdesEde2};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Why a key in a delivery was not usable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("a key is not hexadecimal")]
    Hex,
    #[error("a key has {0} bytes, which no cipher here takes")]
    Length(usize),
}

/// A double-length Triple-DES key: 16 bytes, left half and right half.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TdesKey([u8; 16]);

impl TdesKey {
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn from_hex(hex: &str) -> Result<Self, KeyError> {
        let mut bytes = unhex(hex).ok_or(KeyError::Hex)?;
        let key = <[u8; 16]>::try_from(bytes.as_slice()).map(Self).map_err(|_| KeyError::Length(bytes.len()));
        bytes.zeroize();
        key
    }

    /// The key bytes: for a test that searches for leaks of the key.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// One block under EDE.
    #[must_use]
    pub fn encrypt(&self, block: [u8; 8]) -> [u8; 8] {
        let mut block = block.into();
        TdesEde2::new(&self.0.into()).encrypt_block(&mut block);
        block.into()
    }

    #[must_use]
    pub fn decrypt(&self, block: [u8; 8]) -> [u8; 8] {
        let mut block = block.into();
        TdesEde2::new(&self.0.into()).decrypt_block(&mut block);
        block.into()
    }

    /// Single DES under the left half, as the chain of a retail MAC needs it.
    pub(super) fn left(&self) -> Des {
        let mut half = [0; 8];
        half.copy_from_slice(&self.0[..8]);
        let cipher = Des::new(&half.into());
        half.zeroize();
        cipher
    }

    pub(super) fn right(&self) -> Des {
        let mut half = [0; 8];
        half.copy_from_slice(&self.0[8..]);
        let cipher = Des::new(&half.into());
        half.zeroize();
        cipher
    }

    /// Check value: the first three bytes of an encryption of zeros.
    #[must_use]
    pub fn check_value(&self) -> String {
        hex(&self.encrypt([0; 8])[..3])
    }
}

impl fmt::Debug for TdesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TdesKey(hidden)")
    }
}

/// An AES key of 16, 24 or 32 bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AesKey(Vec<u8>);

impl AesKey {
    pub fn new(mut bytes: Vec<u8>) -> Result<Self, KeyError> {
        match bytes.len() {
            16 | 24 | 32 => Ok(Self(bytes)),
            other => {
                bytes.zeroize();
                Err(KeyError::Length(other))
            }
        }
    }

    pub fn from_hex(hex: &str) -> Result<Self, KeyError> {
        Self::new(unhex(hex).ok_or(KeyError::Hex)?)
    }

    #[must_use]
    pub fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        match self.0.len() {
            16 => Aes128::new_from_slice(&self.0).expect("16 bytes").encrypt_block(&mut block),
            24 => Aes192::new_from_slice(&self.0).expect("24 bytes").encrypt_block(&mut block),
            _ => Aes256::new_from_slice(&self.0).expect("length checked in new").encrypt_block(&mut block),
        }
        block.into()
    }

    #[must_use]
    pub fn decrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        match self.0.len() {
            16 => Aes128::new_from_slice(&self.0).expect("16 bytes").decrypt_block(&mut block),
            24 => Aes192::new_from_slice(&self.0).expect("24 bytes").decrypt_block(&mut block),
            _ => Aes256::new_from_slice(&self.0).expect("length checked in new").decrypt_block(&mut block),
        }
        block.into()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Check value in the older manner: the first three bytes of an encryption of zeros.
    #[must_use]
    pub fn check_value_ecb(&self) -> String {
        hex(&self.encrypt([0; 16])[..3])
    }

    /// Check value as ANSI X9.24 asks for AES: the first three bytes of a CMAC over one block of zeros.
    #[must_use]
    pub fn check_value_cmac(&self) -> String {
        hex(&super::mac::aes_cmac(self, &[0; 16])[..3])
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AesKey({} bytes, hidden)", self.0.len())
    }
}

/// Upper-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02X}").expect("writing to a string cannot fail");
        out
    })
}

/// Bytes of a hexadecimal text; `None` where it is not one.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|n| n as u8);
    digits.chunks_exact(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}
