//! The switch's compound verb, and the MAC on what it sends.
use codecs::value::Mac;
use subtle::ConstantTimeEq;

use crate::edge::{EdgeCheck, EdgeVerdict, MacCheck, MacKey, MacOutcome, PinKey, PinTranslation, TranslationOutcome};
use crate::key_block::KeyUsage;
use crate::key_kind::KeyKind;
use crate::module::{Fault, Module};
use crate::verbs::mac::{self, DesPair};
use crate::verbs::pin;
use crate::verbs::working_keys::{WorkingKey, WorkingKeys};

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
    let expected = make_mac(module, working, &check.key, &check.data)?;
    Ok(if expected.0.ct_eq(&check.mac.0).into() { MacOutcome::Ok } else { MacOutcome::Wrong })
}

/// The MAC of whole bytes under a terminal's or a named key; the key says by which algorithm.
pub(crate) fn make_mac<M: Module>(
    module: &M,
    working: &mut WorkingKeys<M::Key>,
    key: &MacKey,
    data: &[u8],
) -> Result<Mac, Fault> {
    let bytes = match key {
        MacKey::Named(name) => {
            let key = module.find(name)?;
            if module.kind(&key) != KeyKind::MacCmac {
                return Err(Fault::Refused("the named key makes no MACs"));
            }
            mac::cmac_8(module, &key, data)?
        }
        MacKey::Terminal(block) => match working.open(module, block)? {
            WorkingKey::One(key) if block.usage() == KeyUsage::MacAesCmac => mac::cmac_8(module, &key, data)?,
            WorkingKey::Pair { full, left } => {
                mac::algorithm_3(module, &DesPair { full, left }, &mac::pad_zeros(data))?
            }
            WorkingKey::One(_) => return Err(Fault::Refused("a terminal's PIN key makes no MACs")),
        },
    };
    Ok(Mac(bytes))
}

fn translate<M: Module>(
    module: &M,
    working: &mut WorkingKeys<M::Key>,
    request: &PinTranslation,
) -> Result<TranslationOutcome, Fault> {
    let from = match &request.from {
        PinKey::Zone(name) => module.find(name)?,
        PinKey::Terminal(block) => match working.open(module, block)? {
            WorkingKey::One(key) => key,
            WorkingKey::Pair { .. } => return Err(Fault::Refused("a terminal's MAC key deciphers no PINs")),
        },
    };
    let to = module.find(&request.to)?;
    pin::translate(module, (&from, request.from_format), (&to, request.to_format), &request.block, &request.pan)
}
