//! The switch's compound verb, and the MAC on messages that it sends.
use codecs::value::Mac;
use hsm::{
    EdgeCheck, EdgeVerdict, KeyName, KeyUsage, MacCheck, MacKey, MacOutcome, PinKey, PinTranslation, TranslationOutcome,
};

use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module, generation};
use crate::verbs::dukpt::WorkingKeyUse;
use crate::verbs::mac::{self, DesPair};
use crate::verbs::working_keys::{WorkingKey, WorkingKeys};
use crate::verbs::{dukpt, pin};

/// The PIN is translated only if the message it came in is authentic.
pub(crate) fn check<M: Module>(
    module: &M,
    working: &mut WorkingKeys<M::Key>,
    request: &EdgeCheck,
) -> Result<EdgeVerdict, Fault> {
    let mac = match &request.mac {
        Some(check) => Some(check_mac(module, working, check)?),
        None => None,
    };
    let pin = match &request.pin {
        Some(translation) if mac != Some(MacOutcome::Wrong) => Some(translate(module, working, translation)?),
        _ => None,
    };
    Ok(EdgeVerdict { mac, pin })
}

fn check_mac<M: Module>(module: &M, working: &mut WorkingKeys<M::Key>, check: &MacCheck) -> Result<MacOutcome, Fault> {
    let holds = match &check.key {
        // a partner that has not changed to the new generation still uses the older key
        MacKey::Named(name) => {
            let mut holds = false;
            for label in generation::accepted_labels(module, name) {
                holds = check.holds(&named_mac_keys(module, &label)?.mac(module, &check.data)?);
                if holds {
                    break;
                }
            }
            holds
        }
        key => check.holds(&mac_keys(module, working, key, WorkingKeyUse::MacRequest)?.mac(module, &check.data)?),
    };
    Ok(if holds { MacOutcome::Ok } else { MacOutcome::Wrong })
}

/// The MAC of a message that is sent, under a terminal's or a named key; the key determines the algorithm.
pub(crate) fn make_mac<M: Module>(
    module: &M,
    working: &mut WorkingKeys<M::Key>,
    key: &MacKey,
    data: &[u8],
) -> Result<Mac, Fault> {
    mac_keys(module, working, key, WorkingKeyUse::MacResponse)?.mac(module, data)
}

/// The keys of a MAC; the algorithm is a property of the key.
enum MacKeys<K> {
    Cmac(K),
    X919(DesPair<K>),
}

impl<K> MacKeys<K> {
    fn mac<M: Module<Key = K>>(&self, module: &M, data: &[u8]) -> Result<Mac, Fault> {
        match self {
            Self::Cmac(key) => mac::cmac_8(module, key, data),
            Self::X919(keys) => mac::algorithm_3(module, keys, &mac::pad_zeros(data)),
        }
        .map(Mac)
    }
}

/// The keys for making a MAC in one of the two directions, which only DUKPT tells apart.
fn mac_keys<M: Module>(
    module: &M,
    working: &mut WorkingKeys<M::Key>,
    key: &MacKey,
    direction: WorkingKeyUse,
) -> Result<MacKeys<M::Key>, Fault> {
    Ok(match key {
        MacKey::Named(name) => named_mac_keys(module, &generation::current_label(module, name))?,
        MacKey::DukptTdes(transaction) => MacKeys::X919(dukpt::tdes_mac_keys(module, transaction, direction)?),
        MacKey::DukptAes(transaction) => MacKeys::Cmac(dukpt::aes_working_key(module, transaction, direction)?),
        MacKey::Terminal(block) => match working.open(module, block)? {
            WorkingKey::One(key) if block.usage() == KeyUsage::MacAesCmac => MacKeys::Cmac(key),
            WorkingKey::Pair { full, left } => MacKeys::X919(DesPair { full, left }),
            WorkingKey::One(_) => return Err(Fault::Refused("a terminal's PIN key makes no MACs")),
        },
    })
}

fn named_mac_keys<M: Module>(module: &M, label: &KeyName) -> Result<MacKeys<M::Key>, Fault> {
    let key = module.find(label)?;
    match module.kind(&key) {
        KeyKind::MacCmac => Ok(MacKeys::Cmac(key)),
        KeyKind::MacDes => Ok(MacKeys::X919(DesPair { left: module.find(&label.left())?, full: key })),
        _ => Err(Fault::Refused("the named key makes no MACs")),
    }
}

fn translate<M: Module>(
    module: &M,
    working: &mut WorkingKeys<M::Key>,
    request: &PinTranslation,
) -> Result<TranslationOutcome, Fault> {
    if matches!(request.to, PinKey::DukptTdes(_) | PinKey::DukptAes(_)) {
        return Err(Fault::Refused("no PIN goes to a terminal"));
    }
    let from = match &request.from {
        PinKey::Zone(name) => generation::accepted(module, name)?,
        other => vec![pin_key(module, working, other)?],
    };
    let to = pin_key(module, working, &request.to)?;
    // the newer key first; a block of the older one is no PIN block under it
    for key in &from {
        let (from, to) = ((key, request.from_format), (&to, request.to_format));
        let outcome = pin::translate(module, from, to, &request.block, &request.pan)?;
        if outcome != TranslationOutcome::FormatError {
            return Ok(outcome);
        }
    }
    Ok(TranslationOutcome::FormatError)
}

fn pin_key<M: Module>(module: &M, working: &mut WorkingKeys<M::Key>, key: &PinKey) -> Result<M::Key, Fault> {
    match key {
        PinKey::Zone(name) => generation::current(module, name).map(|(key, _)| key),
        PinKey::Terminal(block) => match working.open(module, block)? {
            WorkingKey::One(key) => Ok(key),
            WorkingKey::Pair { .. } => Err(Fault::Refused("a MAC key deciphers no PINs")),
        },
        PinKey::DukptTdes(transaction) => dukpt::tdes_pin_key(module, transaction),
        PinKey::DukptAes(transaction) => dukpt::aes_working_key(module, transaction, WorkingKeyUse::Pin),
    }
}
