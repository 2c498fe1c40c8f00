//! Known answers, run through the same functions that the verbs are made of, on any module.
//!
//! A vector's keys are imported as session objects, so nothing is left on the token. A group whose computation this
//! crate does not offer is absent from the result.
use std::collections::BTreeMap;

use codecs::value::{Pan, PinBlock};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::card::{ChipCheck, ChipOutcome, CodeRead, CryptogramData};
use crate::edge::{PinFormat, TranslationOutcome};
use crate::key_kind::KeyKind;
use crate::module::{Fault, Module};
use crate::name::KeySet;
use crate::verbs::emv::{self, Derivation};
use crate::verbs::issue::left_twice;
use crate::verbs::mac::{self, DesPair};
use crate::verbs::{cvv, hex, kcv, pin, unhex};

/// How many vectors of a group came out right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub passed: usize,
    pub of: usize,
}

/// Why a vector did not pass.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no usable {0}")]
    Field(&'static str),
    #[error("{0}")]
    Module(#[from] Fault),
    #[error("{0} differs")]
    Differs(&'static str),
}

type Outcome = Result<(), Failure>;

/// Runs every group that is computed here. `failed` is told group, number and reason of each vector that fails.
pub(crate) fn run<M: Module>(
    module: &M,
    vectors: &Map<String, Value>,
    mut failed: impl FnMut(&str, usize, String),
) -> BTreeMap<String, Tally> {
    let mut tallies = BTreeMap::new();
    for (group, items) in vectors {
        let (Some(check), Some(items)) = (check_of::<M>(group), items.as_array()) else { continue };
        let mut tally = Tally { passed: 0, of: items.len() };
        for (number, item) in items.iter().enumerate() {
            match check(module, &Vector(item)) {
                Ok(()) => tally.passed += 1,
                Err(failure) => failed(group, number, failure.to_string()),
            }
        }
        tallies.insert(group.clone(), tally);
    }
    tallies
}

fn check_of<M: Module>(group: &str) -> Option<fn(&M, &Vector<'_>) -> Outcome> {
    Some(match group {
        "pinblock_iso0" => pinblock_iso0,
        "pinblock_iso3" => pinblock_iso3,
        "pinblock_iso4" => pinblock_iso4,
        "visa_pvv" => visa_pvv,
        "cvv" => card_codes,
        "emv_cvn10" | "emv_cvn18" | "emv_cvn22" => cryptogram,
        "icc_mk" => card_master_key,
        "retail_mac_x919" => retail_mac,
        "aes_cmac" => aes_cmac,
        "pan_index_hmac_sha256" => pan_index,
        "pan_aes_gcm" => pan_envelope,
        "kcv" => check_values,
        _ => return None,
    })
}

/// One vector: named texts, most of them hex.
struct Vector<'a>(&'a Value);

impl<'a> Vector<'a> {
    fn text(&self, name: &'static str) -> Result<&'a str, Failure> {
        self.0[name].as_str().ok_or(Failure::Field(name))
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, Failure> {
        unhex(self.text(name)?).ok_or(Failure::Field(name))
    }

    fn fixed<const N: usize>(&self, name: &'static str) -> Result<[u8; N], Failure> {
        self.bytes(name)?.try_into().map_err(|_| Failure::Field(name))
    }

    fn digits<const N: usize>(&self, name: &'static str) -> Result<[u8; N], Failure> {
        self.text(name)?.as_bytes().try_into().map_err(|_| Failure::Field(name))
    }

    fn pan(&self) -> Result<Pan, Failure> {
        Pan::from_digits(self.text("pan")?.as_bytes()).map_err(|_| Failure::Field("pan"))
    }

    fn psn(&self) -> Result<u8, Failure> {
        self.text("psn")?.parse().map_err(|_| Failure::Field("psn"))
    }

    fn block(&self, name: &'static str) -> Result<PinBlock, Failure> {
        PinBlock::new(&self.bytes(name)?).ok_or(Failure::Field(name))
    }

    fn key<M: Module>(&self, module: &M, name: &'static str, kind: KeyKind) -> Result<M::Key, Failure> {
        Ok(module.import(kind, &self.bytes(name)?)?)
    }

    fn pair<M: Module>(&self, module: &M, name: &'static str) -> Result<DesPair<M::Key>, Failure> {
        let key = self.bytes(name)?;
        let left = key.get(..8).map(left_twice).ok_or(Failure::Field(name))?;
        Ok(DesPair { full: module.import(KeyKind::MacDes, &key)?, left: module.import(KeyKind::MacDesLeft, &left)? })
    }
}

fn same(what: &'static str, computed: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) -> Outcome {
    if computed.as_ref() == expected.as_ref() { Ok(()) } else { Err(Failure::Differs(what)) }
}

/// The PIN that a block holds, as text.
fn holds<M: Module>(module: &M, key: &M::Key, format: PinFormat, block: &PinBlock, vector: &Vector<'_>) -> Outcome {
    let found = pin::decipher(module, key, format, block, &vector.pan()?)?.ok_or(Failure::Differs("format"))?;
    let digits: Vec<u8> = found.values().iter().map(|d| b'0' + d).collect();
    same("pin", digits, vector.text("pin")?)
}

fn pinblock_iso0<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let from = vector.key(module, "zpk", KeyKind::PinDes)?;
    let to = vector.key(module, "zpk2", KeyKind::PinDes)?;
    let block = vector.block("encrypted")?;
    holds(module, &from, PinFormat::Iso0, &block, vector)?;
    same("zpk_kcv", kcv::of_des_key(module, &from)?, vector.text("zpk_kcv")?)?;
    match pin::translate(module, (&from, PinFormat::Iso0), (&to, PinFormat::Iso0), &block, &vector.pan()?)? {
        TranslationOutcome::Translated(block) => {
            same("translation", block.expose(), vector.bytes("translated_under_zpk2")?)
        }
        TranslationOutcome::FormatError => Err(Failure::Differs("translation")),
    }
}

fn pinblock_iso3<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "zpk", KeyKind::PinDes)?;
    holds(module, &key, PinFormat::Iso3, &vector.block("encrypted")?, vector)
}

/// Deciphers the block, and what is enciphered anew from its PIN: the fill is random, so only the PIN can be compared.
fn pinblock_iso4<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::PinAes)?;
    let block = vector.block("encrypted")?;
    holds(module, &key, PinFormat::Iso4, &block, vector)?;
    let format = (&key, PinFormat::Iso4);
    match pin::translate(module, format, format, &block, &vector.pan()?)? {
        TranslationOutcome::Translated(block) => holds(module, &key, PinFormat::Iso4, &block, vector),
        TranslationOutcome::FormatError => Err(Failure::Differs("translation")),
    }
}

fn visa_pvv<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "pvk", KeyKind::Pvk)?;
    let index = vector.text("pvki")?.parse().map_err(|_| Failure::Field("pvki"))?;
    let values: Vec<u8> = vector.text("pin")?.bytes().map(|d| d.wrapping_sub(b'0')).collect();
    let entered = crate::verbs::pin_block::Pin::new(&values).ok_or(Failure::Field("pin"))?;
    let pvv = pin::pvv(module, &key, &vector.pan()?, index, &entered)?;
    same("pvv", pvv.expose(), vector.text("pvv")?)
}

fn card_codes<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let keys = vector.pair(module, "cvk")?;
    let number = |text: &str| text.parse::<u8>().map_err(|_| Failure::Field("expiry_yymm"));
    let (year, month) = vector.text("expiry_yymm")?.split_at_checked(2).ok_or(Failure::Field("expiry_yymm"))?;
    let expiry = codecs::value::Expiry::new(number(year)?, number(month)?).ok_or(Failure::Field("expiry_yymm"))?;
    let pan = vector.pan()?;
    let stripe = CodeRead::Stripe { service_code: vector.digits("cvv1_service_code")? };
    for (read, name) in [(stripe, "cvv1"), (CodeRead::Chip, "icvv"), (CodeRead::Keyed, "cvv2")] {
        same(name, cvv::expected(module, &keys, &pan, expiry, read)?, vector.text(name)?)?;
    }
    Ok(())
}

fn cryptogram<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let imk = vector.key(module, "imk_ac", KeyKind::ImkAc)?;
    let pan = vector.pan()?;
    let request = ChipCheck {
        keys: KeySet::new("vector").map_err(|_| Failure::Field("keys"))?,
        psn: vector.psn()?,
        cryptogram: vector.fixed("arqc")?,
        data: cryptogram_data(vector)?,
        approve_csu: if vector.0["csu"].is_string() { vector.fixed("csu")? } else { [0; 4] },
    };
    let mut wrong = request.clone();
    wrong.cryptogram[0] ^= 1;
    if emv::check(module, &imk, &pan, &wrong)? != ChipOutcome::Wrong {
        return Err(Failure::Differs("verdict on a wrong cryptogram"));
    }
    let ChipOutcome::Ok { approval } = emv::check(module, &imk, &pan, &request)? else {
        return Err(Failure::Differs("arqc"));
    };
    match vector.text("prop_auth_data") {
        Ok(proprietary) if !proprietary.is_empty() => {
            let keys = emv::session_keys(module, &imk, &pan, request.psn, request.data.atc)?;
            let proprietary = unhex(proprietary).ok_or(Failure::Field("prop_auth_data"))?;
            let arpc = emv::arpc_method_2(module, &keys, &request.cryptogram, &request.approve_csu, &proprietary)?;
            same("arpc", arpc, vector.bytes("arpc")?)
        }
        Ok(_) => same("arpc", approval, [vector.bytes("arpc")?, vector.bytes("csu")?].concat()),
        Err(_) => {
            let keys = emv::card_keys(module, &imk, &pan, request.psn)?;
            let code = vector.fixed("arpc_rc")?;
            same("arpc", emv::arpc_method_1(module, &keys, &request.cryptogram, code)?, vector.bytes("arpc")?)
        }
    }
}

fn cryptogram_data(vector: &Vector<'_>) -> Result<CryptogramData, Failure> {
    let names: [(u32, &str); 10] = [
        (0x9F02, "tag_9f02"),
        (0x9F03, "tag_9f03"),
        (0x9F1A, "tag_9f1a"),
        (0x95, "tag_95"),
        (0x5F2A, "tag_5f2a"),
        (0x9A, "tag_9a"),
        (0x9C, "tag_9c"),
        (0x9F37, "tag_9f37"),
        (0x82, "tag_82"),
        (0x9F36, "tag_9f36"),
    ];
    let mut tags: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for (tag, name) in names {
        tags.insert(tag, vector.0["tags"][name].as_str().and_then(unhex).ok_or(Failure::Field("tags"))?);
    }
    tags.insert(0x9F10, vector.bytes("iad_9f10")?);
    CryptogramData::from_tags(|tag| tags.get(&tag).map(Vec::as_slice)).map_err(|_| Failure::Field("tags"))
}

fn card_master_key<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let imk = vector.key(module, "imk", KeyKind::ImkAc)?;
    let (pan, psn) = (vector.pan()?, vector.psn()?);
    for (derivation, name) in [(Derivation::A, "option_a"), (Derivation::B, "option_b")] {
        let key = module.derive_exposed(&imk, &emv::card_key_data(&pan, psn, derivation))?;
        same(name, *key, vector.bytes(name)?)?;
    }
    let card = module.derive(&imk, &emv::card_key_data(&pan, psn, Derivation::A))?;
    let session = module.derive_exposed(&card, &emv::session_key_data(vector.fixed("atc")?))?;
    same("emv_common_sk", *session, vector.bytes("emv_common_sk")?)
}

fn retail_mac<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let keys = vector.pair(module, "key")?;
    let data = vector.bytes("data")?;
    let padded = match vector.0["padding"].as_u64() {
        Some(1) => mac::pad_zeros(&data),
        Some(2) => mac::pad_bit(&data),
        _ => return Err(Failure::Field("padding")),
    };
    same("mac", mac::algorithm_3(module, &keys, &padded)?, vector.bytes("mac")?)
}

fn aes_cmac<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::MacCmac)?;
    same("mac", module.aes_cmac(&key, &vector.bytes("data")?)?, vector.bytes("mac")?)
}

fn pan_index<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::PanIndex)?;
    same("index", module.hmac_sha256(&key, vector.pan()?.expose())?, vector.bytes("index")?)
}

fn pan_envelope<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::Vault)?;
    let (nonce, aad) = (vector.fixed("iv")?, vector.bytes("aad")?);
    let pan = vector.pan()?;
    let mut sealed = module.seal(&key, &nonce, &aad, pan.expose())?;
    same("ciphertext", &sealed, vector.bytes("ciphertext_and_tag")?)?;
    let opened = module.open(&key, &nonce, &aad, &sealed)?.ok_or(Failure::Differs("tag"))?;
    same("pan", &*opened, pan.expose())?;
    sealed[0] ^= 1;
    match module.open(&key, &nonce, &aad, &sealed)? {
        None => Ok(()),
        Some(_) => Err(Failure::Differs("verdict on an altered envelope")),
    }
}

fn check_values<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    // triple-length keys occur among the vectors; this crate makes none
    let des = kcv::of_clear_key(module, KeyKind::PinDes, &vector.bytes("des_key")?)?;
    same("des_kcv", des, vector.text("des_kcv")?)?;
    let aes = vector.bytes("aes_key")?;
    same("aes_kcv_cmac", kcv::of_clear_key(module, KeyKind::MacCmac, &aes)?, vector.text("aes_kcv_cmac")?)?;
    let key = module.import(KeyKind::PinAes, &aes)?;
    same("aes_kcv_ecb_zero", hex(&module.aes_encrypt(&key, &[0; 16])?[..3]), vector.text("aes_kcv_ecb_zero")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::software::Software;

    /// Known answers made with psec, pyemv and cryptography, and DES keys and PANs drawn at random.
    const VECTORS: &str = include_str!("../vectors/known-answers.json");

    #[test]
    fn the_software_double_gives_the_known_answers() {
        let Ok(Value::Object(vectors)) = serde_json::from_str(VECTORS) else { panic!("vectors are an object") };
        let mut failures = Vec::new();
        let tallies =
            run(&Software::default(), &vectors, |group, number, why| failures.push(format!("{group} {number}: {why}")));
        assert_eq!(failures, Vec::<String>::new());
        assert_eq!(tallies.len(), 14, "every group of the file is computed");
        assert!(tallies.values().all(|tally| tally.of >= 8));
    }
}
