//! What stands in a database instead of a PAN: a keyed index to find it by and an envelope to get it back from.
use std::fmt;

use crate::HsmError;

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

/// A PAN under the vault key: one format byte, a 12-byte nonce, AES-256-GCM ciphertext of the ASCII digits, a 16-byte tag.
///
/// It opens only with the associated data that it was made with: the caller binds it to its row (a card's id, or the DPAN
/// that stands for it), so that swapping two rows' envelopes is noticed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PanEnvelope(Vec<u8>);

impl PanEnvelope {
    const FORMAT: u8 = 1;
    const NONCE: usize = 12;
    /// Format, nonce, and ciphertext and tag of the shortest PAN.
    const SHORTEST: usize = 1 + Self::NONCE + 8 + 16;
    const LONGEST: usize = 1 + Self::NONCE + 19 + 16;

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HsmError> {
        if bytes.first() == Some(&Self::FORMAT) && (Self::SHORTEST..=Self::LONGEST).contains(&bytes.len()) {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(HsmError::BadInput("not a PAN envelope"))
        }
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn seal(nonce: &[u8; 12], sealed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(1 + Self::NONCE + sealed.len());
        bytes.push(Self::FORMAT);
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(sealed);
        Self(bytes)
    }

    pub(crate) fn parts(&self) -> ([u8; 12], &[u8]) {
        let mut nonce = [0; Self::NONCE];
        nonce.copy_from_slice(&self.0[1..=Self::NONCE]);
        (nonce, &self.0[1 + Self::NONCE..])
    }
}

impl fmt::Debug for PanEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PanEnvelope({} bytes)", self.0.len())
    }
}
