//! Stored forms of a PAN in a database: a keyed index to find it by, and an envelope that holds it encrypted.
use std::fmt;

use crate::error::HsmError;

/// Envelopes revealed in one job; more would hold up authorizations (each takes about 6 µs).
pub const REVEAL_BATCH: usize = 16;

/// HMAC-SHA-256 of the PAN's ASCII digits under the `pan-index` key: equal PANs give equal indexes, and without the key
/// nobody can try the few thousand million PANs of a BIN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PanIndex(pub [u8; 32]);

impl fmt::Debug for PanIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..6] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…")
    }
}

/// A PAN under the vault key: a head, a 12-byte nonce, AES-256-GCM ciphertext of the ASCII digits, a 16-byte tag. The head
/// names the key's generation: the byte 1 for the first, the byte 2 and its number for a later one.
///
/// It opens only with the associated data that it was made with: the caller binds it to its row (a card's id, or the DPAN
/// that stands for it), so that swapping two rows' envelopes is noticed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PanEnvelope(Vec<u8>);

impl PanEnvelope {
    const FIRST: u8 = 1;
    const LATER: u8 = 2;
    const NONCE: usize = 12;
    /// Nonce, and ciphertext and tag of the shortest PAN.
    const SHORTEST: usize = Self::NONCE + 8 + 16;
    const LONGEST: usize = Self::NONCE + 19 + 16;

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HsmError> {
        let rest = match bytes {
            [Self::FIRST, rest @ ..] => rest,
            [Self::LATER, generation, rest @ ..] if *generation > 1 => rest,
            _ => &[],
        };
        if (Self::SHORTEST..=Self::LONGEST).contains(&rest.len()) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(HsmError::BadInput("not a PAN envelope"))
        }
    }

    /// The generation of the vault key that it was sealed under.
    pub fn generation(&self) -> u8 {
        match self.0.as_slice() {
            [Self::LATER, generation, ..] => *generation,
            _ => 1,
        }
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// An envelope of the daemon's making: ciphertext and tag under a generation of the vault key.
    pub fn seal(generation: u8, nonce: &[u8; 12], sealed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(2 + Self::NONCE + sealed.len());
        if generation == 1 {
            bytes.push(Self::FIRST);
        } else {
            bytes.extend_from_slice(&[Self::LATER, generation]);
        }
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(sealed);
        Self(bytes)
    }

    /// Nonce; ciphertext with its tag.
    pub fn parts(&self) -> ([u8; 12], &[u8]) {
        let head = if self.generation() == 1 { 1 } else { 2 };
        let (nonce, sealed) = self.0[head..].split_at(Self::NONCE);
        let mut own = [0; Self::NONCE];
        own.copy_from_slice(nonce);
        (own, sealed)
    }
}

impl fmt::Debug for PanEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PanEnvelope({} bytes)", self.0.len())
    }
}
