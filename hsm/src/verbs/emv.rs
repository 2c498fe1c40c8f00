//! Application cryptograms: card keys from the issuer's master key, session keys, ARQC and ARPC. No derived key leaves the module.
use codecs::value::Pan;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::card::{ChipCheck, ChipOutcome, CryptogramData};
use crate::module::{Fault, Module};
use crate::verbs::mac::{DesPair, algorithm_3, pad_bit, pad_zeros};
use crate::verbs::pin_block::{pack, xor};

/// Response code that an ARPC of method 1 carries for an approval.
const APPROVED: [u8; 2] = *b"00";

/// Cryptogram versions that are computed here. A new one is a row here and an arm below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Card key used as it is, zero padding, card verification results only; ARPC method 1.
    V10,
    /// EMV common session key, whole issuer application data; ARPC method 2.
    V18,
    /// As 18, with issuer application data of format 2.
    V22,
}

impl Version {
    /// The version that the issuer application data names. `Err` is the byte that names another one.
    fn of(iad: &[u8]) -> Result<Self, u8> {
        // format 2 has length 1F and the version next; the others have length, key index, version
        match iad {
            [0x1F, 0x22, ..] => Ok(Self::V22),
            [0x1F, version, ..] => Err(*version),
            [_, _, 0x0A, ..] => Ok(Self::V10),
            [_, _, 0x12, ..] => Ok(Self::V18),
            [_, _, version, ..] => Err(*version),
            _ => Err(0),
        }
    }
}

/// How a card's key follows from the master key (EMV Book 2, annex A1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derivation {
    /// The sixteen rightmost digits of PAN and sequence number.
    A,
    /// As A up to sixteen digits of PAN; for a longer one, digits of a SHA-1 over PAN and sequence number.
    B,
}

/// Judges a cryptogram and, if it is right, makes tag 91 for an approval.
pub(crate) fn check<M: Module>(module: &M, imk: &M::Key, pan: &Pan, check: &ChipCheck) -> Result<ChipOutcome, Fault> {
    let version = match Version::of(&check.data.iad) {
        Ok(version) => version,
        Err(unknown) => return Ok(ChipOutcome::UnknownVersion(unknown)),
    };
    let keys = match version {
        Version::V10 => card_keys(module, imk, pan, check.psn)?,
        Version::V18 | Version::V22 => session_keys(module, imk, pan, check.psn, check.data.atc)?,
    };
    let expected = algorithm_3(module, &keys, &covered(version, &check.data))?;
    if !bool::from(expected.ct_eq(&check.cryptogram)) {
        return Ok(ChipOutcome::Wrong);
    }
    Ok(ChipOutcome::Ok { approval: issuer_authentication(module, version, &keys, check)? })
}

/// The card's key as a pair, for CVN 10, which uses it without a session key.
pub(crate) fn card_keys<M: Module>(module: &M, imk: &M::Key, pan: &Pan, psn: u8) -> Result<DesPair<M::Key>, Fault> {
    let diversifier = diversifier(pan, psn, Derivation::A);
    let inverted = diversifier.map(|b| !b);
    Ok(DesPair {
        full: module.derive(imk, &joined(&diversifier, &inverted))?,
        left: module.derive(imk, &joined(&diversifier, &diversifier))?,
    })
}

/// EMV common session key of an ATC (EMV Book 2, annex A1.3).
pub(crate) fn session_keys<M: Module>(
    module: &M,
    imk: &M::Key,
    pan: &Pan,
    psn: u8,
    atc: [u8; 2],
) -> Result<DesPair<M::Key>, Fault> {
    let card = module.derive(imk, &card_key_data(pan, psn, Derivation::B))?;
    let left = session_half(atc, 0xF0);
    Ok(DesPair {
        full: module.derive(&card, &session_key_data(atc))?,
        left: module.derive(&card, &joined(&left, &left))?,
    })
}

/// What is encrypted under the card's key to give a session's key.
pub(crate) fn session_key_data(atc: [u8; 2]) -> [u8; 16] {
    joined(&session_half(atc, 0xF0), &session_half(atc, 0x0F))
}

fn session_half(atc: [u8; 2], marker: u8) -> [u8; 8] {
    [atc[0], atc[1], marker, 0, 0, 0, 0, 0]
}

/// What is encrypted under the master key to give the card's key.
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

/// The padded data that the card computed its cryptogram over.
fn covered(version: Version, data: &CryptogramData) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(72);
    bytes.extend_from_slice(&data.amount);
    bytes.extend_from_slice(&data.other_amount);
    bytes.extend_from_slice(&data.country);
    bytes.extend_from_slice(&data.tvr);
    bytes.extend_from_slice(&data.currency);
    bytes.extend_from_slice(&data.date);
    bytes.push(data.kind);
    bytes.extend_from_slice(&data.unpredictable);
    bytes.extend_from_slice(&data.aip);
    bytes.extend_from_slice(&data.atc);
    match version {
        Version::V10 => {
            // card verification results follow length, key index and version
            bytes.extend_from_slice(data.iad.get(3..7).unwrap_or(&[]));
            pad_zeros(&bytes)
        }
        Version::V18 | Version::V22 => {
            bytes.extend_from_slice(&data.iad);
            pad_bit(&bytes)
        }
    }
}

/// Tag 91 for an approval.
fn issuer_authentication<M: Module>(
    module: &M,
    version: Version,
    keys: &DesPair<M::Key>,
    check: &ChipCheck,
) -> Result<Vec<u8>, Fault> {
    match version {
        Version::V10 => {
            let arpc = arpc_method_1(module, keys, &check.cryptogram, APPROVED)?;
            Ok([&arpc[..], &APPROVED].concat())
        }
        Version::V18 | Version::V22 => {
            let arpc = arpc_method_2(module, keys, &check.cryptogram, &check.approve_csu, &[])?;
            Ok([arpc, check.approve_csu].concat())
        }
    }
}

/// ARPC method 1: the cryptogram with the response code mixed in, enciphered.
pub(crate) fn arpc_method_1<M: Module>(
    module: &M,
    keys: &DesPair<M::Key>,
    cryptogram: &[u8; 8],
    response_code: [u8; 2],
) -> Result<[u8; 8], Fault> {
    let mut code = [0; 8];
    code[..2].copy_from_slice(&response_code);
    module.des_encrypt(&keys.full, &xor(cryptogram, &code))
}

/// ARPC method 2: the first four bytes of a MAC over cryptogram, card status update and proprietary data.
pub(crate) fn arpc_method_2<M: Module>(
    module: &M,
    keys: &DesPair<M::Key>,
    cryptogram: &[u8; 8],
    csu: &[u8; 4],
    proprietary: &[u8],
) -> Result<[u8; 4], Fault> {
    let data = [&cryptogram[..], csu, proprietary].concat();
    let mac = algorithm_3(module, keys, &pad_bit(&data))?;
    Ok([mac[0], mac[1], mac[2], mac[3]])
}

fn joined(left: &[u8; 8], right: &[u8; 8]) -> [u8; 16] {
    let mut both = [0; 16];
    both[..8].copy_from_slice(left);
    both[8..].copy_from_slice(right);
    both
}
