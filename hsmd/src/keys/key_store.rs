//! The key store – token, key file and record of ceremonies – opened for one act on keys at a time.
use std::collections::BTreeMap;

use hsm::KeyName;

use crate::config::Config;
use crate::keys::ceremony_record::CeremonyRecord;
use crate::keys::companions;
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_file::KeyFile;
use crate::keys::keys_lock::KeysLock;
use crate::memory_lock;
use crate::module::key_generations::{Generation, KeyGenerations};
use crate::module::key_kind::{Cipher, KeyKind};
use crate::module::{Fault, Module, generation};
use crate::token::{Extraction, Token};

/// The key store while an act runs. It holds the lock because the record is a hash chain: two acts at once would both append to
/// the same line.
pub(crate) struct KeyStore<'a> {
    pub config: &'a Config,
    pub token: Token,
    pub key_file: KeyFile,
    pub record: CeremonyRecord,
    pub now: jiff::Timestamp,
    _lock: KeysLock,
}

/// The generation that an act makes: the first of a new key, or the next of an existing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewGeneration {
    pub name: KeyName,
    /// 1 for a key that is new altogether.
    pub number: u8,
    /// Unix time from which a later generation is the current one.
    pub from_s: i64,
}

impl NewGeneration {
    pub(crate) fn label(&self) -> KeyName {
        self.name.numbered(self.number)
    }
}

/// Carries out an act, and closes the module even if the act failed.
pub(crate) fn run_act<T>(
    config: &Config,
    now: jiff::Timestamp,
    act: impl FnOnce(&mut KeyStore<'_>) -> Result<T, KeyActError>,
) -> Result<T, KeyActError> {
    let mut keys = KeyStore::open(config, now, KeysLock::acquire(config)?)?;
    let outcome = act(&mut keys);
    keys.close();
    outcome
}

impl<'a> KeyStore<'a> {
    pub(crate) fn open(config: &'a Config, now: jiff::Timestamp, lock: KeysLock) -> Result<Self, KeyActError> {
        memory_lock::lock_memory();
        let record = CeremonyRecord::open(&config.keys_dir)?;
        let key_file = KeyFile::load(&config.keys_dir)
            .map_err(|error| KeyActError::File(KeyFile::path(&config.keys_dir), error))?;
        let token = Token::open(&config.token.library()?, &config.token)?;
        token.set_generations(&key_file.generations, now.as_second());
        Ok(Self { config, token, key_file, record, now, _lock: lock })
    }

    pub(crate) fn close(self) {
        self.token.close();
    }

    /// Whether there is a key of this name, in any generation: the first one of a rotated key may be retired.
    pub(crate) fn has(&self, name: &KeyName) -> bool {
        self.token.find(name).is_ok() || self.key_file.generations.contains_key(name.as_str())
    }

    /// The generation of a key to be made: the first, if there is no key of this name; or the next one, current in so many
    /// seconds. A key is never replaced.
    pub(crate) fn new_generation(&self, name: &KeyName, next_in_s: Option<u32>) -> Result<NewGeneration, KeyActError> {
        let Some(lead_s) = next_in_s else {
            if self.has(name) {
                let why =
                    "the token holds a key of this name; it is never replaced, only followed by a next generation";
                return Err(Fault::Refused(why).into());
            }
            return Ok(NewGeneration { name: name.clone(), number: 1, from_s: 0 });
        };
        if !self.has(name) {
            return Err(Fault::Refused("there is no generation yet that this one would follow").into());
        }
        generation::may_be_followed(name)?;
        let newest = self.generations_of(name).keys().next_back().copied().unwrap_or(1);
        let number = newest.checked_add(1).ok_or(Fault::Request("a key has at most 255 generations"))?;
        Ok(NewGeneration { name: name.clone(), number, from_s: self.now.as_second() + i64::from(lead_s) })
    }

    /// Imports a clear key and its companions. The key itself comes last: companions without a key are leftovers of an
    /// interrupted act, and are made anew.
    pub(crate) fn import(
        &mut self,
        target: &NewGeneration,
        kind: KeyKind,
        key: &[u8],
        extraction: Extraction,
    ) -> Result<(), KeyActError> {
        let label = target.label();
        self.clear(&label)?;
        for companion in companions::of_key(kind, key) {
            let label = label.with_suffix(companion.suffix);
            self.clear(&label)?;
            self.token.import_static(&label, companion.kind, &companion.value, Extraction::Never)?;
        }
        Ok(self.token.import_static(&label, kind, key, extraction)?)
    }

    /// Has the module generate a key that never leaves it, or only wrapped. Returns the module's own check value.
    pub(crate) fn generate(
        &mut self,
        target: &NewGeneration,
        kind: KeyKind,
        extraction: Extraction,
    ) -> Result<String, KeyActError> {
        let label = target.label();
        self.clear(&label)?;
        Ok(self.token.generate_static(&label, kind, extraction)?)
    }

    /// Destroys the leftover of an interrupted act under this label: such a key was never used.
    pub(crate) fn clear(&mut self, label: &KeyName) -> Result<(), KeyActError> {
        // labels are read back as names, whose length is limited
        KeyName::new(label.as_str()).map_err(|_| Fault::Request("a key name of so many letters leaves no room"))?;
        Ok(self.token.remove_static(label)?)
    }

    /// Writes a stored key into the record, and its generation into the key file, where the daemons find it.
    pub(crate) fn publish(&mut self, target: &NewGeneration, act: &str, check_value: &str) -> Result<(), KeyActError> {
        if target.number > 1 {
            let generation =
                Generation { from_s: target.from_s, retired: false, check_value: Some(check_value.to_owned()) };
            self.save_generations([(&target.name, target.number, generation)])?;
        }
        self.record.append(self.now, act, target.label().as_str(), check_value)?;
        Ok(())
    }

    /// Writes generations into the key file, all in one step.
    pub(crate) fn save_generations<'n>(
        &mut self,
        generations: impl IntoIterator<Item = (&'n KeyName, u8, Generation)>,
    ) -> Result<(), KeyActError> {
        for (name, number, generation) in generations {
            let mut known = self.generations_of(name);
            known.insert(number, generation);
            self.key_file.generations.insert(name.to_string(), known);
        }
        self.save_key_file()
    }

    /// The generations of a key. The key file does not list the first one of a key that was never rotated.
    pub(crate) fn generations_of(&self, name: &KeyName) -> BTreeMap<u8, Generation> {
        let first = || BTreeMap::from([(1, Generation { from_s: 0, retired: false, check_value: None })]);
        self.key_file.generations.get(name.as_str()).cloned().unwrap_or_else(first)
    }

    /// Which generation is current, and which are accepted.
    pub(crate) fn generations(&self, name: &KeyName) -> Option<KeyGenerations> {
        let known = self.generations_of(name);
        KeyGenerations::of(&known, self.now.as_second(), |number| known.get(&number).is_some_and(|g| !g.retired))
    }

    pub(crate) fn save_key_file(&self) -> Result<(), KeyActError> {
        let folder = &self.config.keys_dir;
        self.key_file.save(folder).map_err(|error| KeyActError::File(KeyFile::path(folder), error))
    }
}

/// The name and kind of a key to be made. Where the role leaves the cipher open, it is that of the configured zone, or the
/// given one.
pub(crate) fn name_and_kind(config: &Config, text: &str, cipher: Option<Cipher>) -> Result<(KeyName, KeyKind), Fault> {
    let name = KeyName::new(text).map_err(|_| Fault::Request("name of a key"))?;
    if name.split_generation().1 != 1 {
        return Err(Fault::Request("a later generation is made by that act, and not by its name"));
    }
    let zone = config.ceremony.zone.iter().find(|zone| Ok(&name) == KeyName::zone_pin(&zone.name).as_ref());
    let cipher = match (zone, cipher) {
        (Some(zone), Some(cipher)) if zone.cipher != cipher => {
            return Err(Fault::Refused("the configuration names another cipher for this zone"));
        }
        (Some(zone), _) => zone.cipher,
        (None, cipher) => cipher.unwrap_or_default(),
    };
    let kind = KeyKind::of(&name, cipher == Cipher::Aes).ok_or(Fault::Request("the name says no role of a key"))?;
    let is_fast = config.token.fast_card_keys.iter().any(|set| name.is_of(set));
    Ok((
        name,
        match kind {
            KeyKind::CvkLeft | KeyKind::MacDesLeft | KeyKind::BdkDesMasked => {
                return Err(Fault::Request("companions are made with their key"));
            }
            KeyKind::ImkAc | KeyKind::ImkSmi | KeyKind::ImkSmc if is_fast => KeyKind::ImkAcFast,
            kind => kind,
        },
    ))
}
