//! `hsmd check-vectors`: known answers, run on any module through the same functions as the verbs.
//!
//! A vector's keys are imported as session objects, so nothing is left on the token. A group whose computation this
//! crate does not offer is absent from the result.
mod chips;
mod codes;
mod dukpt;
mod exchange;
mod macs;
mod pins;
mod scripts;

use std::collections::BTreeMap;

use codecs::value::{Pan, PinBlock};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::des_key::left_twice;
use crate::hex::unhex;
use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module};
use crate::verbs::mac::DesPair;
use crate::verbs::pin_block::Pin;

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

/// Runs every group that is computed here. `failed` is called with group, number and reason of each vector that fails.
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
            match check(module, &Vector { own: item, shared: vectors }) {
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
        "pinblock_iso0" => pins::format_0,
        "pinblock_iso3" => pins::format_3,
        "pinblock_iso4" => pins::format_4,
        "visa_pvv" => pins::visa_pvv,
        "ibm3624" => pins::ibm_3624,
        "cvv" => codes::card_codes,
        "dcvv" => codes::dynamic_code,
        "emv_cvn10" | "emv_cvn17" | "emv_cvn18" | "emv_cvn22" | "emv_cvn43" => chips::visa,
        "emv_mc_cvn16" | "emv_mc_cvn17" | "emv_mc_cvn20" | "emv_mc_cvn21" => chips::m_chip,
        "limited_use_key" => chips::limited_use_key,
        "limited_use_cryptogram" => chips::limited_use_cryptogram,
        "icc_mk" => chips::card_master_key,
        // a file of EMV vectors that share their master key and data
        "vectors" => chips::by_session,
        "data_builders" => chips::covered_data,
        "retail_mac_x919" => macs::retail_mac,
        "aes_cmac" => macs::aes_cmac,
        "pan_index_hmac_sha256" => macs::pan_index,
        "hmac_sha256" => macs::hmac,
        "pan_aes_gcm" => macs::pan_envelope,
        "aes_key_wrap" => macs::key_wrap,
        "issuer_script_visa" => scripts::visa_mac,
        "issuer_script" => scripts::issuer_script,
        "tr31" => exchange::tr31,
        "dukpt_published" => dukpt::either,
        "dukpt_tdes" => dukpt::tdes,
        "dukpt_aes" => dukpt::aes,
        "kcv" => macs::check_values,
        _ => return None,
    })
}

/// One vector: named texts, most of them hex. A value that it does not name is looked up at the top of the file.
struct Vector<'a> {
    own: &'a Value,
    shared: &'a Map<String, Value>,
}

impl<'a> Vector<'a> {
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.own.get(name).or_else(|| self.shared.get(name))
    }

    fn text(&self, name: &'static str) -> Result<&'a str, Failure> {
        self.value(name).and_then(Value::as_str).ok_or(Failure::Field(name))
    }

    fn number<N: TryFrom<u64>>(&self, name: &'static str) -> Result<N, Failure> {
        let value = self.value(name).ok_or(Failure::Field(name))?;
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok()).ok_or(Failure::Field(name))?;
        N::try_from(number).map_err(|_| Failure::Field(name))
    }

    fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
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
        self.number("psn")
    }

    fn pin(&self) -> Result<Pin, Failure> {
        let values: Vec<u8> = self.text("pin")?.bytes().map(|digit| digit.wrapping_sub(b'0')).collect();
        Pin::new(&values).ok_or(Failure::Field("pin"))
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

#[cfg(test)]
mod tests;
