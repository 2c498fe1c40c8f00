//! Message authentication: ISO 9797-1 algorithm 3 (ANSI X9.19, the retail MAC) and AES-CMAC.
use crate::module::{Fault, Module};
use crate::verbs::pin_block::xor;

/// A double-length DES key with the companion that its chain runs under.
///
/// The chain of algorithm 3 is single DES under the left half. SoftHSM on OpenSSL 3 has no single DES, but double-length DES
/// with equal halves is the same thing; so every key that makes such MACs has an object with its left half twice.
pub(crate) struct DesPair<K> {
    pub full: K,
    pub left: K,
}

/// Algorithm 3 over whole blocks: chain under the left half, last step under the whole key.
pub(crate) fn algorithm_3<M: Module>(module: &M, keys: &DesPair<M::Key>, data: &[u8]) -> Result<[u8; 8], Fault> {
    let (chained, last) = data.split_last_chunk::<8>().ok_or(Fault::Request("a MAC covers at least one block"))?;
    if !chained.len().is_multiple_of(8) {
        return Err(Fault::Request("a MAC covers whole blocks"));
    }
    let carried = if chained.is_empty() { [0; 8] } else { module.des_chain(&keys.left, chained)? };
    module.des_encrypt(&keys.full, &xor(&carried, last))
}

/// Padding method 1: zeros up to a whole block; an empty message becomes one block.
pub(crate) fn pad_zeros(data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.resize(data.len().next_multiple_of(8).max(8), 0);
    padded
}

/// Padding method 2: a one bit, then zeros; there is always padding.
pub(crate) fn pad_bit(data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(8), 0);
    padded
}

/// CMAC under a DES key (NIST SP 800-38B): the MAC of TR-31 blocks of version B. The data are whole blocks.
pub(crate) fn des_cmac<M: Module>(module: &M, key: &M::Key, data: &[u8]) -> Result<[u8; 8], Fault> {
    let (chained, last) = data.split_last_chunk::<8>().ok_or(Fault::Request("a MAC covers at least one block"))?;
    let (subkey, _) = subkeys::<8>(&module.des_encrypt(key, &[0; 8])?, 0x1B);
    let carried = if chained.is_empty() { [0; 8] } else { module.des_chain(key, chained)? };
    module.des_encrypt(key, &xor(&xor(&carried, last), &subkey))
}

/// The two subkeys of a CMAC (NIST SP 800-38B, 6.1) from the encryption of a zero block.
pub(crate) fn subkeys<const N: usize>(enciphered_zeros: &[u8; N], constant: u8) -> ([u8; N], [u8; N]) {
    let doubled = |value: &[u8; N]| {
        let mut out: [u8; N] = std::array::from_fn(|i| value[i] << 1 | value.get(i + 1).map_or(0, |next| next >> 7));
        out[N - 1] ^= if value[0] & 0x80 == 0 { 0 } else { constant };
        out
    };
    let first = doubled(enciphered_zeros);
    (first, doubled(&first))
}

/// AES-CMAC cut to the eight bytes that DE 64 holds.
pub(crate) fn cmac_8<M: Module>(module: &M, key: &M::Key, data: &[u8]) -> Result<[u8; 8], Fault> {
    let mac = module.aes_cmac(key, data)?;
    Ok(std::array::from_fn(|i| mac[i]))
}
