//! Issuer scripts.
use hsm::{KeySet, ScriptData, ScriptOrder, ScriptOutcome};

use super::{Failure, Outcome, Vector};
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::script::{CommandData, ScriptMasterKeys, command};

/// The MAC of a Visa command, whose keys can be made only outside the module.
pub(super) fn visa_mac<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let [cla, ins, p1, p2, _] = vector.fixed("command")?;
    let expected = [vector.bytes("command")?, vector.bytes("mac")?].concat();
    // version 10; 18 makes the same keys for PANs of up to sixteen digits
    let order = order(vector, vec![6, 1, 0x0A, 3, 0, 0, 0], [cla, ins, p1, p2])?;
    both_ways(module, vector, &order, &CommandData::Open(&[]), &expected, false)
}

/// A whole command: open data, enciphered data, or a new PIN.
pub(super) fn issuer_script<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let order = order(vector, vector.bytes("iad_9f10")?, vector.fixed("header")?)?;
    let data = if vector.has("data") { vector.bytes("data")? } else { Vec::new() };
    let pin = if vector.has("pin") { Some(vector.pin()?) } else { None };
    let body = match (&pin, vector.text("carries")?) {
        (Some(pin), "pin") => CommandData::NewPin(pin),
        (_, "enciphered") => CommandData::Enciphered(&data),
        (_, "open") => CommandData::Open(&data),
        _ => return Err(Failure::Field("carries")),
    };
    let inside = vector.text("keys")? == "inside";
    both_ways(module, vector, &order, &body, &vector.bytes("command")?, inside)
}

/// The script of a fast key set, and that of a strict one: the same, or a refusal because it is not possible.
fn both_ways<M: Module>(
    module: &M,
    vector: &Vector<'_>,
    order: &ScriptOrder,
    body: &CommandData<'_>,
    expected: &[u8],
    inside: bool,
) -> Outcome {
    let made = |integrity, confidentiality, cryptograms| -> Result<ScriptOutcome, Failure> {
        let key = |name, kind| match vector.has(name) {
            true => vector.key(module, name, kind).map(Some),
            false => Ok(None),
        };
        let masters = ScriptMasterKeys {
            integrity: vector.key(module, "imk_smi", integrity)?,
            confidentiality: key("imk_smc", confidentiality)?,
            cryptograms: key("imk_ac", cryptograms)?,
        };
        Ok(command(module, &masters, order, body)?)
    };
    let right = ScriptOutcome::Made(expected.to_vec());
    if made(KeyKind::ImkAcFast, KeyKind::ImkAcFast, KeyKind::ImkAcFast)? != right {
        return Err(Failure::Differs("command"));
    }
    let strict = made(KeyKind::ImkSmi, KeyKind::ImkSmc, KeyKind::ImkAc)?;
    match (strict, inside) {
        (outcome, true) if outcome == right => Ok(()),
        (ScriptOutcome::NotPossibleHere, false) => Ok(()),
        _ => Err(Failure::Differs("verdict on a key set whose keys stay inside")),
    }
}

fn order(vector: &Vector<'_>, iad: Vec<u8>, header: [u8; 4]) -> Result<ScriptOrder, Failure> {
    Ok(ScriptOrder {
        presented: vector.pan()?,
        keys: KeySet::new("vector").map_err(|_| Failure::Field("keys"))?,
        psn: vector.psn()?,
        cryptogram: vector.fixed("arqc")?,
        atc: vector.fixed("atc")?,
        iad,
        header,
        data: ScriptData::Open(Vec::new()),
    })
}
