//! Key derivation: from the issuer master key to a card's key, and to a session's key (EMV Book 2, annex A1). All keys are derived
//! inside the module.
use codecs::value::Pan;
use sha1::{Digest, Sha1};

use super::joined;
use crate::module::{Fault, Module};
use crate::verbs::mac::DesPair;
use crate::verbs::pin_block::pack;

/// How a card's key is derived from the master key (EMV Book 2, annex A1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derivation {
    /// The sixteen rightmost digits of PAN and sequence number.
    A,
    /// As A up to sixteen digits of PAN; for a longer one, digits of a SHA-1 over PAN and sequence number.
    B,
}

/// The card's key as a pair, by option A: versions 10 and 17 compute under it without a session key.
pub(crate) fn card_keys<M: Module>(module: &M, imk: &M::Key, pan: &Pan, psn: u8) -> Result<DesPair<M::Key>, Fault> {
    let diversifier = diversifier(pan, psn, Derivation::A);
    let inverted = diversifier.map(|b| !b);
    Ok(DesPair {
        full: module.derive(imk, &joined(&diversifier, &inverted))?,
        left: module.derive(imk, &joined(&diversifier, &diversifier))?,
    })
}

/// EMV common session key of an ATC (EMV Book 2, annex A1.3), card key by option B.
pub(crate) fn session_keys<M: Module>(
    module: &M,
    imk: &M::Key,
    pan: &Pan,
    psn: u8,
    atc: [u8; 2],
) -> Result<DesPair<M::Key>, Fault> {
    let card = module.derive(imk, &card_key_data(pan, psn, Derivation::B))?;
    diversified(module, &card, &[atc[0], atc[1], 0, 0, 0, 0, 0, 0])
}

/// A session key of a card key: the two encryptions of an eight-byte value with F0 and 0F as its third byte.
pub(crate) fn diversified<M: Module>(module: &M, card: &M::Key, value: &[u8; 8]) -> Result<DesPair<M::Key>, Fault> {
    let left = marked(value, 0xF0);
    Ok(DesPair {
        full: module.derive(card, &session_key_data(value))?,
        left: module.derive(card, &joined(&left, &left))?,
    })
}

/// The data that are encrypted under the card's key to give a session's key.
pub(crate) fn session_key_data(value: &[u8; 8]) -> [u8; 16] {
    joined(&marked(value, 0xF0), &marked(value, 0x0F))
}

fn marked(value: &[u8; 8], marker: u8) -> [u8; 8] {
    let mut half = *value;
    half[2] = marker;
    half
}

/// A cloud token's limited-use key: the encryptions of its index behind the digits 1 and 2.
pub(crate) fn limited_use_keys<M: Module>(module: &M, card: &M::Key, index: [u8; 4]) -> Result<DesPair<M::Key>, Fault> {
    let left = numbered(1, index);
    Ok(DesPair {
        full: module.derive(card, &limited_use_key_data(index))?,
        left: module.derive(card, &joined(&left, &left))?,
    })
}

/// The data that are encrypted under the card's key to give a limited-use key.
pub(crate) fn limited_use_key_data(index: [u8; 4]) -> [u8; 16] {
    joined(&numbered(1, index), &numbered(2, index))
}

/// The seven digits of an index behind another one, with padding method 2.
fn numbered(digit: u8, index: [u8; 4]) -> [u8; 8] {
    [digit << 4 | index[0] & 0xF, index[1], index[2], index[3], 0x80, 0, 0, 0]
}

/// The data that are encrypted under the master key to give the card's key.
pub(crate) fn card_key_data(pan: &Pan, psn: u8, derivation: Derivation) -> [u8; 16] {
    let diversifier = diversifier(pan, psn, derivation);
    joined(&diversifier, &diversifier.map(|b| !b))
}

fn diversifier(pan: &Pan, psn: u8, derivation: Derivation) -> [u8; 8] {
    let digits: Vec<u8> = pan.expose().iter().map(|d| d - b'0').chain([psn / 10 % 10, psn % 10]).collect();
    if derivation == Derivation::B && pan.expose().len() > 16 {
        return hashed_diversifier(&digits);
    }
    let mut nibbles = [0; 16];
    for (place, digit) in nibbles.iter_mut().rev().zip(digits.iter().rev()) {
        *place = *digit;
    }
    pack(&nibbles)
}

/// Sixteen digits of the SHA-1 of the packed digits: decimal nibbles in order, then the others less ten.
fn hashed_diversifier(digits: &[u8]) -> [u8; 8] {
    let mut even = Vec::with_capacity(22);
    if digits.len() % 2 == 1 {
        even.push(0);
    }
    even.extend_from_slice(digits);
    let packed: Vec<u8> = even.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let hash = Sha1::digest(&packed);
    let nibbles = || hash.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    let mut chosen = [0; 16];
    let decimal = nibbles().filter(|n| *n < 10).chain(nibbles().filter(|n| *n >= 10).map(|n| n - 10));
    for (place, digit) in chosen.iter_mut().zip(decimal) {
        *place = digit;
    }
    pack(&chosen)
}
