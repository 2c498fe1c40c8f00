//! `hsmd ceremony`: makes sure that the token exists and holds every key of the configuration.
//!
//! It creates what is missing and never replaces or wipes: a second run finds everything and changes nothing. Keys that
//! only this installation needs are generated inside the module. Three kinds exist in clear here for a moment: the
//! transport key (put together from two custodians' components), zone keys that a partner must be told, and card
//! verification keys, whose left half is needed as an object of its own.
use std::io;

use cryptoki::types::AuthPin;
use hsm::{KeyName, KeySet, storage_keys};
use zeroize::Zeroizing;

use crate::config::{CeremonyConfig, Config, CustodianConfig, ZoneConfig};
use crate::hex::hex;
use crate::keys::ceremony_error::CeremonyError;
use crate::keys::ceremony_record::{Record, RecordError};
use crate::keys::custody::Assembly;
use crate::keys::delivery;
use crate::keys::desk::{self, Desk, Seats};
use crate::keys::key_file::DATA_KEK;
use crate::keys::keyroom::{Door, Keyroom, Place};
use crate::keys::line::Line;
use crate::keys::whole_file::write_whole;
use crate::module::Fault;
use crate::module::key_kind::KeyKind;
use crate::token::{Stay, TokenError, find_slot, initialise_token, read_pin};
use crate::verbs::issue::{TRANSPORT, draw_key};
use crate::verbs::kcv;

/// What all ceremonies did, a line each, and the hash that the next line will carry. An error if the record was altered: a
/// head that was noted elsewhere also shows that nothing was cut off its end.
pub fn record(config: &Config) -> Result<Vec<String>, RecordError> {
    Record::acts(&config.keys_dir)
}

/// Who brings the components of the transport key, and how.
pub enum Custodians<'a> {
    /// In the files of the configuration, drawn where a file does not exist: for an installation without custodians.
    Files,
    At(&'a mut dyn Desk),
}

impl std::fmt::Debug for Custodians<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Files) { "Files" } else { "At a desk" })
    }
}

/// Runs the ceremony; `now` stamps the record.
pub fn run(config: &Config, custodians: Custodians<'_>, now: jiff::Timestamp) -> Result<Vec<Line>, CeremonyError> {
    let door = Door::shut(config)?;
    let library = config.token.library()?;
    // a record that was altered is noticed before anything is made
    Record::open(&config.keys_dir)?;
    config.token.initialize(&library)?;
    make_token(config, &library)?;
    // a token that was just initialized shows up under a new slot number
    library.finalize()?;
    let mut ceremony = Ceremony { room: Keyroom::enter(config, now, door)?, lines: Vec::new() };
    let outcome = ceremony.make_keys(custodians);
    let Ceremony { room, lines } = ceremony;
    room.leave();
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
        Err(CeremonyError::Token(TokenError::no_slot()))
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
    room: Keyroom<'a>,
    lines: Vec<Line>,
}

impl Ceremony<'_> {
    fn make_keys(&mut self, custodians: Custodians<'_>) -> Result<(), CeremonyError> {
        let config = self.room.config;
        for (name, kind) in own_keys(&config.ceremony, &config.token.fast_card_keys) {
            self.generate(&name, kind)?;
        }
        for set in &config.ceremony.card_key_sets {
            let set = KeySet::new(set.as_str()).map_err(|_| Fault::Request("name of a key set"))?;
            self.make_card_verification_pair(&KeyName::role("cvk", &set))?;
        }
        self.make_transport_key(custodians)?;
        for zone in &config.ceremony.zone {
            self.make_zone_key(zone)?;
        }
        for name in config.ceremony.data_keys.keys() {
            self.make_data_key(name)?;
        }
        Ok(())
    }

    fn note(&mut self, key: &str, made: Option<(&'static str, String)>) -> Result<(), CeremonyError> {
        let check_value = match made {
            Some((how, kcv)) => {
                self.room.record.append(self.room.now, how, key, &kcv)?;
                Some(kcv)
            }
            None => None,
        };
        self.lines.push(Line { key: key.to_owned(), check_value });
        Ok(())
    }

    fn generate(&mut self, name: &KeyName, kind: KeyKind) -> Result<(), CeremonyError> {
        if self.room.has(name) {
            return self.note(name.as_str(), None);
        }
        let place = self.room.place(name, None)?;
        let kcv = self.room.generate(&place, kind, Stay::ForGood)?;
        self.note(name.as_str(), Some(("generated in the module", kcv)))
    }

    fn make_card_verification_pair(&mut self, name: &KeyName) -> Result<(), CeremonyError> {
        if self.room.has(name) {
            return self.note(name.as_str(), None);
        }
        let key = draw_key(&self.room.token, KeyKind::Cvk)?;
        let kcv = kcv::of_clear_key(&self.room.token, KeyKind::Cvk, &key)?;
        self.room.store(&self.room.place(name, None)?, KeyKind::Cvk, &key, Stay::ForGood)?;
        self.note(name.as_str(), Some(("drawn from the module's generator", kcv)))
    }

    /// The transport key is the XOR of the custodians' components, two or three.
    fn make_transport_key(&mut self, custodians: Custodians<'_>) -> Result<(), CeremonyError> {
        let name = KeyName::fixed(TRANSPORT);
        let (config, is_there) = (self.room.config, self.room.has(&name));
        let people = &config.ceremony.custodian;
        let assembly = match custodians {
            // the custodians have taken their components away, as they should
            Custodians::Files if is_there && people.iter().any(|custodian| !custodian.component_file.exists()) => {
                return self.note(name.as_str(), None);
            }
            Custodians::Files => self.components_in_files(people)?,
            Custodians::At(_) if is_there => return self.note(name.as_str(), None),
            Custodians::At(desk) => {
                let names: Vec<String> = people.iter().map(|custodian| custodian.name.clone()).collect();
                let value = |part: &[u8]| Ok(kcv::of_clear_key(&self.room.token, KeyKind::Transport, part)?);
                let assembly = desk::gather(desk, TRANSPORT, KeyKind::Transport, &Seats::Named(&names), value)?;
                for part in assembly.parts() {
                    let value = kcv::of_clear_key(&self.room.token, KeyKind::Transport, &part.component)?;
                    self.room.record.append(self.room.now, "component of transport", &part.custodian, &value)?;
                }
                assembly
            }
        };
        let key = assembly.key()?;
        let kcv = kcv::of_clear_key(&self.room.token, KeyKind::Transport, &key)?;
        if is_there {
            let held: Vec<&str> =
                self.room.known(&name).keys().filter_map(|n| self.room.key_file.transport_kcv_of(*n)).collect();
            return match held.contains(&kcv.as_str()) || held.is_empty() {
                true => self.note(name.as_str(), None),
                false => Err(CeremonyError::OtherTransport { found: kcv, held: held.join(", ") }),
            };
        }
        self.room.key_file.transport_kcv = Some(kcv.clone());
        self.room.save_key_file()?;
        self.room.store(&self.room.place(&name, None)?, KeyKind::Transport, &key, Stay::ForGood)?;
        self.note(name.as_str(), Some(("combined from components", kcv)))
    }

    fn components_in_files(&mut self, people: &[CustodianConfig]) -> Result<Assembly, CeremonyError> {
        let mut assembly = Assembly::of(KeyKind::Transport);
        for CustodianConfig { name, component_file: path } in people {
            let fail = |error| CeremonyError::File(path.clone(), error);
            if !path.exists() {
                let drawn = draw_key(&self.room.token, KeyKind::Transport)?;
                let text = Zeroizing::new(hex(&drawn) + "\n");
                write_whole(path, text.as_bytes()).map_err(fail)?;
                let kcv = kcv::of_clear_key(&self.room.token, KeyKind::Transport, &drawn)?;
                self.room.record.append(self.room.now, "component drawn", name, &kcv)?;
            }
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(fail)?);
            let part = assembly.read(name, &text).map_err(|why| CeremonyError::Component(name.clone(), why))?;
            assembly.add(part);
        }
        Ok(assembly)
    }

    /// A key that a partner has to be told is delivered before it exists in the token: an interrupted run leaves a delivery
    /// for a key that was never used, and not a key that can never be delivered.
    fn make_zone_key(&mut self, zone: &ZoneConfig) -> Result<(), CeremonyError> {
        let name = KeyName::zone_pin(&zone.name).map_err(|_| Fault::Request("name of a zone"))?;
        if !zone.deliver {
            return self.generate(&name, zone.kind());
        }
        if self.room.has(&name) {
            return self.note(name.as_str(), None);
        }
        let kcv = delivery::zone_key(&mut self.room, zone, &Place { name: name.clone(), number: 1, from_s: 0 })?;
        self.note(name.as_str(), Some(("drawn and delivered", kcv)))
    }

    fn make_data_key(&mut self, name: &str) -> Result<(), CeremonyError> {
        let label = format!("data key {name}");
        if self.room.key_file.data_keys.contains_key(name) {
            return self.note(&label, None);
        }
        let kcv = self.room.key_file.draw(&self.room.token, name)?;
        self.room.save_key_file()?;
        self.note(&label, Some(("drawn and wrapped", kcv)))
    }
}

/// Keys that nobody outside needs to know: generated inside the module.
fn own_keys(config: &CeremonyConfig, fast: &[String]) -> Vec<(KeyName, KeyKind)> {
    let mut keys = vec![
        (KeyName::fixed("vault"), KeyKind::Vault),
        (KeyName::fixed("pan-index"), KeyKind::PanIndex),
        (KeyName::fixed(DATA_KEK), KeyKind::DataKek),
        (KeyName::audit(), KeyKind::MacCmac),
    ];
    keys.extend(storage_keys().map(|name| (KeyName::fixed(name), KeyKind::Storage)));
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
