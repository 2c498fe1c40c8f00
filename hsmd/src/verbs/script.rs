//! Issuer scripts: MAC and encipherment of a command (EMV Book 2, section 9, format 2).
use hsm::{KeyName, ScriptData, ScriptOrder, ScriptOutcome};
use zeroize::Zeroizing;

use crate::des_key::{left_twice, odd_parity};
use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module};
use crate::verbs::emv::{Derivation, Version, card_key_data, diversified};
use crate::verbs::mac::{DesPair, algorithm_3, pad_bit};
use crate::verbs::pin;
use crate::verbs::pin_block::{Pin, pack, xor};

/// Length of a command's MAC.
const MAC: usize = 8;

/// How a version makes the keys of its scripts and enciphers their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScriptMethod {
    /// Visa 10, 17 and 18: the card's key with the ATC mixed in, ECB behind a length byte.
    Visa(Derivation),
    /// Visa 22: EMV common session key of the cryptogram, ECB behind a length byte.
    VisaCommon,
    /// M/Chip: EMV common session key of the cryptogram, CBC.
    MChip,
}

impl ScriptMethod {
    /// `Err` is the byte that names a version without scripts here.
    fn of(iad: &[u8]) -> Result<Self, u8> {
        Ok(match Version::of(iad)? {
            Version::V10 | Version::V17 => Self::Visa(Derivation::A),
            Version::V18 => Self::Visa(Derivation::B),
            Version::V22 => Self::VisaCommon,
            Version::MChip { .. } => Self::MChip,
            // a phone has left the field when the answer comes
            Version::V43 => return Err(0x43),
        })
    }
}

/// The master keys that a command needs.
pub(crate) struct ScriptMasterKeys<K> {
    pub integrity: K,
    /// For enciphered data.
    pub confidentiality: Option<K>,
    /// For a new PIN under the older Visa versions.
    pub cryptograms: Option<K>,
}

/// The clear data of a command.
pub(crate) enum CommandData<'a> {
    Open(&'a [u8]),
    Enciphered(&'a [u8]),
    NewPin(&'a Pin),
}

/// The card and transaction for which keys are derived, and the method.
struct ScriptContext<'a> {
    order: &'a ScriptOrder,
    method: ScriptMethod,
}

/// Finds the keys, reads the new PIN if there is one, makes the command.
pub(crate) fn make<M: Module>(module: &M, order: &ScriptOrder) -> Result<ScriptOutcome, Fault> {
    let master = |role| module.find(&KeyName::role(role, &order.keys));
    let integrity = master("imk-smi")?;
    let pin;
    let (body, confidentiality, cryptograms) = match &order.data {
        ScriptData::Open(bytes) => (CommandData::Open(bytes), None, None),
        ScriptData::Enciphered(bytes) => (CommandData::Enciphered(bytes), Some(master("imk-smc")?), None),
        ScriptData::NewPin(entered) => {
            let zone_key = module.find(&entered.zone_key)?;
            match pin::decipher(module, &zone_key, entered.format, &entered.block, &order.presented)? {
                Some(read) => pin = read,
                None => return Ok(ScriptOutcome::FormatError),
            }
            (CommandData::NewPin(&pin), Some(master("imk-smc")?), Some(master("imk-ac")?))
        }
    };
    command(module, &ScriptMasterKeys { integrity, confidentiality, cryptograms }, order, &body)
}

/// The command with its MAC.
pub(crate) fn command<M: Module>(
    module: &M,
    masters: &ScriptMasterKeys<M::Key>,
    order: &ScriptOrder,
    body: &CommandData<'_>,
) -> Result<ScriptOutcome, Fault> {
    let method = match ScriptMethod::of(&order.iad) {
        Ok(method) => method,
        Err(unknown) => return Ok(ScriptOutcome::UnknownVersion(unknown)),
    };
    let context = ScriptContext { order, method };
    let Some(body) = command_data(module, masters, &context, body)? else { return Ok(ScriptOutcome::NotPossibleHere) };
    let Some(keys) = transaction_keys(module, &masters.integrity, &context)? else {
        return Ok(ScriptOutcome::NotPossibleHere);
    };
    let length = u8::try_from(body.len() + MAC).map_err(|_| TOO_LONG)?;
    let command = [&order.header[..], &[length]].concat();
    let covered = [&command[..], &order.atc, &order.cryptogram, &body].concat();
    let mac = algorithm_3(module, &keys, &pad_bit(&covered))?;
    Ok(ScriptOutcome::Made([&command[..], &body, &mac].concat()))
}

const TOO_LONG: Fault = Fault::Request("a command has at most 255 bytes");
const NO_KEY: Fault = Fault::Request("what is enciphered needs a confidentiality key");

/// The data between the command's length and its MAC.
fn command_data<M: Module>(
    module: &M,
    masters: &ScriptMasterKeys<M::Key>,
    context: &ScriptContext<'_>,
    body: &CommandData<'_>,
) -> Result<Option<Vec<u8>>, Fault> {
    let block;
    let clear = match body {
        CommandData::Open(bytes) => return Ok(Some(bytes.to_vec())),
        CommandData::Enciphered(bytes) => bytes,
        CommandData::NewPin(pin) => match pin_for_card(module, masters, context, pin)? {
            Some(made) => {
                block = made;
                &block[..]
            }
            None => return Ok(None),
        },
    };
    let master = masters.confidentiality.as_ref().ok_or(NO_KEY)?;
    match transaction_keys(module, master, context)? {
        Some(keys) => Ok(Some(enciphered(module, &keys.full, context.method, clear)?)),
        None => Ok(None),
    }
}

/// The transaction's keys of one purpose. `None`: they cannot be made inside the module, and the key set is not a fast one.
fn transaction_keys<M: Module>(
    module: &M,
    imk: &M::Key,
    context: &ScriptContext<'_>,
) -> Result<Option<DesPair<M::Key>>, Fault> {
    let ScriptContext { order, method } = context;
    match method {
        ScriptMethod::VisaCommon | ScriptMethod::MChip => {
            let derivation = if *method == ScriptMethod::MChip { Derivation::A } else { Derivation::B };
            let card = module.derive(imk, &card_key_data(&order.presented, order.psn, derivation))?;
            Ok(Some(diversified(module, &card, &order.cryptogram)?))
        }
        ScriptMethod::Visa(derivation) => {
            let Some(card) = exposed_card_key(module, imk, order, *derivation)? else { return Ok(None) };
            let [high, low] = order.atc;
            let mask = [0, 0, 0, 0, 0, 0, high, low, 0, 0, 0, 0, 0, 0, !high, !low];
            let mut key = Zeroizing::new(xor(&card, &mask));
            odd_parity(&mut *key);
            Ok(Some(DesPair {
                full: module.import(KeyKind::MacDes, &*key)?,
                left: module.import(KeyKind::MacDesLeft, &left_twice(&*key))?,
            }))
        }
    }
}

/// The card's key in this process's memory, which only a fast key set allows.
fn exposed_card_key<M: Module>(
    module: &M,
    imk: &M::Key,
    order: &ScriptOrder,
    derivation: Derivation,
) -> Result<Option<Zeroizing<[u8; 16]>>, Fault> {
    if module.kind(imk) != KeyKind::ImkAcFast {
        return Ok(None);
    }
    let data = card_key_data(&order.presented, order.psn, derivation);
    let (halves, _) = data.as_chunks::<8>();
    let mut key = Zeroizing::new([0; 16]);
    for (out, half) in key.chunks_exact_mut(8).zip(halves) {
        out.copy_from_slice(&module.des_encrypt(imk, half)?);
    }
    odd_parity(&mut *key);
    Ok(Some(key))
}

fn enciphered<M: Module>(module: &M, key: &M::Key, method: ScriptMethod, clear: &[u8]) -> Result<Vec<u8>, Fault> {
    let padded = Zeroizing::new(match method {
        ScriptMethod::Visa(_) | ScriptMethod::VisaCommon => {
            let length = u8::try_from(clear.len()).map_err(|_| TOO_LONG)?;
            pad_bit(&Zeroizing::new([&[length][..], clear].concat()))
        }
        ScriptMethod::MChip if clear.len().is_multiple_of(8) => clear.to_vec(),
        ScriptMethod::MChip => pad_bit(clear),
    });
    let mut out = Vec::with_capacity(padded.len());
    let mut chained = [0; 8];
    let (blocks, _) = padded.as_chunks::<8>();
    for block in blocks {
        let done = module.des_encrypt(key, &xor(&chained, block))?;
        out.extend_from_slice(&done);
        if method == ScriptMethod::MChip {
            chained = done;
        }
    }
    Ok(out)
}

/// A new PIN in the card's format: PIN block format 2, or for the older Visa versions a block that is mixed with the card's own
/// application key.
fn pin_for_card<M: Module>(
    module: &M,
    masters: &ScriptMasterKeys<M::Key>,
    context: &ScriptContext<'_>,
    pin: &Pin,
) -> Result<Option<Zeroizing<[u8; 8]>>, Fault> {
    let mut nibbles = Zeroizing::new([0xF; 16]);
    nibbles[0] = if matches!(context.method, ScriptMethod::Visa(_)) { 0 } else { 2 };
    nibbles[1] = pin.values().len() as u8;
    nibbles[2..2 + pin.values().len()].copy_from_slice(pin.values());
    let block = Zeroizing::new(pack::<16, 8>(&nibbles));
    let ScriptMethod::Visa(derivation) = context.method else { return Ok(Some(block)) };
    let imk = masters.cryptograms.as_ref().ok_or(NO_KEY)?;
    let Some(card) = exposed_card_key(module, imk, context.order, derivation)? else { return Ok(None) };
    let mut mask = Zeroizing::new([0; 8]);
    mask[4..].copy_from_slice(&card[4..8]);
    Ok(Some(Zeroizing::new(xor(&block, &mask))))
}
