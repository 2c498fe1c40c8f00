//! The host's compound verb.
use hsm::{
    CardCheck, CardVerdict, ChipOutcome, CodeCheck, CodeOutcome, CodeRead, KeyName, PinCheck, PinFormat, PinOutcome,
};

use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module, generation};
use crate::verbs::mac::DesPair;
use crate::verbs::{cvv, emv, pin, vault};

/// Checks the code, then the cryptogram, then the PIN; the PIN only if the others show that the card is genuine.
pub(crate) fn check<M: Module>(module: &M, request: &CardCheck) -> Result<CardVerdict, Fault> {
    let code = match &request.code {
        Some(code) => Some(cvv::check(module, &code_keys(module, request, code)?, &request.presented, code)?),
        None => None,
    };
    let chip = match &request.chip {
        Some(chip) => {
            let imk = module.find(&KeyName::role("imk-ac", &chip.keys))?;
            Some(emv::check(module, &imk, &request.presented, chip)?)
        }
        None => None,
    };
    let genuine = matches!(code, None | Some(CodeOutcome::Ok)) && matches!(chip, None | Some(ChipOutcome::Ok { .. }));
    let pin = match &request.pin {
        Some(pin) if genuine => Some(check_pin(module, request, pin)?),
        _ => None,
    };
    Ok(CardVerdict { code, pin, chip })
}

fn code_keys<M: Module>(module: &M, request: &CardCheck, code: &CodeCheck) -> Result<DesPair<M::Key>, Fault> {
    if let CodeRead::Dynamic(read) = code.read {
        let imk = module.find(&KeyName::role("imk-dcvv", &request.issuer_keys))?;
        return emv::card_keys(module, &imk, &request.presented, read.psn);
    }
    let name = KeyName::role("cvk", &request.issuer_keys);
    Ok(DesPair { full: module.find(&name)?, left: module.find(&name.left())? })
}

/// The PIN block binds to the PAN that the terminal saw, the reference value to the FPAN.
fn check_pin<M: Module>(module: &M, request: &CardCheck, check: &PinCheck) -> Result<PinOutcome, Fault> {
    let zone_keys = generation::accepted(module, &check.zone_key)?;
    let is_aes = zone_keys.first().is_some_and(|key| module.kind(key) == KeyKind::PinAes);
    let format = if is_aes { PinFormat::Iso4 } else { PinFormat::Iso0 };
    let Some(entered) = pin::decipher_any(module, &zone_keys, format, &check.block, &request.presented)? else {
        return Ok(PinOutcome::FormatError);
    };
    let Some(funding) = vault::funding(module, &request.presented, request.funding.as_ref())? else {
        return Ok(PinOutcome::EnvelopeMismatch);
    };
    let pvk = module.find(&KeyName::role("pvk", &request.issuer_keys))?;
    let right = pin::verify(module, &pvk, &funding, &check.reference, &entered)?;
    Ok(if right { PinOutcome::Ok } else { PinOutcome::Wrong })
}
