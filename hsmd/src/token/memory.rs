//! Card and session keys of a *fast* key set: double-length DES in this process, wiped when they are dropped.
//!
//! They compute what the module computes for a strict set, at a tenth of the cost; but the card's key is outside the module for
//! the microseconds of a verb. The master key stays inside either way.
use des::cipher::{BlockDecrypt, BlockEncrypt, KeyInit, generic_array::GenericArray};
use des::{Des, TdesEde2};
use zeroize::Zeroizing;

use crate::des_key::odd_parity;

/// A key with its schedule; the ciphers wipe themselves when they are dropped.
pub(crate) enum MemoryKey {
    Double(TdesEde2),
    /// Both halves equal: single DES.
    Single(Des),
}

impl MemoryKey {
    pub(super) fn new(key: &Zeroizing<[u8; 16]>) -> Self {
        let (left, right) = key.split_at(8);
        if left == right {
            Self::Single(Des::new(GenericArray::from_slice(left)))
        } else {
            Self::Double(TdesEde2::new(GenericArray::from_slice(&**key)))
        }
    }

    pub(super) fn encrypt(&self, block: &[u8; 8]) -> [u8; 8] {
        let mut block = GenericArray::from(*block);
        match self {
            Self::Double(cipher) => cipher.encrypt_block(&mut block),
            Self::Single(cipher) => cipher.encrypt_block(&mut block),
        }
        block.into()
    }

    pub(super) fn decrypt(&self, block: &[u8; 8]) -> [u8; 8] {
        let mut block = GenericArray::from(*block);
        match self {
            Self::Double(cipher) => cipher.decrypt_block(&mut block),
            Self::Single(cipher) => cipher.decrypt_block(&mut block),
        }
        block.into()
    }

    /// Last block of the CBC encryption with a zero IV; `None` unless `data` is whole blocks, at least one.
    pub(super) fn chain(&self, data: &[u8]) -> Option<[u8; 8]> {
        if data.is_empty() || !data.len().is_multiple_of(8) {
            return None;
        }
        let chained = data
            .chunks_exact(8)
            .fold([0; 8], |carried: [u8; 8], block| self.encrypt(&std::array::from_fn(|i| carried[i] ^ block[i])));
        Some(chained)
    }

    /// The key whose halves are the encryptions of the halves of `data`, with odd parity.
    pub(super) fn derive(&self, data: &[u8; 16]) -> Zeroizing<[u8; 16]> {
        let mut key = Zeroizing::new([0; 16]);
        let (left, right) = key.split_at_mut(8);
        let [first, second] = [0, 8].map(|at| std::array::from_fn(|i| data[at + i]));
        left.copy_from_slice(&self.encrypt(&first));
        if second == first {
            right.copy_from_slice(left);
        } else {
            right.copy_from_slice(&self.encrypt(&second));
        }
        odd_parity(&mut *key);
        key
    }
}
