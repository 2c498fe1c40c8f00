//! `hsmd ceremony`: makes sure that the token exists and holds every key of the configuration.
//!
//! It creates missing keys and never replaces or wipes one: a second run finds everything and changes nothing. Keys that only this
//! installation needs are generated inside the module. Three kinds are in clear in this process for a moment: the transport key
//! (combined from custodians' components), zone keys that are delivered to a partner, and card verification keys, whose left
//! half is needed as an object of its own.
use std::io;

use cryptoki::types::AuthPin;
use hsm::{KeyName, KeySet, storage_keys};
use zeroize::Zeroizing;

use crate::config::{CeremonyConfig, Config, CustodianConfig, ZoneConfig};
use crate::hex::hex;
use crate::keys::ceremony_record::{CeremonyRecord, RecordError};
use crate::keys::custodian_prompt::{self, CustodianPrompt, Custodians};
use crate::keys::delivery;
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_file::DATA_KEK;
use crate::keys::key_outcome::KeyOutcome;
use crate::keys::key_store::{KeyStore, NewGeneration};
use crate::keys::keys_lock::KeysLock;
use crate::keys::split_knowledge::Assembly;
use crate::keys::whole_file::write_whole;
use crate::module::Fault;
use crate::module::key_kind::KeyKind;
use crate::token::{Extraction, TokenError, find_slot, initialise_token, read_pin};
use crate::verbs::issue::{TRANSPORT, draw_key};
use crate::verbs::kcv;

/// The recorded acts of all ceremonies, a line each, and the head: the hash that the next line will carry. An error if the
/// record was altered. Comparing the head with a copy kept elsewhere shows that nothing was cut off the end.
pub fn record(config: &Config) -> Result<Vec<String>, RecordError> {
    CeremonyRecord::acts(&config.keys_dir)
}

/// Where the components of the transport key come from.
pub enum TransportComponents<'a> {
    /// The files of the configuration; a missing one is drawn. For an installation without custodians.
    Files,
    /// The custodians are asked at the operator's screen.
    Typed(&'a mut dyn CustodianPrompt),
}

impl std::fmt::Debug for TransportComponents<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Files) { "Files" } else { "Typed" })
    }
}

/// Runs the ceremony; `now` stamps the record.
pub fn run(
    config: &Config,
    components: TransportComponents<'_>,
    now: jiff::Timestamp,
) -> Result<Vec<KeyOutcome>, KeyActError> {
    let lock = KeysLock::acquire(config)?;
    let library = config.token.library()?;
    // a record that was altered is noticed before anything is made
    CeremonyRecord::open(&config.keys_dir)?;
    config.token.initialize(&library)?;
    make_token(config, &library)?;
    // a token that was just initialized shows up under a new slot number
    library.finalize()?;
    let mut ceremony = Ceremony { keys: KeyStore::open(config, now, lock)?, lines: Vec::new() };
    let outcome = ceremony.make_keys(components);
    let Ceremony { keys, lines } = ceremony;
    keys.close();
    outcome.map(|()| lines)
}

fn make_token(config: &Config, library: &cryptoki::context::Pkcs11) -> Result<(), KeyActError> {
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
        Err(KeyActError::Token(TokenError::no_slot()))
    }
}

/// The PIN in a file, which is made with a random PIN if it does not exist.
fn pin_file(path: &std::path::Path) -> Result<AuthPin, KeyActError> {
    if !path.exists() {
        let mut random = Zeroizing::new([0; 12]);
        getrandom::fill(&mut *random).map_err(|error| KeyActError::File(path.to_owned(), io::Error::other(error)))?;
        let pin = Zeroizing::new(hex(&*random) + "\n");
        write_whole(path, pin.as_bytes()).map_err(|error| KeyActError::File(path.to_owned(), error))?;
    }
    Ok(read_pin(path)?)
}

struct Ceremony<'a> {
    keys: KeyStore<'a>,
    lines: Vec<KeyOutcome>,
}

impl Ceremony<'_> {
    fn make_keys(&mut self, components: TransportComponents<'_>) -> Result<(), KeyActError> {
        let config = self.keys.config;
        for (name, kind) in own_keys(&config.ceremony, &config.token.fast_card_keys) {
            self.generate(&name, kind)?;
        }
        for set in &config.ceremony.card_key_sets {
            let set = KeySet::new(set.as_str()).map_err(|_| Fault::Request("name of a key set"))?;
            self.make_card_verification_pair(&KeyName::role("cvk", &set))?;
        }
        self.make_transport_key(components)?;
        for zone in &config.ceremony.zone {
            self.make_zone_key(zone)?;
        }
        for name in config.ceremony.data_keys.keys() {
            self.make_data_key(name)?;
        }
        Ok(())
    }

    fn note(&mut self, key: &str, made: Option<(&'static str, String)>) -> Result<(), KeyActError> {
        let check_value = match made {
            Some((how, kcv)) => {
                self.keys.record.append(self.keys.now, how, key, &kcv)?;
                Some(kcv)
            }
            None => None,
        };
        self.lines.push(KeyOutcome { key: key.to_owned(), check_value });
        Ok(())
    }

    fn generate(&mut self, name: &KeyName, kind: KeyKind) -> Result<(), KeyActError> {
        if self.keys.has(name) {
            return self.note(name.as_str(), None);
        }
        let target = self.keys.new_generation(name, None)?;
        let kcv = self.keys.generate(&target, kind, Extraction::Never)?;
        self.note(name.as_str(), Some(("generated in the module", kcv)))
    }

    fn make_card_verification_pair(&mut self, name: &KeyName) -> Result<(), KeyActError> {
        if self.keys.has(name) {
            return self.note(name.as_str(), None);
        }
        let key = draw_key(&self.keys.token, KeyKind::Cvk)?;
        let kcv = kcv::of_clear_key(&self.keys.token, KeyKind::Cvk, &key)?;
        self.keys.import(&self.keys.new_generation(name, None)?, KeyKind::Cvk, &key, Extraction::Never)?;
        self.note(name.as_str(), Some(("drawn from the module's generator", kcv)))
    }

    /// The transport key is the XOR of the custodians' components, two or three.
    fn make_transport_key(&mut self, components: TransportComponents<'_>) -> Result<(), KeyActError> {
        let name = KeyName::fixed(TRANSPORT);
        let (config, is_there) = (self.keys.config, self.keys.has(&name));
        let people = &config.ceremony.custodian;
        let assembly = match components {
            // the custodians have taken their components away, as they should
            TransportComponents::Files
                if is_there && people.iter().any(|custodian| !custodian.component_file.exists()) =>
            {
                return self.note(name.as_str(), None);
            }
            TransportComponents::Files => self.components_in_files(people)?,
            TransportComponents::Typed(_) if is_there => return self.note(name.as_str(), None),
            TransportComponents::Typed(prompt) => {
                let names: Vec<String> = people.iter().map(|custodian| custodian.name.clone()).collect();
                let value = |part: &[u8]| Ok(kcv::of_clear_key(&self.keys.token, KeyKind::Transport, part)?);
                let assembly = custodian_prompt::collect_components(
                    prompt,
                    TRANSPORT,
                    KeyKind::Transport,
                    &Custodians::Named(&names),
                    value,
                )?;
                for part in assembly.parts() {
                    let value = kcv::of_clear_key(&self.keys.token, KeyKind::Transport, &part.component)?;
                    self.keys.record.append(self.keys.now, "component of transport", &part.custodian, &value)?;
                }
                assembly
            }
        };
        let key = assembly.key()?;
        let kcv = kcv::of_clear_key(&self.keys.token, KeyKind::Transport, &key)?;
        if is_there {
            let held: Vec<&str> = self
                .keys
                .generations_of(&name)
                .keys()
                .filter_map(|n| self.keys.key_file.transport_kcv_of(*n))
                .collect();
            return match held.contains(&kcv.as_str()) || held.is_empty() {
                true => self.note(name.as_str(), None),
                false => Err(KeyActError::OtherTransport { found: kcv, held: held.join(", ") }),
            };
        }
        self.keys.key_file.transport_kcv = Some(kcv.clone());
        self.keys.save_key_file()?;
        self.keys.import(&self.keys.new_generation(&name, None)?, KeyKind::Transport, &key, Extraction::Never)?;
        self.note(name.as_str(), Some(("combined from components", kcv)))
    }

    fn components_in_files(&mut self, people: &[CustodianConfig]) -> Result<Assembly, KeyActError> {
        let mut assembly = Assembly::of(KeyKind::Transport);
        for CustodianConfig { name, component_file: path } in people {
            let fail = |error| KeyActError::File(path.clone(), error);
            if !path.exists() {
                let drawn = draw_key(&self.keys.token, KeyKind::Transport)?;
                let text = Zeroizing::new(hex(&drawn) + "\n");
                write_whole(path, text.as_bytes()).map_err(fail)?;
                let kcv = kcv::of_clear_key(&self.keys.token, KeyKind::Transport, &drawn)?;
                self.keys.record.append(self.keys.now, "component drawn", name, &kcv)?;
            }
            let text = Zeroizing::new(std::fs::read_to_string(path).map_err(fail)?);
            let part = assembly.read(name, &text).map_err(|why| KeyActError::Component(name.clone(), why))?;
            assembly.add(part);
        }
        Ok(assembly)
    }

    /// A key that a partner needs is delivered before it is stored in the token: an interrupted run then leaves a delivery of a
    /// key that was never used, instead of a key that can no longer be delivered.
    fn make_zone_key(&mut self, zone: &ZoneConfig) -> Result<(), KeyActError> {
        let name = KeyName::zone_pin(&zone.name).map_err(|_| Fault::Request("name of a zone"))?;
        if !zone.deliver {
            return self.generate(&name, zone.kind());
        }
        if self.keys.has(&name) {
            return self.note(name.as_str(), None);
        }
        let kcv =
            delivery::zone_key(&mut self.keys, zone, &NewGeneration { name: name.clone(), number: 1, from_s: 0 })?;
        self.note(name.as_str(), Some(("drawn and delivered", kcv)))
    }

    fn make_data_key(&mut self, name: &str) -> Result<(), KeyActError> {
        let label = format!("data key {name}");
        if self.keys.key_file.data_keys.contains_key(name) {
            return self.note(&label, None);
        }
        let kcv = self.keys.key_file.draw(&self.keys.token, name)?;
        self.keys.save_key_file()?;
        self.note(&label, Some(("drawn and wrapped", kcv)))
    }
}

/// Keys that only this installation needs: generated inside the module.
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
