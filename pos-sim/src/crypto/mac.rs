//! Message authentication: AES-CMAC and the retail MAC of ANSI X9.19 (ISO 9797-1 algorithm 3).

use cmac::{Cmac, Mac};
use des::cipher::{BlockDecrypt, BlockEncrypt};

use super::{AesKey, TdesKey};

/// How a message is filled up to whole blocks before a retail MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// ISO 9797-1 method 1: zeros, none if the length already fits.
    Zeros,
    /// ISO 9797-1 method 2: one byte 80, then zeros; always at least one byte.
    OneThenZeros,
}

/// AES-CMAC (NIST SP 800-38B), all sixteen bytes. Terminals send the first eight.
#[must_use]
pub fn aes_cmac(key: &AesKey, data: &[u8]) -> [u8; 16] {
    fn tag<M: Mac + cmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> [u8; 16] {
        let mut mac = <M as Mac>::new_from_slice(key).expect("AesKey holds a length that its cipher takes");
        mac.update(data);
        let mut out = [0; 16];
        out.copy_from_slice(&mac.finalize().into_bytes());
        out
    }
    match key.bytes().len() {
        16 => tag::<Cmac<aes::Aes128>>(key.bytes(), data),
        24 => tag::<Cmac<aes::Aes192>>(key.bytes(), data),
        _ => tag::<Cmac<aes::Aes256>>(key.bytes(), data),
    }
}

/// The retail MAC: a single-DES chain under the left half, the last block turned once more under the right half.
#[must_use]
pub fn retail_mac(key: &TdesKey, data: &[u8], padding: Padding) -> [u8; 8] {
    let (left, right) = (key.left(), key.right());
    let mut state = des::cipher::Block::<des::Des>::default();
    let mut absorb = |chunk: &[u8]| {
        state.iter_mut().zip(chunk).for_each(|(s, byte)| *s ^= byte);
        left.encrypt_block(&mut state);
    };
    let whole = data.chunks_exact(8);
    let rest = whole.remainder();
    whole.for_each(&mut absorb);
    match padding {
        Padding::Zeros if rest.is_empty() && !data.is_empty() => {}
        Padding::Zeros => absorb(rest),
        Padding::OneThenZeros => {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            last[rest.len()] = 0x80;
            absorb(&last);
        }
    }
    right.decrypt_block(&mut state);
    left.encrypt_block(&mut state);
    state.into()
}
