//! `hsmd rotate` and `hsmd retire`: a new generation of a key, and the end of an old one, while the daemons serve.
use hsm::{KeyName, storage_keys};

use crate::config::Config;
use crate::keys::ceremony_error::CeremonyError;
use crate::keys::key_file::DATA_KEK;
use crate::keys::keyroom::{self, Keyroom, Place};
use crate::keys::line::Line;
use crate::keys::{delivery, rewrapping};
use crate::module::Fault;
use crate::module::generation::may_be_followed;
use crate::module::key_kind::KeyKind;
use crate::module::lineage::Generation;
use crate::token::Stay;
use crate::verbs::issue::TRANSPORT;

/// The storage keys go by one name: a key block has one number for whichever of them it is under.
const STORAGE: &str = "storage";

/// Makes the next generation of a key. It is accepted as soon as a daemon has seen it, and makes things from `lead_s` seconds
/// after `now`; a partner that must be told a zone key gets a delivery.
pub fn rotate(config: &Config, name: &str, lead_s: u32, now: jiff::Timestamp) -> Result<Vec<Line>, CeremonyError> {
    let name = KeyName::new(name).map_err(|_| Fault::Request("name of a key"))?;
    keyroom::within(config, now, |room| {
        if name.as_str() == STORAGE {
            return rotate_storage_keys(room, lead_s);
        }
        may_be_followed(&name)?;
        let place = room.place(&name, Some(lead_s))?;
        let zone = config.ceremony.zone.iter().find(|zone| Ok(&name) == KeyName::zone_pin(&zone.name).as_ref());
        let made = match (name.as_str(), zone) {
            (_, Some(zone)) if zone.deliver => delivery::zone_key(room, zone, &place)?,
            (_, Some(zone)) => room.generate(&place, zone.kind(), Stay::ForGood)?,
            ("vault", _) => room.generate(&place, KeyKind::Vault, Stay::ForGood)?,
            (DATA_KEK, _) => room.generate(&place, KeyKind::DataKek, Stay::ForGood)?,
            ("audit", _) => room.generate(&place, KeyKind::MacCmac, Stay::ForGood)?,
            (TRANSPORT, _) => return Err(Fault::Refused(BY_CUSTODIANS).into()),
            _ => return Err(Fault::Refused(BY_PARTNERS).into()),
        };
        room.settle(&place, "new generation", &made)?;
        Ok(vec![Line { key: place.label().to_string(), check_value: Some(made) }])
    })
}

const BY_CUSTODIANS: &str = "its next generation is put together by the custodians: load it with --next";
const BY_PARTNERS: &str = "a partner has to have it too: load, import or generate its next generation with --next";

/// All of them or none: they are written down together.
fn rotate_storage_keys(room: &mut Keyroom<'_>, lead_s: u32) -> Result<Vec<Line>, CeremonyError> {
    let mut places = Vec::new();
    for name in storage_keys() {
        places.push(room.place(&KeyName::fixed(name), Some(lead_s))?);
    }
    let number = places.iter().map(|place| place.number).max().unwrap_or(2);
    let mut made = Vec::new();
    for place in places {
        let place = Place { number, ..place };
        let value = room.generate(&place, KeyKind::Storage, Stay::ForGood)?;
        made.push((place, value));
    }
    let generation = |place: &Place| Generation { from_s: place.from_s, retired: false, check_value: None };
    room.note(made.iter().map(|(place, _)| (&place.name, place.number, generation(place))))?;
    let mut lines = Vec::new();
    for (place, value) in made {
        room.record.append(room.now, "new generation", place.label().as_str(), &value)?;
        lines.push(Line { key: place.label().to_string(), check_value: Some(value) });
    }
    Ok(lines)
}

/// Destroys a generation that nothing is made with any more. What only it opens is lost: for `vault`, re-encrypt first. What
/// lies beside the token and is still under it keeps it from being destroyed.
pub fn retire(config: &Config, name: &str, number: u8, now: jiff::Timestamp) -> Result<Vec<Line>, CeremonyError> {
    let name = KeyName::new(name).map_err(|_| Fault::Request("name of a key"))?;
    keyroom::within(config, now, |room| {
        let names = match name.as_str() {
            STORAGE => storage_keys().map(KeyName::fixed).collect(),
            one if storage_keys().any(|storage| storage == one) => {
                return Err(Fault::Refused("storage keys go together, as `storage`").into());
            }
            _ => vec![name.clone()],
        };
        refuse_what_is_needed(room, &name, number)?;
        let mut ending = Vec::new();
        for name in &names {
            let known = room.known(name);
            match (room.lineage(name), known.get(&number)) {
                (Some(lineage), Some(generation)) if !generation.retired && number < lineage.making => {
                    ending.push((name, number, Generation { retired: true, ..generation.clone() }));
                }
                _ => return Err(Fault::Refused("only a generation older than the one in use can be retired").into()),
            }
        }
        // first the file: daemons stop to look for it before it goes
        room.note(ending)?;
        let mut lines = Vec::new();
        for name in names {
            let label = name.numbered(number);
            for suffix in [".l", ".v"] {
                room.token.remove_static(&label.with_suffix(suffix))?;
            }
            room.token.remove_static(&label)?;
            room.record.append(room.now, "retired", label.as_str(), "")?;
            lines.push(Line { key: label.to_string(), check_value: None });
        }
        Ok(lines)
    })
}

fn refuse_what_is_needed(room: &Keyroom<'_>, name: &KeyName, number: u8) -> Result<(), CeremonyError> {
    let why = match name.as_str() {
        "audit" => Some("seals under it have to be checked for as long as the books are kept"),
        DATA_KEK if room.key_file.data_keys.values().any(|key| key.generation == number) => {
            Some("data keys are still under it: rewrap first")
        }
        STORAGE if rewrapping::terminals_are_under(room.config, number)? => {
            Some("terminals' key blocks are still under it: rewrap first, and have the switch read them again")
        }
        _ => None,
    };
    why.map_or(Ok(()), |why| Err(Fault::Refused(why).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsm::KeyUsage;

    #[test]
    fn every_usage_has_its_storage_key_in_the_round() {
        let all: Vec<&str> = storage_keys().collect();
        assert!(KeyUsage::ALL.into_iter().all(|usage| all.contains(&usage.storage_key())));
        assert_eq!(all.len(), KeyUsage::ALL.len() + 1);
    }
}
