//! `hsmd load`: a key put together from the components of two or three custodians.
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::KeyName;
use crate::ceremony::{CeremonyError, Line};
use crate::ceremony_record::Record;
use crate::config::Config;
use crate::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module};
use crate::token::Token;
use crate::verbs::issue::{left_twice, odd_parity};
use crate::verbs::{kcv, unhex};

/// A component as its custodian brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFile {
    pub custodian: String,
    /// Hex, one line.
    pub path: PathBuf,
}

/// DES keys with which enciphering twice, or in pairs, gives back the clear text (FIPS 74): four weak, twelve semi-weak.
const WEAK_DES: [u64; 16] = [
    0x0101_0101_0101_0101,
    0xFEFE_FEFE_FEFE_FEFE,
    0xE0E0_E0E0_F1F1_F1F1,
    0x1F1F_1F1F_0E0E_0E0E,
    0x011F_011F_010E_010E,
    0x1F01_1F01_0E01_0E01,
    0x01E0_01E0_01F1_01F1,
    0xE001_E001_F101_F101,
    0x01FE_01FE_01FE_01FE,
    0xFE01_FE01_FE01_FE01,
    0x1FE0_1FE0_0EF1_0EF1,
    0xE01F_E01F_F10E_F10E,
    0x1FFE_1FFE_0EFE_0EFE,
    0xFE1F_FE1F_FE0E_FE0E,
    0xE0FE_E0FE_F1FE_F1FE,
    0xFEE0_FEE0_FEF1_FEF1,
];

/// Puts a key together and stores it under `name`, if its check value is `expected` (where that is known). Answers the check
/// values of the components and of the key.
pub fn load(
    config: &Config,
    name: &str,
    components: &[ComponentFile],
    expected: Option<&str>,
    now: jiff::Timestamp,
) -> Result<Vec<Line>, CeremonyError> {
    let name = KeyName::new(name).map_err(|_| Fault::Request("name of a key"))?;
    let kind = kind_of(config, &name)?;
    let parts = read_all(components, kind)?;
    let mut record = Record::open(&config.keys_dir)?;
    let mut token = Token::open(&config.token.library()?, &config.token)?;
    let outcome = store(&mut token, &mut record, &name, kind, (components, &parts), expected, now);
    token.close();
    outcome
}

fn kind_of(config: &Config, name: &KeyName) -> Result<KeyKind, Fault> {
    let zone = config.ceremony.zone.iter().find(|zone| Ok(name) == KeyName::zone_pin(&zone.name).as_ref());
    let is_aes = zone.is_some_and(|zone| zone.cipher.kind() == KeyKind::PinAes);
    let kind = KeyKind::of(name, is_aes).ok_or(Fault::Request("the name says no role that a key can have"))?;
    if matches!(kind, KeyKind::CvkLeft) {
        return Err(Fault::Request("companions are made with their key"));
    }
    Ok(match kind {
        KeyKind::ImkAc if config.token.fast_card_keys.iter().any(|set| name.is_of(set)) => KeyKind::ImkAcFast,
        kind => kind,
    })
}

type Parts = Vec<Zeroizing<Vec<u8>>>;

fn read_all(components: &[ComponentFile], kind: KeyKind) -> Result<Parts, CeremonyError> {
    if !(2..=3).contains(&components.len()) {
        return Err(Fault::Request("two or three components").into());
    }
    let mut parts = Parts::new();
    for (number, component) in components.iter().enumerate() {
        let part = read(component, kind)?;
        for (other, earlier) in components.iter().zip(&parts).take(number) {
            if other.custodian == component.custodian {
                let why = "a custodian brings one component only";
                return Err(CeremonyError::Component(component.custodian.clone(), why));
            }
            if *earlier == part {
                return Err(CeremonyError::SameComponent(other.custodian.clone(), component.custodian.clone()));
            }
        }
        parts.push(part);
    }
    Ok(parts)
}

fn read(component: &ComponentFile, kind: KeyKind) -> Result<Zeroizing<Vec<u8>>, CeremonyError> {
    let refuse = |why| CeremonyError::Component(component.custodian.clone(), why);
    let fail = |error| CeremonyError::File(component.path.clone(), error);
    let text = Zeroizing::new(std::fs::read_to_string(&component.path).map_err(fail)?);
    let bytes = Zeroizing::new(unhex(text.trim()).ok_or_else(|| refuse("not hex"))?);
    if bytes.len() != kind.length() {
        return Err(refuse("not as long as the key"));
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(refuse("all zeros: the others would know the key"));
    }
    if kind.material() == Material::Des2 && !has_odd_parity(&bytes) {
        return Err(refuse("a DES component has odd parity; this one was mistyped"));
    }
    Ok(bytes)
}

fn has_odd_parity(key: &[u8]) -> bool {
    key.iter().all(|byte| byte.count_ones() % 2 == 1)
}

/// The XOR of the components; a DES key gets its parity back, which an even number of components turns.
pub(crate) fn combine(parts: &Parts, kind: KeyKind) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut key = Zeroizing::new(vec![0; kind.length()]);
    for part in parts {
        key.iter_mut().zip(part.iter()).for_each(|(byte, other)| *byte ^= other);
    }
    if kind.material() == Material::Des2 {
        odd_parity(&mut key);
        if key[..8] == key[8..] {
            return Err(Fault::Refused("the halves are equal: that is single DES"));
        }
        if key.chunks_exact(8).any(is_weak) {
            return Err(Fault::Refused("a half is a weak DES key"));
        }
    } else if key.iter().all(|byte| *byte == key[0]) {
        return Err(Fault::Refused("a key of one repeated byte"));
    }
    Ok(key)
}

fn is_weak(half: &[u8]) -> bool {
    half.try_into().is_ok_and(|half| WEAK_DES.contains(&u64::from_be_bytes(half)))
}

fn store(
    token: &mut Token,
    record: &mut Record,
    name: &KeyName,
    kind: KeyKind,
    (components, parts): (&[ComponentFile], &Parts),
    expected: Option<&str>,
    now: jiff::Timestamp,
) -> Result<Vec<Line>, CeremonyError> {
    if token.find(name).is_ok() {
        return Err(Fault::Refused("the token holds a key of this name; it is never replaced").into());
    }
    let key = combine(parts, kind)?;
    let whole = kcv::of_clear_key(token, kind, &key)?;
    if expected.is_some_and(|expected| !expected.eq_ignore_ascii_case(&whole)) {
        return Err(Fault::Refused("the check value is another: a component was mistyped").into());
    }
    let mut lines = Vec::new();
    for (component, part) in components.iter().zip(parts) {
        let value = kcv::of_clear_key(token, kind, part)?;
        record.append(now, &format!("component of {name}"), &component.custodian, &value)?;
        lines.push(Line { key: format!("{name} by {}", component.custodian), check_value: Some(value) });
    }
    if kind == KeyKind::Cvk {
        token.remove_static(&name.left())?;
        token.import_static(&name.left(), KeyKind::CvkLeft, &left_twice(&key))?;
    }
    token.import_static(name, kind, &key)?;
    record.append(now, "combined from components", name.as_str(), &whole)?;
    lines.push(Line { key: name.to_string(), check_value: Some(whole) });
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(parts: &[&[u8]]) -> Parts {
        parts.iter().map(|part| Zeroizing::new(part.to_vec())).collect()
    }

    #[test]
    fn weak_and_single_des_keys_are_refused() {
        let part = [0x31; 16];
        let other_half = |left: u64, right: u64| {
            let whole = [left.to_be_bytes(), right.to_be_bytes()].concat();
            let masked: Vec<u8> = whole.iter().zip(part).map(|(byte, mask)| byte ^ mask).collect();
            combine(&parts(&[&part, &masked]), KeyKind::PinDes)
        };
        assert!(other_half(0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210).is_ok());
        assert!(matches!(other_half(0x0123_4567_89AB_CDEF, 0x0123_4567_89AB_CDEF), Err(Fault::Refused(_))));
        for weak in WEAK_DES {
            assert!(matches!(other_half(weak, 0xFEDC_BA98_7654_3210), Err(Fault::Refused(_))), "{weak:x}");
        }
        assert!(matches!(combine(&parts(&[&[7; 32], &[9; 32]]), KeyKind::Vault), Err(Fault::Refused(_))));
    }

    #[test]
    fn three_components_make_the_key_that_xor_says() {
        let key = combine(&parts(&[&[0x10; 32], &[0x20; 32], &(0..32).collect::<Vec<u8>>()]), KeyKind::Vault).unwrap();
        assert_eq!(key[..4], [0x30, 0x31, 0x32, 0x33]);
    }
}
