//! `hsmd export-tr31` and `hsmd export-wrapped`: a key that was made for export goes to a partner. The module lets no other
//! key go.
use hsm::KeyName;

use crate::config::Config;
use crate::hex::hex;
use crate::keys::ceremony_error::CeremonyError;
use crate::keys::keyroom::{self, Keyroom};
use crate::module::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module, generation};
use crate::token::{Object, WrapForm};
use crate::verbs::tr31_text::Header;
use crate::verbs::travel::{Travels, may_be_under};
use crate::verbs::{kcv, tr31};

/// What is to go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub name: String,
    /// The one that makes things now, without it.
    pub generation: Option<u8>,
    /// `kbpk/…` or `kek/…`.
    pub under: String,
    /// Nobody can export it again: the module keeps it for good from then on.
    pub is_last: bool,
}

/// What the partner may read on the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderWish {
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

/// A key on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The TR-31 block, or the key wrap in hex.
    pub text: String,
    pub check_value: Option<String>,
}

/// A TR-31 block under a protection key. The key is in this process's memory, wiped afterwards, while the block is made.
pub fn tr31(
    config: &Config,
    export: &Export,
    wish: HeaderWish,
    now: jiff::Timestamp,
) -> Result<Exported, CeremonyError> {
    keyroom::within(config, now, |room| {
        let (label, kind, key) = leaving(room, export)?;
        let (kbpk, _) = generation::making(&room.token, &named(&export.under)?)?;
        let version = tr31::version_under(&room.token, &kbpk)?;
        let clear = room.token.expose(&key)?;
        may_be_under(version, room.token.length(&kbpk)?, kind.material(), clear.len())
            .map_err(|_| Fault::Refused("a key does not travel under a weaker one"))?;
        let (usage, algorithm, mode) = Travels::of(&label.split_generation().0, kind).ok_or(STAYS_HERE)?.written();
        let header = Header {
            version,
            usage,
            algorithm,
            mode,
            key_version: wish.key_version,
            exportability: wish.exportability.letter(),
            blocks: Vec::new(),
        };
        let text = tr31::make(&room.token, &kbpk, &header, &clear)?;
        let values = kcv::both_of_clear_key(&room.token, kind, &clear)?;
        let value = values.cmac.unwrap_or(values.zeros);
        note(room, export, &label, "exported as TR-31", &value)?;
        Ok(Exported { text, check_value: Some(value) })
    })
}

/// An AES key wrap (RFC 3394, or padded as RFC 5649 has it) that the module makes: the key is never in this process's memory.
pub fn wrapped(
    config: &Config,
    export: &Export,
    is_padded: bool,
    now: jiff::Timestamp,
) -> Result<Exported, CeremonyError> {
    keyroom::within(config, now, |room| {
        let (label, kind, key) = leaving(room, export)?;
        let (kek, _) = generation::making(&room.token, &named(&export.under)?)?;
        if room.token.kind(&kek) != KeyKind::Kek {
            return Err(Fault::Refused("the named key wraps no keys").into());
        }
        let form = if is_padded { WrapForm::Padded } else { WrapForm::Plain };
        let wrap = room.token.wrap_out(&kek, &key, form)?;
        // eight bytes longer than the key, whose own length the module may not tell
        if matches!(kind.material(), Material::Aes(_)) && wrap.len() > 8 + room.token.length(&kek)? {
            return Err(Fault::Refused("a key does not travel under a weaker one").into());
        }
        note(room, export, &label, "exported as a key wrap", "")?;
        Ok(Exported { text: hex(&wrap), check_value: None })
    })
}

const STAYS_HERE: Fault = Fault::Refused("keys of this role are made here and travel nowhere");

fn named(text: &str) -> Result<KeyName, Fault> {
    KeyName::new(text).map_err(|_| Fault::Request("name of a key"))
}

fn leaving(room: &Keyroom<'_>, export: &Export) -> Result<(KeyName, KeyKind, Object), Fault> {
    let name = named(&export.name)?;
    let label = match export.generation {
        Some(number) => name.numbered(number),
        None => generation::making_label(&room.token, &name),
    };
    let key = room.token.find(&label)?;
    let kind = room.token.kind(&key);
    if Travels::of(&name, kind).is_none() {
        return Err(STAYS_HERE);
    }
    if !room.token.is_for_export(&key)? {
        return Err(Fault::Refused("the key was not made for export"));
    }
    Ok((label, kind, key))
}

/// The record names the key that it went under as well.
fn note(room: &mut Keyroom<'_>, export: &Export, label: &KeyName, act: &str, value: &str) -> Result<(), CeremonyError> {
    if export.is_last {
        room.token.keep_for_good(label)?;
    }
    let last = if export.is_last { ", for the last time" } else { "" };
    room.record.append(room.now, &format!("{act} under {}{last}", export.under), label.as_str(), value)?;
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
