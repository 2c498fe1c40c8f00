//! Where acts on keys are carried out: token, key file and record, open together, for one act at a time.
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use hsm::KeyName;
use nix::fcntl::{Flock, FlockArg};

use crate::config::Config;
use crate::keys::ceremony_error::CeremonyError;
use crate::keys::ceremony_record::Record;
use crate::keys::companions;
use crate::keys::key_file::KeyFile;
use crate::memory_lock;
use crate::module::key_kind::{Cipher, KeyKind};
use crate::module::lineage::{Generation, Lineage};
use crate::module::{Fault, Module, generation};
use crate::token::{Stay, Token};

/// The room, with its door locked: the record is a chain, and two acts at once would both go on from the same line.
pub(crate) struct Keyroom<'a> {
    pub config: &'a Config,
    pub token: Token,
    pub key_file: KeyFile,
    pub record: Record,
    pub now: jiff::Timestamp,
    _door: Door,
}

/// Held while an act goes on; the kernel opens it if its holder dies.
pub(crate) struct Door {
    _lock: Flock<File>,
}

impl Door {
    /// Waits until no other act is going on. An error names the lock's file.
    pub(crate) fn shut(config: &Config) -> Result<Self, (PathBuf, io::Error)> {
        let path = config.keys_dir.join("keyroom.lock");
        let fail = |error| (path.clone(), error);
        std::fs::create_dir_all(&config.keys_dir).map_err(fail)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| fail(io::Error::from(error)))?;
        Ok(Self { _lock: lock })
    }
}

/// Where a key that is made now belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub name: KeyName,
    /// 1 for a key that is new altogether.
    pub number: u8,
    /// Unix time from which a later generation makes things.
    pub from_s: i64,
}

impl Place {
    pub(crate) fn label(&self) -> KeyName {
        self.name.numbered(self.number)
    }
}

/// Carries out an act and lets go of the module, whatever came of it.
pub(crate) fn within<T>(
    config: &Config,
    now: jiff::Timestamp,
    act: impl FnOnce(&mut Keyroom<'_>) -> Result<T, CeremonyError>,
) -> Result<T, CeremonyError> {
    let mut room = Keyroom::enter(config, now, Door::shut(config)?)?;
    let outcome = act(&mut room);
    room.leave();
    outcome
}

impl<'a> Keyroom<'a> {
    pub(crate) fn enter(config: &'a Config, now: jiff::Timestamp, door: Door) -> Result<Self, CeremonyError> {
        memory_lock::lock_memory();
        let record = Record::open(&config.keys_dir)?;
        let key_file = KeyFile::load(&config.keys_dir)
            .map_err(|error| CeremonyError::File(KeyFile::path(&config.keys_dir), error))?;
        let token = Token::open(&config.token.library()?, &config.token)?;
        token.learn(&key_file.generations, now.as_second());
        Ok(Self { config, token, key_file, record, now, _door: door })
    }

    pub(crate) fn leave(self) {
        self.token.close();
    }

    /// Whether there is a key of this name, in whatever generation: of a rotated key the first may be gone already.
    pub(crate) fn has(&self, name: &KeyName) -> bool {
        self.token.find(name).is_ok() || self.key_file.generations.contains_key(name.as_str())
    }

    /// Where a new key belongs: under its name if there is none of it, or as its next generation, which makes things from so
    /// many seconds on. A key is never replaced.
    pub(crate) fn place(&self, name: &KeyName, next_in_s: Option<u32>) -> Result<Place, CeremonyError> {
        let Some(lead_s) = next_in_s else {
            if self.has(name) {
                let why =
                    "the token holds a key of this name; it is never replaced, only followed by a next generation";
                return Err(Fault::Refused(why).into());
            }
            return Ok(Place { name: name.clone(), number: 1, from_s: 0 });
        };
        if !self.has(name) {
            return Err(Fault::Refused("there is no generation yet that this one would follow").into());
        }
        generation::may_be_followed(name)?;
        let newest = self.known(name).keys().next_back().copied().unwrap_or(1);
        let number = newest.checked_add(1).ok_or(Fault::Request("a key has at most 255 generations"))?;
        Ok(Place { name: name.clone(), number, from_s: self.now.as_second() + i64::from(lead_s) })
    }

    /// Stores a key that is in clear, with what the module needs beside it. The key itself comes last: without it the rest is
    /// an interrupted act's, and is made anew.
    pub(crate) fn store(&mut self, place: &Place, kind: KeyKind, key: &[u8], stay: Stay) -> Result<(), CeremonyError> {
        let label = place.label();
        self.clear(&label)?;
        for companion in companions::of_key(kind, key) {
            let label = label.with_suffix(companion.suffix);
            self.clear(&label)?;
            self.token.import_static(&label, companion.kind, &companion.value, Stay::ForGood)?;
        }
        Ok(self.token.import_static(&label, kind, key, stay)?)
    }

    /// Has the module draw a key that never leaves it, or leaves it wrapped alone. Answers the module's own check value.
    pub(crate) fn generate(&mut self, place: &Place, kind: KeyKind, stay: Stay) -> Result<String, CeremonyError> {
        let label = place.label();
        self.clear(&label)?;
        Ok(self.token.generate_static(&label, kind, stay)?)
    }

    /// Destroys what an interrupted act left under this label: nothing was ever made with it.
    pub(crate) fn clear(&mut self, label: &KeyName) -> Result<(), CeremonyError> {
        // labels are read back as names, which have a longest
        KeyName::new(label.as_str()).map_err(|_| Fault::Request("a key name of so many letters leaves no room"))?;
        Ok(self.token.remove_static(label)?)
    }

    /// Puts a key that has been stored into the record, and its generation where the daemons look.
    pub(crate) fn settle(&mut self, place: &Place, act: &str, check_value: &str) -> Result<(), CeremonyError> {
        if place.number > 1 {
            let generation =
                Generation { from_s: place.from_s, retired: false, check_value: Some(check_value.to_owned()) };
            self.note([(&place.name, place.number, generation)])?;
        }
        self.record.append(self.now, act, place.label().as_str(), check_value)?;
        Ok(())
    }

    /// Writes generations down, all at once.
    pub(crate) fn note<'n>(
        &mut self,
        generations: impl IntoIterator<Item = (&'n KeyName, u8, Generation)>,
    ) -> Result<(), CeremonyError> {
        for (name, number, generation) in generations {
            let mut known = self.known(name);
            known.insert(number, generation);
            self.key_file.generations.insert(name.to_string(), known);
        }
        self.save_key_file()
    }

    /// The generations of a key; the first is there without having been written down.
    pub(crate) fn known(&self, name: &KeyName) -> BTreeMap<u8, Generation> {
        let first = || BTreeMap::from([(1, Generation { from_s: 0, retired: false, check_value: None })]);
        self.key_file.generations.get(name.as_str()).cloned().unwrap_or_else(first)
    }

    /// Which of them makes things now, and which are accepted.
    pub(crate) fn lineage(&self, name: &KeyName) -> Option<Lineage> {
        let known = self.known(name);
        Lineage::of(&known, self.now.as_second(), |number| known.get(&number).is_some_and(|g| !g.retired))
    }

    pub(crate) fn save_key_file(&self) -> Result<(), CeremonyError> {
        let folder = &self.config.keys_dir;
        self.key_file.save(folder).map_err(|error| CeremonyError::File(KeyFile::path(folder), error))
    }
}

/// The name of a key that is to be made, and its kind. Where the role leaves the cipher open it is the zone's of the
/// configuration, or the one given.
pub(crate) fn named(config: &Config, text: &str, cipher: Option<Cipher>) -> Result<(KeyName, KeyKind), Fault> {
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
