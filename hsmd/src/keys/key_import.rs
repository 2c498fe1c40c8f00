//! `hsmd import-tr31` and `hsmd import-wrapped`: imports a partner's key into the token.
use hsm::{CheckValues, KeyName};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::des_key::odd_parity;
use crate::hex::{hex, unhex};
use crate::keys::companions;
use crate::keys::key_act_error::{ImportRefused, KeyActError};
use crate::keys::key_outcome::KeyOutcome;
use crate::keys::key_store::{self, KeyStore};
use crate::keys::new_key::NewKey;
use crate::module::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module, generation};
use crate::token::TokenKey;
use crate::verbs::exchangeable::{ExchangeableKey, Unsuitable, may_be_wrapped_under};
use crate::verbs::kcv;
use crate::verbs::tr31::{OpenRefused, OpenedBlock, open_any};
use crate::weakness;

/// Imports a key from a TR-31 block under `under`, a `kbpk/…` of the token. The header has to suit the key's role. From the
/// opening of the block until the module has stored it, the key is in this process's memory, which is wiped afterwards.
pub fn tr31(
    config: &Config,
    order: &NewKey,
    under: &str,
    block: &str,
    now: jiff::Timestamp,
) -> Result<KeyOutcome, KeyActError> {
    let kbpk = KeyName::new(under).map_err(|_| Fault::Request("name of a protection key"))?;
    let (name, kind) = key_store::name_and_kind(config, &order.name, order.cipher)?;
    key_store::run_act(config, now, |keys| {
        let target = keys.new_generation(&name, order.next_in_s)?;
        let (protection, opened) = open_any(&keys.token, &kbpk, block.trim())?;
        let opened = opened.map_err(|why| match why {
            OpenRefused::Malformed(why) => ImportRefused::Malformed(why.to_string()),
            OpenRefused::NotAuthentic => ImportRefused::NotAuthentic,
            OpenRefused::Length => ImportRefused::Malformed("the length of the key".into()),
        })?;
        // if neither the name nor the order determines the cipher, the block does
        let cipher = order.cipher.or(cipher_of(opened.header.algorithm));
        let kind = key_store::name_and_kind(config, &order.name, cipher).map_or(kind, |(_, kind)| kind);
        let key = checked_key(keys, &name, kind, &protection, opened, order.for_export)?;
        let extraction = order.extraction(&name, kind)?;
        let value = order.checked(&kcv::both_of_clear_key(&keys.token, kind, &key)?)?;
        keys.import(&target, kind, &key, extraction)?;
        keys.publish(&target, extraction.wording("imported from TR-31", "imported from TR-31, for export"), &value)?;
        Ok(KeyOutcome { key: target.label().to_string(), check_value: Some(value) })
    })
}

fn cipher_of(algorithm: u8) -> Option<crate::module::key_kind::Cipher> {
    match algorithm {
        b'T' => Some(crate::module::key_kind::Cipher::Tdes),
        b'A' => Some(crate::module::key_kind::Cipher::Aes),
        _ => None,
    }
}

/// The key of a block, after its header, length and strength have been checked against the name.
fn checked_key(
    keys: &KeyStore<'_>,
    name: &KeyName,
    kind: KeyKind,
    protection: &TokenKey,
    opened: OpenedBlock,
    for_export: bool,
) -> Result<Zeroizing<Vec<u8>>, KeyActError> {
    let OpenedBlock { header, mut key } = opened;
    let row = ExchangeableKey::of(name, kind).ok_or(ImportRefused::from(Unsuitable::NotExchangeable))?;
    row.judge(&header).map_err(ImportRefused::from)?;
    if for_export && !matches!(header.exportability, b'E' | b'S') {
        return Err(ImportRefused::from(Unsuitable::NotExportable(char::from(header.exportability))).into());
    }
    fits(kind, key.len())?;
    may_be_wrapped_under(header.version, keys.token.length(protection)?, kind.material(), key.len())
        .map_err(ImportRefused::from)?;
    if kind.material() == Material::Des2 {
        // not every sender sets the parity bits, and they carry no information
        odd_parity(&mut key);
    }
    refuse_weak(kind, &key)?;
    Ok(key)
}

fn fits(kind: KeyKind, found: usize) -> Result<(), ImportRefused> {
    if kind.may_be_long(found) {
        return Ok(());
    }
    Err(Unsuitable::Length { expected: expected_length(kind), found }.into())
}

fn expected_length(kind: KeyKind) -> &'static str {
    match (kind, kind.material()) {
        (KeyKind::KbpkDes, _) => "double or triple length, 16 or 24 bytes",
        (_, Material::Des2) => "double length, 16 bytes",
        (_, Material::Aes(_) | Material::Secret) => "16, 24 or 32 bytes",
    }
}

fn refuse_weak(kind: KeyKind, key: &[u8]) -> Result<(), ImportRefused> {
    match weakness::of_key(kind.material(), key) {
        Some(why) => Err(Unsuitable::Weak(why).into()),
        None => Ok(()),
    }
}

/// Imports a key from an AES key wrap (RFC 3394 or 5649, in hex) under `under`, a `kek/…` of the token. The module unwraps the
/// key, which is never in this process's memory. So a weak key cannot be detected, and a key that needs a companion cannot be
/// imported this way.
pub fn wrapped(
    config: &Config,
    order: &NewKey,
    under: &str,
    wrap: &str,
    now: jiff::Timestamp,
) -> Result<KeyOutcome, KeyActError> {
    let kek = KeyName::new(under).map_err(|_| Fault::Request("name of a key encryption key"))?;
    let wrap = unhex(wrap.trim()).ok_or(Fault::Request("a key wrap in hex"))?;
    let (name, kind) = key_store::name_and_kind(config, &order.name, order.cipher)?;
    let extraction = order.extraction(&name, kind)?;
    if ExchangeableKey::of(&name, kind).is_none() {
        return Err(ImportRefused::from(Unsuitable::NotExchangeable).into());
    }
    if companions::are_needed(kind) {
        return Err(Fault::Refused("its companion is made of the key in clear: let it come as a TR-31 block").into());
    }
    key_store::run_act(config, now, |keys| {
        let target = keys.new_generation(&name, order.next_in_s)?;
        for kek in generation::accepted(&keys.token, &kek)? {
            let Some(length) = unwrapped_length(keys, &kek, &wrap)? else { continue };
            fits(kind, length)?;
            if matches!(kind.material(), Material::Aes(_)) && length > keys.token.length(&kek)? {
                let under = 8 * keys.token.length(&kek)?;
                return Err(ImportRefused::from(Unsuitable::Stronger { key: 8 * length, under }).into());
            }
            let value = order.checked(&check_values(keys, &kek, &wrap, kind)?)?;
            let label = target.label();
            keys.clear(&label)?;
            if !keys.token.unwrap_static(&label, (kind, length), (&kek, &wrap), extraction)? {
                continue;
            }
            keys.publish(
                &target,
                extraction.wording("unwrapped in the module", "unwrapped in the module, for export"),
                &value,
            )?;
            return Ok(KeyOutcome { key: label.to_string(), check_value: Some(value) });
        }
        Err(ImportRefused::NoWrap.into())
    })
}

/// How long the key in a wrap is; `None` if it is no wrap under this key.
fn unwrapped_length(keys: &KeyStore<'_>, kek: &TokenKey, wrap: &[u8]) -> Result<Option<usize>, Fault> {
    if keys.token.kind(kek) != KeyKind::Kek {
        return Err(Fault::Refused("the named key wraps no keys"));
    }
    keys.token.wrapped_length(kek, wrap)
}

/// The check values of a key that only the module sees: the wrap is unwrapped once more, as a temporary object that may
/// encrypt. A key whose length is no whole number of blocks has none.
fn check_values(keys: &KeyStore<'_>, kek: &TokenKey, wrap: &[u8], kind: KeyKind) -> Result<CheckValues, KeyActError> {
    let unwrapped = |kind| keys.token.unwrap_either(kek, wrap, kind)?.ok_or(Fault::Refused("no wrap"));
    let made = || match kind.material() {
        Material::Des2 => {
            Ok(CheckValues { zeros: kcv::of_des_key(&keys.token, &unwrapped(KeyKind::PinDes)?)?, cmac: None })
        }
        Material::Aes(_) | Material::Secret => {
            let zeros = hex(&keys.token.aes_encrypt(&unwrapped(KeyKind::PinAes)?, &[0; 16])?[..3]);
            let cmac = hex(&keys.token.aes_cmac(&unwrapped(KeyKind::MacCmac)?, &[0; 16])?[..3]);
            Ok(CheckValues { zeros, cmac: Some(cmac) })
        }
    };
    made().map_err(|fault| match fault {
        Fault::Refused(_) => {
            ImportRefused::from(Unsuitable::Length { expected: expected_length(kind), found: 0 }).into()
        }
        other => other.into(),
    })
}
