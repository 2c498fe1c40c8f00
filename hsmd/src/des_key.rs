//! DES keys in clear: the parity of their bytes, and the left half that a chain runs under.
use zeroize::Zeroizing;

/// Whether every byte has an odd number of ones, as DES keys have.
pub(crate) fn has_odd_parity(key: &[u8]) -> bool {
    key.iter().all(|byte| byte.count_ones() % 2 == 1)
}

/// Sets the lowest bit of every byte so that the byte has an odd number of ones.
pub(crate) fn odd_parity(key: &mut [u8]) {
    for byte in key {
        *byte = *byte & 0xFE | u8::from((*byte & 0xFE).count_ones() % 2 == 0);
    }
}

/// The left half twice: the companion that a MAC chain runs under.
pub(crate) fn left_twice(key: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(key[..8].repeat(2))
}
