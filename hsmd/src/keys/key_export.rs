//! `hsmd export-tr31` and `hsmd export-wrapped`: exports a key to a partner. The module exports only keys that were made for
//! export.
use hsm::KeyName;

use crate::config::Config;
use crate::hex::hex;
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_store::{self, KeyStore};
use crate::module::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module, generation};
use crate::token::{TokenKey, WrapForm};
use crate::verbs::exchangeable::{ExchangeableKey, may_be_wrapped_under};
use crate::verbs::tr31_text::Header;
use crate::verbs::{kcv, tr31};

/// An order to export a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOrder {
    pub name: String,
    /// The current one, if absent.
    pub generation: Option<u8>,
    /// `kbpk/…` or `kek/…`.
    pub under: String,
    /// The key can never be exported again after this.
    pub is_last: bool,
}

/// Header fields of a TR-31 block that the operator chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderChoices {
    /// Two letters or digits that number the keys of this use; `00` if they are not numbered.
    pub key_version: [u8; 2],
    pub exportability: Exportability,
}

/// Whether the partner may pass the key on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exportability {
    Never,
    UnderATrustedKey,
    AsAgreed,
}

/// An exported key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedKey {
    /// The TR-31 block, or the key wrap in hex.
    pub text: String,
    pub check_value: Option<String>,
}

/// A TR-31 block under a protection key. The key is in this process's memory, wiped afterwards, while the block is made.
pub fn tr31(
    config: &Config,
    export: &ExportOrder,
    choices: HeaderChoices,
    now: jiff::Timestamp,
) -> Result<ExportedKey, KeyActError> {
    key_store::run_act(config, now, |keys| {
        let (label, kind, key) = exportable_key(keys, export)?;
        let (kbpk, _) = generation::current(&keys.token, &named(&export.under)?)?;
        let version = tr31::version_under(&keys.token, &kbpk)?;
        let clear = keys.token.expose(&key)?;
        may_be_wrapped_under(version, keys.token.length(&kbpk)?, kind.material(), clear.len())
            .map_err(|_| Fault::Refused("a key does not travel under a weaker one"))?;
        let (usage, algorithm, mode) =
            ExchangeableKey::of(&label.split_generation().0, kind).ok_or(NOT_EXCHANGEABLE)?.written();
        let header = Header {
            version,
            usage,
            algorithm,
            mode,
            key_version: choices.key_version,
            exportability: choices.exportability.letter(),
            blocks: Vec::new(),
        };
        let text = tr31::make(&keys.token, &kbpk, &header, &clear)?;
        let values = kcv::both_of_clear_key(&keys.token, kind, &clear)?;
        let value = values.cmac.unwrap_or(values.zeros);
        record_export(keys, export, &label, "exported as TR-31", &value)?;
        Ok(ExportedKey { text, check_value: Some(value) })
    })
}

/// An AES key wrap (RFC 3394, or RFC 5649 with padding) made by the module: the key is never in this process's memory.
pub fn wrapped(
    config: &Config,
    export: &ExportOrder,
    is_padded: bool,
    now: jiff::Timestamp,
) -> Result<ExportedKey, KeyActError> {
    key_store::run_act(config, now, |keys| {
        let (label, kind, key) = exportable_key(keys, export)?;
        let (kek, _) = generation::current(&keys.token, &named(&export.under)?)?;
        if keys.token.kind(&kek) != KeyKind::Kek {
            return Err(Fault::Refused("the named key wraps no keys").into());
        }
        let form = if is_padded { WrapForm::Padded } else { WrapForm::Plain };
        let wrap = keys.token.wrap_out(&kek, &key, form)?;
        // a wrap is eight bytes longer than the key, whose length the module may not report
        if matches!(kind.material(), Material::Aes(_)) && wrap.len() > 8 + keys.token.length(&kek)? {
            return Err(Fault::Refused("a key does not travel under a weaker one").into());
        }
        record_export(keys, export, &label, "exported as a key wrap", "")?;
        Ok(ExportedKey { text: hex(&wrap), check_value: None })
    })
}

const NOT_EXCHANGEABLE: Fault = Fault::Refused("keys of this role are made here and travel nowhere");

fn named(text: &str) -> Result<KeyName, Fault> {
    KeyName::new(text).map_err(|_| Fault::Request("name of a key"))
}

fn exportable_key(keys: &KeyStore<'_>, export: &ExportOrder) -> Result<(KeyName, KeyKind, TokenKey), Fault> {
    let name = named(&export.name)?;
    let label = match export.generation {
        Some(number) => name.numbered(number),
        None => generation::current_label(&keys.token, &name),
    };
    let key = keys.token.find(&label)?;
    let kind = keys.token.kind(&key);
    if ExchangeableKey::of(&name, kind).is_none() {
        return Err(NOT_EXCHANGEABLE);
    }
    if !keys.token.is_for_export(&key)? {
        return Err(Fault::Refused("the key was not made for export"));
    }
    Ok((label, kind, key))
}

/// Records the export, with the name of the key that encrypts it.
fn record_export(
    keys: &mut KeyStore<'_>,
    export: &ExportOrder,
    label: &KeyName,
    act: &str,
    value: &str,
) -> Result<(), KeyActError> {
    if export.is_last {
        keys.token.make_unextractable(label)?;
    }
    let last = if export.is_last { ", for the last time" } else { "" };
    keys.record.append(keys.now, &format!("{act} under {}{last}", export.under), label.as_str(), value)?;
    Ok(())
}

impl Exportability {
    fn letter(self) -> u8 {
        match self {
            Self::Never => b'N',
            Self::UnderATrustedKey => b'E',
            Self::AsAgreed => b'S',
        }
    }
}
