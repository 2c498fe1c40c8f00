//! Application cryptograms and their answers, and the keys they are made under.
use std::collections::BTreeMap;

use hsm::{ChipCheck, ChipOutcome, CryptogramData, KeySet};

use super::{Failure, Outcome, Vector, same};
use crate::hex::unhex;
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::emv::{self, Derivation, Version};
use crate::verbs::mac::{self, DesPair};

/// Visa's versions: the vector's issuer application data names which.
pub(super) fn visa<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let imk = vector.key(module, "imk_ac", KeyKind::ImkAc)?;
    let pan = vector.pan()?;
    let request = request(vector, vector.bytes("iad_9f10")?)?;
    let approval = judged(module, &imk, vector, &request)?;
    match vector.text("prop_auth_data") {
        Ok(proprietary) if !proprietary.is_empty() => {
            let keys = emv::session_keys(module, &imk, &pan, request.psn, request.data.atc)?;
            let proprietary = unhex(proprietary).ok_or(Failure::Field("prop_auth_data"))?;
            let arpc = emv::arpc_method_2(module, &keys, &request.cryptogram, &request.approve_csu, &proprietary)?;
            same("arpc", arpc, vector.bytes("arpc")?)
        }
        Ok(_) => same("arpc", approval, [vector.bytes("arpc")?, vector.bytes("csu")?].concat()),
        // a phone has left the field by then: no issuer authentication is sent to it
        Err(_) if !vector.has("arpc") => same("approval", approval, []),
        Err(_) => {
            let keys = emv::card_keys(module, &imk, &pan, request.psn)?;
            let code = vector.fixed("arpc_rc")?;
            same("arpc", emv::arpc_method_1(module, &keys.full, &request.cryptogram, code)?, vector.bytes("arpc")?)
        }
    }
}

/// M/Chip: the vector's group names the version by its decimal number. Approvals carry response code 0010 here; a vector
/// with another code is checked under the same key.
pub(super) fn m_chip<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let imk = vector.key(module, "imk_ac", KeyKind::ImkAc)?;
    let version: u8 = if vector.has("cvn") { vector.number("cvn")? } else { 16 };
    let counters = if vector.has("counters") { vector.bytes("counters")? } else { vec![0xFF; 8] };
    let iad = [&[0, version][..], &vector.bytes("cvr")?, &[0, 0], &counters].concat();
    let request = request(vector, iad)?;
    let approval = judged(module, &imk, vector, &request)?;
    let code: [u8; 2] = vector.fixed("arpc_rc")?;
    same("arpc", approval, [vector.bytes("arpc")?, code.to_vec()].concat())
}

/// Tag 91 of the vector's cryptogram, after a wrong one has been found wrong.
fn judged<M: Module>(module: &M, imk: &M::Key, vector: &Vector<'_>, request: &ChipCheck) -> Result<Vec<u8>, Failure> {
    let pan = vector.pan()?;
    let mut wrong = request.clone();
    wrong.cryptogram[0] ^= 1;
    if emv::check(module, imk, &pan, &wrong)? != ChipOutcome::Wrong {
        return Err(Failure::Differs("verdict on a wrong cryptogram"));
    }
    match emv::check(module, imk, &pan, request)? {
        ChipOutcome::Ok { approval } => Ok(approval),
        ChipOutcome::Wrong | ChipOutcome::UnknownVersion(_) => Err(Failure::Differs("arqc")),
    }
}

fn request(vector: &Vector<'_>, iad: Vec<u8>) -> Result<ChipCheck, Failure> {
    Ok(ChipCheck {
        keys: KeySet::new("vector").map_err(|_| Failure::Field("keys"))?,
        psn: vector.psn()?,
        cryptogram: vector.fixed("arqc")?,
        data: cryptogram_data(vector, "tags", str::to_owned, iad)?,
        approve_csu: if vector.has("csu") { vector.fixed("csu")? } else { [0; 4] },
    })
}

const TAGS: [(u32, &str); 10] = [
    (0x9F02, "9f02"),
    (0x9F03, "9f03"),
    (0x9F1A, "9f1a"),
    (0x95, "95"),
    (0x5F2A, "5f2a"),
    (0x9A, "9a"),
    (0x9C, "9c"),
    (0x9F37, "9f37"),
    (0x82, "82"),
    (0x9F36, "9f36"),
];

/// Collects tags from an object whose names are `tag_9f02` or `9F02`.
fn cryptogram_data(
    vector: &Vector<'_>,
    object: &'static str,
    spelled: impl Fn(&str) -> String,
    iad: Vec<u8>,
) -> Result<CryptogramData, Failure> {
    let held = vector.value(object).ok_or(Failure::Field(object))?;
    let mut tags: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for (tag, name) in TAGS {
        let value = held.get(format!("tag_{name}")).or_else(|| held.get(spelled(name)));
        tags.insert(tag, value.and_then(|v| v.as_str()).and_then(unhex).ok_or(Failure::Field(object))?);
    }
    tags.insert(0x9F10, iad);
    CryptogramData::from_tags(|tag| tags.get(&tag).map(Vec::as_slice)).map_err(|_| Failure::Field(object))
}

pub(super) fn card_master_key<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let imk = vector.key(module, "imk", KeyKind::ImkAc)?;
    let (pan, psn) = (vector.pan()?, vector.psn()?);
    for (derivation, name) in [(Derivation::A, "option_a"), (Derivation::B, "option_b")] {
        let key = module.derive_exposed(&imk, &emv::card_key_data(&pan, psn, derivation))?;
        same(name, *key, vector.bytes(name)?)?;
    }
    let card = module.derive(&imk, &emv::card_key_data(&pan, psn, Derivation::A))?;
    let [high, low] = vector.fixed("atc")?;
    let session = module.derive_exposed(&card, &emv::session_key_data(&[high, low, 0, 0, 0, 0, 0, 0]))?;
    same("emv_common_sk", *session, vector.bytes("emv_common_sk")?)
}

/// A cloud token's limited-use key from the card's key.
pub(super) fn limited_use_key<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let card = vector.key(module, "udk", KeyKind::ImkAc)?;
    let key = module.derive_exposed(&card, &emv::limited_use_key_data(vector.fixed("index")?))?;
    let mut expected = vector.bytes("luk")?;
    crate::des_key::odd_parity(&mut expected);
    same("luk", *key, expected)
}

/// A cloud token's cryptogram over data that the vector gives whole.
pub(super) fn limited_use_cryptogram<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let keys = vector.pair(module, "luk")?;
    let data = [vector.bytes("terminal_data")?, vector.bytes("icc_data")?].concat();
    same("cryptogram", mac::algorithm_3(module, &keys, &mac::pad_bit(&data))?, vector.bytes("cryptogram")?)
}

/// A cryptogram or an ARPC under the session key of a named method.
pub(super) fn by_session<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let imk = vector.key(module, "imk_ac", KeyKind::ImkAc)?;
    let derivation =
        if vector.text("mk_option").is_ok_and(|option| option == "B") { Derivation::B } else { Derivation::A };
    let card_data = emv::card_key_data(&vector.pan()?, vector.psn()?, derivation);
    if vector.has("icc_mk") {
        same("icc_mk", *module.derive_exposed(&imk, &card_data)?, vector.bytes("icc_mk")?)?;
    }
    let card = module.derive(&imk, &card_data)?;
    let keys = session(module, &imk, &card, vector)?;
    let computed = match (vector.text("kind")?, vector.text("padding")) {
        ("cryptogram", Ok("P00")) => {
            mac::algorithm_3(module, &keys, &mac::pad_zeros(&vector.bytes("input")?))?.to_vec()
        }
        ("cryptogram", Ok("P80")) => mac::algorithm_3(module, &keys, &mac::pad_bit(&vector.bytes("input")?))?.to_vec(),
        ("arpc", _) => {
            let key = if vector.text("key_used")? == "icc_mk" { &card } else { &keys.full };
            match vector.number("method")? {
                1 => emv::arpc_method_1(module, key, &vector.fixed("arqc")?, vector.fixed("arc")?)?.to_vec(),
                2_u64 => {
                    emv::arpc_method_2(module, &keys, &vector.fixed("arqc")?, &vector.fixed("csu")?, &[])?.to_vec()
                }
                _ => return Err(Failure::Field("method")),
            }
        }
        _ => return Err(Failure::Field("kind")),
    };
    same("result", computed, vector.bytes("result")?)
}

fn session<M: Module>(
    module: &M,
    imk: &M::Key,
    card: &M::Key,
    vector: &Vector<'_>,
) -> Result<DesPair<M::Key>, Failure> {
    let part = |wanted: &str| {
        let parts = vector.value("input_parts").and_then(|parts| parts.as_array())?;
        let found = parts.iter().find(|part| part[0].as_str() == Some(wanted))?;
        unhex(found[1].as_str()?)
    };
    let (Some(atc), Some(unpredictable)) = (part("9F36"), part("9F37")) else {
        return Err(Failure::Field("input_parts"));
    };
    let mut value = [0; 8];
    value[..2].copy_from_slice(&atc);
    match vector.text("session")? {
        "VSDC" => return Ok(emv::card_keys(module, imk, &vector.pan()?, vector.psn()?)?),
        "MCHIP" => value[4..].copy_from_slice(&unpredictable),
        "CSKD" => {}
        _ => return Err(Failure::Field("session")),
    }
    if vector.has("sk") {
        same("sk", *module.derive_exposed(card, &emv::session_key_data(&value))?, vector.bytes("sk")?)?;
    }
    Ok(emv::diversified(module, card, &value)?)
}

/// The data that a cryptogram of a version covers, with its padding.
pub(super) fn covered_data<M: Module>(_: &M, vector: &Vector<'_>) -> Outcome {
    let iad = vector.bytes("iad")?;
    let version = Version::of(&iad).map_err(|_| Failure::Differs("version"))?;
    let data = cryptogram_data(vector, "data", str::to_uppercase, iad)?;
    same("padded", version.covered(&data), vector.bytes("padded")?)
}
