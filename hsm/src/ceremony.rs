//! `hsmd ceremony`: makes sure that the token exists and holds every key of the configuration.
//!
//! It creates what is missing and never replaces or wipes: a second run finds everything and changes nothing. Keys that
//! only this installation needs are generated inside the module. Three kinds exist in clear here for a moment: the
//! transport key (put together from two custodians' components), zone keys that a partner must be told, and card
//! verification keys, whose left half is needed as an object of its own.
use std::io;
use std::path::PathBuf;

use cryptoki::error::Error;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::ceremony_record::Record;
pub use crate::ceremony_record::RecordError;
use crate::config::{CeremonyConfig, Config, ZoneConfig};
use crate::delivery;
use crate::issue::DeliveryKind;
use crate::key_block::{KeyUsage, STORAGE_X919_LEFT};
use crate::key_file::{KeyFile, write_whole};
use crate::key_kind::KeyKind;
use crate::module::{Fault, Module};
use crate::token::{OpenError, Token, find_slot, initialise_token, read_pin};
use crate::verbs::issue::{draw_key, left_twice, zone_delivery};
use crate::verbs::{hex, kcv, unhex};
use crate::{KeyName, KeySet};

/// Why a ceremony stopped. What it had made by then stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    #[error("component of {0}: {1}")]
    Component(String, &'static str),
    #[error("the component files of {0} and {1} hold the same component")]
    SameComponent(String, String),
    #[error("the components give the transport key {found}, the token holds {held}")]
    OtherTransport { found: String, held: String },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("terminal {0}: {1}")]
    Terminal(String, &'static str),
}

/// The token's side of a [`CeremonyError`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(String);

macro_rules! token_error {
    ($($cause:ty),*) => {$(
        impl From<$cause> for TokenError {
            fn from(cause: $cause) -> Self {
                Self(cause.to_string())
            }
        }
        impl From<$cause> for CeremonyError {
            fn from(cause: $cause) -> Self {
                Self::Token(cause.into())
            }
        }
    )*};
}
token_error!(OpenError, Fault, Error);

/// One line of the ceremony's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub key: String,
    /// Check value, six hex digits, if the key was made now.
    pub check_value: Option<String>,
}

/// What all ceremonies did, a line each, and the hash that the next line will carry. An error if the record was altered: a
/// head that was noted elsewhere also shows that nothing was cut off its end.
pub fn record(config: &Config) -> Result<Vec<String>, RecordError> {
    Record::acts(&config.keys_dir)
}

/// Runs the ceremony; `now` stamps the record.
pub fn run(config: &Config, now: jiff::Timestamp) -> Result<Vec<Line>, CeremonyError> {
    let library = config.token.library()?;
    let record = Record::open(&config.keys_dir)?;
    config.token.initialize(&library)?;
    make_token(config, &library)?;
    // a token that was just initialized shows up under a new slot number
    library.clone().finalize()?;
    let token = Token::open(&library, &config.token)?;
    let mut ceremony = Ceremony {
        config,
        key_file: KeyFile::load(&config.keys_dir)
            .map_err(|e| CeremonyError::File(KeyFile::path(&config.keys_dir), e))?,
        token,
        record,
        now,
        lines: Vec::new(),
    };
    let outcome = ceremony.make_keys();
    let Ceremony { token, lines, .. } = ceremony;
    token.close();
    outcome.map(|()| lines)
}

fn make_token(config: &Config, library: &cryptoki::context::Pkcs11) -> Result<(), CeremonyError> {
    let functions = config.token.functions()?;
    if find_slot(library, &functions, &config.token.label)?.is_some() {
        return Ok(());
    }
    let so_pin = match &config.token.so_pin_file {
        Some(file) => pin_file(file)?,
        None => AuthPin::from(String::new()),
    };
    let user_pin = pin_file(&config.token.user_pin_file)?;
    if initialise_token(library, &functions, &config.token.label, &so_pin, &user_pin)? {
        Ok(())
    } else {
        Err(CeremonyError::Token(TokenError("the module has no slot for a new token".into())))
    }
}

/// The PIN in a file, which is made with a random PIN if it does not exist.
fn pin_file(path: &std::path::Path) -> Result<AuthPin, CeremonyError> {
    if !path.exists() {
        let mut random = Zeroizing::new([0; 12]);
        getrandom::fill(&mut *random).map_err(|error| CeremonyError::File(path.to_owned(), io::Error::other(error)))?;
        let pin = Zeroizing::new(hex(&*random) + "\n");
        write_whole(path, pin.as_bytes()).map_err(|error| CeremonyError::File(path.to_owned(), error))?;
    }
    Ok(read_pin(path)?)
}

struct Ceremony<'a> {
    config: &'a Config,
    token: Token,
    key_file: KeyFile,
    record: Record,
    now: jiff::Timestamp,
    lines: Vec<Line>,
}

impl Ceremony<'_> {
    fn make_keys(&mut self) -> Result<(), CeremonyError> {
        for (name, kind) in own_keys(&self.config.ceremony, &self.config.token.fast_card_keys) {
            self.generate(&name, kind)?;
        }
        for set in &self.config.ceremony.card_key_sets {
            let set = KeySet::new(set.as_str()).map_err(|_| Fault::Request("name of a key set"))?;
            self.make_card_verification_pair(&KeyName::role("cvk", &set))?;
        }
        self.make_transport_key()?;
        for zone in &self.config.ceremony.zone {
            self.make_zone_key(zone)?;
        }
        for name in self.config.ceremony.data_keys.keys() {
            self.make_data_key(name)?;
        }
        Ok(())
    }

    fn has(&self, name: &KeyName) -> bool {
        // of a rotated key the first generation may be gone already
        self.token.find(name).is_ok() || self.key_file.generations.contains_key(name.as_str())
    }

    fn note(&mut self, key: &str, made: Option<(&'static str, String)>) -> Result<(), CeremonyError> {
        let check_value = match made {
            Some((how, kcv)) => {
                self.record.append(self.now, how, key, &kcv)?;
                Some(kcv)
            }
            None => None,
        };
        self.lines.push(Line { key: key.to_owned(), check_value });
        Ok(())
    }

    fn generate(&mut self, name: &KeyName, kind: KeyKind) -> Result<(), CeremonyError> {
        let made = match self.has(name) {
            true => None,
            false => Some(("generated in the module", self.token.generate_static(name, kind)?)),
        };
        self.note(name.as_str(), made)
    }

    /// The pair comes last, so that half of it means an interrupted run: the orphaned companion is made anew.
    fn make_card_verification_pair(&mut self, name: &KeyName) -> Result<(), CeremonyError> {
        if self.has(name) {
            return self.note(name.as_str(), None);
        }
        let key = draw_key(&self.token, KeyKind::Cvk)?;
        let kcv = kcv::of_clear_key(&self.token, KeyKind::Cvk, &key)?;
        self.token.remove_static(&name.left())?;
        self.token.import_static(&name.left(), KeyKind::CvkLeft, &left_twice(&key))?;
        self.token.import_static(name, KeyKind::Cvk, &key)?;
        self.note(name.as_str(), Some(("drawn from the module's generator", kcv)))
    }

    /// The transport key is the XOR of the custodians' components, two or three.
    fn make_transport_key(&mut self) -> Result<(), CeremonyError> {
        let name = KeyName::fixed("transport");
        let custodians = &self.config.ceremony.custodian;
        if self.has(&name) && custodians.iter().any(|custodian| !custodian.component_file.exists()) {
            // the custodians have taken their components away, as they should
            return self.note(name.as_str(), None);
        }
        let mut key = Zeroizing::new([0; 32]);
        let mut earlier: Vec<Zeroizing<[u8; 32]>> = Vec::new();
        for custodian in custodians {
            let component = self.component(&custodian.name, &custodian.component_file)?;
            if let Some(same) = earlier.iter().position(|other| *other == component) {
                return Err(CeremonyError::SameComponent(custodians[same].name.clone(), custodian.name.clone()));
            }
            key.iter_mut().zip(component.iter()).for_each(|(byte, other): (&mut u8, _)| *byte ^= other);
            earlier.push(component);
        }
        let kcv = kcv::of_clear_key(&self.token, KeyKind::Transport, &*key)?;
        if self.has(&name) {
            return match &self.key_file.transport_kcv {
                Some(held) if *held != kcv => Err(CeremonyError::OtherTransport { found: kcv, held: held.clone() }),
                _ => self.note(name.as_str(), None),
            };
        }
        self.key_file.transport_kcv = Some(kcv.clone());
        self.save_key_file()?;
        self.token.import_static(&name, KeyKind::Transport, &*key)?;
        self.note(name.as_str(), Some(("combined from components", kcv)))
    }

    /// A custodian's component: 32 bytes in hex, drawn if the file is not there yet.
    fn component(&mut self, custodian: &str, path: &std::path::Path) -> Result<Zeroizing<[u8; 32]>, CeremonyError> {
        let refuse = |why| CeremonyError::Component(custodian.to_owned(), why);
        if !path.exists() {
            let mut drawn = Zeroizing::new([0; 32]);
            self.token.random(&mut *drawn)?;
            let text = Zeroizing::new(hex(&*drawn) + "\n");
            write_whole(path, text.as_bytes()).map_err(|error| CeremonyError::File(path.to_owned(), error))?;
            let kcv = kcv::of_clear_key(&self.token, KeyKind::Transport, &*drawn)?;
            self.record.append(self.now, "component drawn", custodian, &kcv)?;
        }
        let text = std::fs::read_to_string(path).map_err(|error| CeremonyError::File(path.to_owned(), error))?;
        let text = Zeroizing::new(text);
        let bytes = Zeroizing::new(unhex(text.trim()).ok_or_else(|| refuse("not hex"))?);
        let component: [u8; 32] = bytes.as_slice().try_into().map_err(|_| refuse("not 32 bytes"))?;
        if component == [0; 32] {
            return Err(refuse("all zeros: the other custodian would know the key"));
        }
        Ok(Zeroizing::new(component))
    }

    /// A key that a partner has to be told is delivered before it exists in the token: an interrupted run leaves a delivery
    /// for a key that was never used, and not a key that can never be delivered.
    fn make_zone_key(&mut self, zone: &ZoneConfig) -> Result<(), CeremonyError> {
        let name = KeyName::zone_pin(&zone.name).map_err(|_| Fault::Request("name of a zone"))?;
        let kind = zone.cipher.kind();
        if !zone.deliver {
            return self.generate(&name, kind);
        }
        if self.has(&name) {
            return self.note(name.as_str(), None);
        }
        let key = draw_key(&self.token, kind)?;
        let kcv = kcv::of_clear_key(&self.token, kind, &key)?;
        let item = zone_delivery(&self.token, &zone.name, &key)?;
        let transport_kcv = self.key_file.transport_kcv.clone().unwrap_or_default();
        delivery::append(&self.config.deliveries_dir, DeliveryKind::Zones, &transport_kcv, vec![item])
            .map_err(|(path, error)| CeremonyError::File(path, error))?;
        self.token.import_static(&name, kind, &key)?;
        self.note(name.as_str(), Some(("drawn and delivered", kcv)))
    }

    fn make_data_key(&mut self, name: &str) -> Result<(), CeremonyError> {
        let label = format!("data key {name}");
        if self.key_file.data_keys.contains_key(name) {
            return self.note(&label, None);
        }
        let kcv = self.key_file.draw(&self.token, name)?;
        self.save_key_file()?;
        self.note(&label, Some(("drawn and wrapped", kcv)))
    }

    fn save_key_file(&self) -> Result<(), CeremonyError> {
        let folder = &self.config.keys_dir;
        self.key_file.save(folder).map_err(|error| CeremonyError::File(KeyFile::path(folder), error))
    }
}

/// Keys that nobody outside needs to know: generated inside the module.
fn own_keys(config: &CeremonyConfig, fast: &[String]) -> Vec<(KeyName, KeyKind)> {
    let mut keys = vec![
        (KeyName::fixed("vault"), KeyKind::Vault),
        (KeyName::fixed("pan-index"), KeyKind::PanIndex),
        (KeyName::fixed("data-kek"), KeyKind::DataKek),
        (KeyName::audit(), KeyKind::MacCmac),
        (KeyName::fixed(STORAGE_X919_LEFT), KeyKind::Storage),
    ];
    keys.extend(KeyUsage::ALL.map(|usage| (KeyName::fixed(usage.storage_key()), KeyKind::Storage)));
    let sets =
        |owners: &[String]| -> Vec<KeySet> { owners.iter().filter_map(|o| KeySet::new(o.as_str()).ok()).collect() };
    let master = |set: &KeySet| {
        let kind = if fast.iter().any(|name| name == set.as_str()) { KeyKind::ImkAcFast } else { KeyKind::ImkAc };
        (KeyName::role("imk-ac", set), kind)
    };
    for set in sets(&config.card_key_sets) {
        keys.push((KeyName::role("pvk", &set), KeyKind::Pvk));
        keys.push(master(&set));
    }
    for range in sets(&config.token_ranges) {
        keys.push(master(&range));
    }
    keys
}
