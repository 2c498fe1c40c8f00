//! Application cryptograms: ARQC and ARPC. No derived key leaves the module.
mod keys;
mod version;

use codecs::value::Pan;
use hsm::{ChipCheck, ChipOutcome};

use crate::module::{Fault, Module};
use crate::verbs::mac::{DesPair, algorithm_3, pad_bit};
use crate::verbs::pin_block::xor;
pub(crate) use keys::{
    Derivation, card_key_data, card_keys, diversified, limited_use_key_data, limited_use_keys, session_key_data,
    session_keys,
};
pub(crate) use version::{MChipSession, Version};

/// Response code that a Visa ARPC of method 1 carries for an approval.
const APPROVED: [u8; 2] = *b"00";
/// ARPC response code of M/Chip: the bit that says "approved online".
const M_CHIP_APPROVED: [u8; 2] = [0x00, 0x10];

/// The keys of one cryptogram and of its ARPC.
struct CryptogramKeys<K> {
    cryptogram: DesPair<K>,
    /// The key of the ARPC, if it is another one; usually it is the same.
    response: Option<K>,
}

/// Checks a cryptogram and, if it is right, makes tag 91 for an approval.
pub(crate) fn check<M: Module>(module: &M, imk: &M::Key, pan: &Pan, check: &ChipCheck) -> Result<ChipOutcome, Fault> {
    let version = match Version::of(&check.data.iad) {
        Ok(version) => version,
        Err(unknown) => return Ok(ChipOutcome::UnknownVersion(unknown)),
    };
    let keys = keys_of(module, version, imk, pan, check)?;
    let expected = algorithm_3(module, &keys.cryptogram, &version.covered(&check.data))?;
    if !check.holds(&expected) {
        return Ok(ChipOutcome::Wrong);
    }
    Ok(ChipOutcome::Ok { approval: issuer_authentication(module, version, &keys, check)? })
}

fn keys_of<M: Module>(
    module: &M,
    version: Version,
    imk: &M::Key,
    pan: &Pan,
    check: &ChipCheck,
) -> Result<CryptogramKeys<M::Key>, Fault> {
    let (psn, atc) = (check.psn, check.data.atc);
    let same = |cryptogram| CryptogramKeys { cryptogram, response: None };
    Ok(match version {
        Version::V10 | Version::V17 => same(card_keys(module, imk, pan, psn)?),
        Version::V18 | Version::V22 => same(session_keys(module, imk, pan, psn, atc)?),
        Version::V43 => {
            let index = Version::key_index(&check.data.iad).ok_or(Fault::Request("no index of a limited-use key"))?;
            let card = module.derive(imk, &card_key_data(pan, psn, Derivation::B))?;
            same(limited_use_keys(module, &card, index)?)
        }
        Version::MChip { session, .. } => {
            let card = module.derive(imk, &card_key_data(pan, psn, Derivation::A))?;
            let mut value = [atc[0], atc[1], 0, 0, 0, 0, 0, 0];
            if session == MChipSession::Common {
                return Ok(same(diversified(module, &card, &value)?));
            }
            value[4..].copy_from_slice(&check.data.unpredictable);
            CryptogramKeys { cryptogram: diversified(module, &card, &value)?, response: Some(card) }
        }
    })
}

/// Tag 91 for an approval; empty where the card expects none.
fn issuer_authentication<M: Module>(
    module: &M,
    version: Version,
    keys: &CryptogramKeys<M::Key>,
    check: &ChipCheck,
) -> Result<Vec<u8>, Fault> {
    let pair = &keys.cryptogram;
    match version {
        Version::V10 | Version::V17 => {
            let arpc = arpc_method_1(module, &pair.full, &check.cryptogram, APPROVED)?;
            Ok([&arpc[..], &APPROVED].concat())
        }
        Version::V18 | Version::V22 => {
            let arpc = arpc_method_2(module, pair, &check.cryptogram, &check.approve_csu, &[])?;
            Ok([arpc, check.approve_csu].concat())
        }
        // a phone has left the field by the time the issuer answers
        Version::V43 => Ok(Vec::new()),
        Version::MChip { .. } => {
            let key = keys.response.as_ref().unwrap_or(&pair.full);
            let arpc = arpc_method_1(module, key, &check.cryptogram, M_CHIP_APPROVED)?;
            Ok([&arpc[..], &M_CHIP_APPROVED].concat())
        }
    }
}

/// ARPC method 1: the cryptogram with the response code mixed in, enciphered.
pub(crate) fn arpc_method_1<M: Module>(
    module: &M,
    key: &M::Key,
    cryptogram: &[u8; 8],
    response_code: [u8; 2],
) -> Result<[u8; 8], Fault> {
    let mut code = [0; 8];
    code[..2].copy_from_slice(&response_code);
    module.des_encrypt(key, &xor(cryptogram, &code))
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
