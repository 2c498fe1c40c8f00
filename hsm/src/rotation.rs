//! `hsmd rotate` and `hsmd retire`: a new generation of a key, and the end of an old one, while the daemons serve.
use std::collections::BTreeMap;

use crate::KeyName;
use crate::ceremony::{CeremonyError, Line};
use crate::ceremony_record::Record;
use crate::config::{Config, ZoneConfig};
use crate::delivery;
use crate::generation::{Generation, Lineage};
use crate::issue::DeliveryKind;
use crate::key_file::KeyFile;
use crate::key_kind::KeyKind;
use crate::module::Fault;
use crate::token::Token;
use crate::verbs::issue::{draw_key, zone_delivery};
use crate::verbs::kcv;

/// Makes the next generation of a key. It is accepted as soon as a daemon has seen it, and makes things from `lead_s` seconds
/// after `now`; a partner that must be told a zone key gets a delivery.
pub fn rotate(config: &Config, name: &str, lead_s: u32, now: jiff::Timestamp) -> Result<Line, CeremonyError> {
    let name = KeyName::new(name).map_err(|_| Fault::Request("name of a key"))?;
    let mut work = Work::begin(config)?;
    let outcome = work.rotate(&name, lead_s, now);
    work.token.close();
    outcome
}

/// Destroys a generation that nothing is made with any more. What only it opens is lost: for `vault`, re-encrypt first.
pub fn retire(config: &Config, name: &str, number: u8, now: jiff::Timestamp) -> Result<Line, CeremonyError> {
    let name = KeyName::new(name).map_err(|_| Fault::Request("name of a key"))?;
    let mut work = Work::begin(config)?;
    let outcome = work.retire(&name, number, now);
    work.token.close();
    outcome
}

/// What a rotation works with.
struct Work<'a> {
    config: &'a Config,
    token: Token,
    key_file: KeyFile,
    record: Record,
}

impl<'a> Work<'a> {
    fn begin(config: &'a Config) -> Result<Self, CeremonyError> {
        let record = Record::open(&config.keys_dir)?;
        let key_file = KeyFile::load(&config.keys_dir)
            .map_err(|error| CeremonyError::File(KeyFile::path(&config.keys_dir), error))?;
        let token = Token::open(&config.token.library()?, &config.token)?;
        Ok(Self { config, token, key_file, record })
    }

    fn rotate(&mut self, name: &KeyName, lead_s: u32, now: jiff::Timestamp) -> Result<Line, CeremonyError> {
        let known = self.known(name);
        let newest = known.keys().next_back().copied().unwrap_or(1);
        let number = newest.checked_add(1).ok_or(Fault::Request("a key has at most 255 generations"))?;
        let label = name.generation(number);
        // an orphan of an interrupted rotation: nothing was ever made with it
        self.token.remove_static(&label)?;
        let made = match rotation_of(self.config, name)? {
            Rotation::Generated(kind) => self.token.generate_static(&label, kind)?,
            Rotation::Delivered(zone) => self.make_and_deliver(zone, &label)?,
        };
        let from_s = now.as_second() + i64::from(lead_s);
        self.note(name, known, number, Generation { from_s, retired: false })?;
        self.record.append(now, "new generation", label.as_str(), &made)?;
        Ok(Line { key: label.to_string(), check_value: Some(made) })
    }

    fn make_and_deliver(&mut self, zone: &ZoneConfig, label: &KeyName) -> Result<String, CeremonyError> {
        let kind = zone.cipher.kind();
        let key = draw_key(&self.token, kind)?;
        let item = zone_delivery(&self.token, &zone.name, &key)?;
        let transport_kcv = self.key_file.transport_kcv.clone().unwrap_or_default();
        delivery::append(&self.config.deliveries_dir, DeliveryKind::Zones, &transport_kcv, vec![item])
            .map_err(|(path, error)| CeremonyError::File(path, error))?;
        let made = kcv::of_clear_key(&self.token, kind, &key)?;
        self.token.import_static(label, kind, &key)?;
        Ok(made)
    }

    fn retire(&mut self, name: &KeyName, number: u8, now: jiff::Timestamp) -> Result<Line, CeremonyError> {
        let known = self.known(name);
        let label = if number == 1 { name.clone() } else { name.generation(number) };
        let lineage = Lineage::of(&known, now.as_second(), |n| known.get(&n).is_some_and(|g| !g.retired));
        match (lineage, known.get(&number)) {
            (Some(lineage), Some(generation)) if !generation.retired && number < lineage.making => {}
            _ => return Err(Fault::Refused("only a generation older than the one in use can be retired").into()),
        }
        // first the file: daemons stop to look for it before it goes
        let from_s = known.get(&number).map_or(0, |generation| generation.from_s);
        self.note(name, known, number, Generation { from_s, retired: true })?;
        self.token.remove_static(&label)?;
        self.record.append(now, "retired", label.as_str(), "")?;
        Ok(Line { key: label.to_string(), check_value: None })
    }

    /// The generations of a key; the first is there without having been written down.
    fn known(&self, name: &KeyName) -> BTreeMap<u8, Generation> {
        let first = || BTreeMap::from([(1, Generation { from_s: 0, retired: false })]);
        self.key_file.generations.get(name.as_str()).cloned().unwrap_or_else(first)
    }

    fn note(
        &mut self,
        name: &KeyName,
        mut known: BTreeMap<u8, Generation>,
        number: u8,
        generation: Generation,
    ) -> Result<(), CeremonyError> {
        known.insert(number, generation);
        self.key_file.generations.insert(name.to_string(), known);
        let folder = &self.config.keys_dir;
        self.key_file.save(folder).map_err(|error| CeremonyError::File(KeyFile::path(folder), error))
    }
}

enum Rotation<'a> {
    /// Only this installation needs it.
    Generated(KeyKind),
    Delivered(&'a ZoneConfig),
}

/// How a key is rotated, if it can be. Card keys live as long as the cards: new cards get a new key set. The index of PANs
/// and the audit key have to give the same result for ever.
fn rotation_of<'a>(config: &'a Config, name: &KeyName) -> Result<Rotation<'a>, Fault> {
    if name.as_str() == "vault" {
        return Ok(Rotation::Generated(KeyKind::Vault));
    }
    let zone = config.ceremony.zone.iter().find(|zone| Ok(name) == KeyName::zone_pin(&zone.name).as_ref());
    match zone {
        Some(zone) if zone.deliver => Ok(Rotation::Delivered(zone)),
        Some(zone) => Ok(Rotation::Generated(zone.cipher.kind())),
        None => Err(Fault::Refused("vault and the zone PIN keys of the configuration can be rotated")),
    }
}
