//! `hsmd rotate` and `hsmd retire`: a new generation of a key, and the end of an old one, while the daemons serve.
use hsm::{KeyName, storage_keys};

use crate::config::Config;
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_file::DATA_KEK;
use crate::keys::key_outcome::KeyOutcome;
use crate::keys::key_store::{self, KeyStore, NewGeneration};
use crate::keys::{delivery, rewrapping};
use crate::module::Fault;
use crate::module::generation::may_be_followed;
use crate::module::key_generations::Generation;
use crate::module::key_kind::KeyKind;
use crate::token::Extraction;
use crate::verbs::issue::TRANSPORT;

/// The storage keys go by one name: a key block has one number for whichever of them it is under.
const STORAGE: &str = "storage";

/// Makes the next generation of a key. It is accepted as soon as a daemon has found it, and is current from `lead_s` seconds
/// after `now`. A partner that needs a zone key gets a delivery.
pub fn rotate(config: &Config, name: &str, lead_s: u32, now: jiff::Timestamp) -> Result<Vec<KeyOutcome>, KeyActError> {
    let name = KeyName::new(name).map_err(|_| Fault::Request("name of a key"))?;
    key_store::run_act(config, now, |keys| {
        if name.as_str() == STORAGE {
            return rotate_storage_keys(keys, lead_s);
        }
        may_be_followed(&name)?;
        let target = keys.new_generation(&name, Some(lead_s))?;
        let zone = config.ceremony.zone.iter().find(|zone| Ok(&name) == KeyName::zone_pin(&zone.name).as_ref());
        let made = match (name.as_str(), zone) {
            (_, Some(zone)) if zone.deliver => delivery::zone_key(keys, zone, &target)?,
            (_, Some(zone)) => keys.generate(&target, zone.kind(), Extraction::Never)?,
            ("vault", _) => keys.generate(&target, KeyKind::Vault, Extraction::Never)?,
            (DATA_KEK, _) => keys.generate(&target, KeyKind::DataKek, Extraction::Never)?,
            ("audit", _) => keys.generate(&target, KeyKind::MacCmac, Extraction::Never)?,
            (TRANSPORT, _) => return Err(Fault::Refused(BY_CUSTODIANS).into()),
            _ => return Err(Fault::Refused(BY_PARTNERS).into()),
        };
        keys.publish(&target, "new generation", &made)?;
        Ok(vec![KeyOutcome { key: target.label().to_string(), check_value: Some(made) }])
    })
}

const BY_CUSTODIANS: &str = "its next generation is put together by the custodians: load it with --next";
const BY_PARTNERS: &str = "a partner has to have it too: load, import or generate its next generation with --next";

/// All storage keys or none: their generations are written in one step.
fn rotate_storage_keys(keys: &mut KeyStore<'_>, lead_s: u32) -> Result<Vec<KeyOutcome>, KeyActError> {
    let mut targets = Vec::new();
    for name in storage_keys() {
        targets.push(keys.new_generation(&KeyName::fixed(name), Some(lead_s))?);
    }
    let number = targets.iter().map(|target| target.number).max().unwrap_or(2);
    let mut made = Vec::new();
    for target in targets {
        let target = NewGeneration { number, ..target };
        let value = keys.generate(&target, KeyKind::Storage, Extraction::Never)?;
        made.push((target, value));
    }
    let generation = |target: &NewGeneration| Generation { from_s: target.from_s, retired: false, check_value: None };
    keys.save_generations(made.iter().map(|(target, _)| (&target.name, target.number, generation(target))))?;
    let mut lines = Vec::new();
    for (target, value) in made {
        keys.record.append(keys.now, "new generation", target.label().as_str(), &value)?;
        lines.push(KeyOutcome { key: target.label().to_string(), check_value: Some(value) });
    }
    Ok(lines)
}

/// Destroys a generation that is no longer current. Data that only it opens are lost: for `vault`, re-encrypt first. It is
/// refused while wrapped keys beside the token are still under that generation.
pub fn retire(config: &Config, name: &str, number: u8, now: jiff::Timestamp) -> Result<Vec<KeyOutcome>, KeyActError> {
    let name = KeyName::new(name).map_err(|_| Fault::Request("name of a key"))?;
    key_store::run_act(config, now, |keys| {
        let names = match name.as_str() {
            STORAGE => storage_keys().map(KeyName::fixed).collect(),
            one if storage_keys().any(|storage| storage == one) => {
                return Err(Fault::Refused("storage keys go together, as `storage`").into());
            }
            _ => vec![name.clone()],
        };
        refuse_what_is_needed(keys, &name, number)?;
        let mut ending = Vec::new();
        for name in &names {
            let known = keys.generations_of(name);
            match (keys.generations(name), known.get(&number)) {
                (Some(generations), Some(generation)) if !generation.retired && number < generations.current => {
                    ending.push((name, number, Generation { retired: true, ..generation.clone() }));
                }
                _ => return Err(Fault::Refused("only a generation older than the one in use can be retired").into()),
            }
        }
        // the file first: daemons stop using the generation before it is destroyed
        keys.save_generations(ending)?;
        let mut lines = Vec::new();
        for name in names {
            let label = name.numbered(number);
            for suffix in [".l", ".v"] {
                keys.token.remove_static(&label.with_suffix(suffix))?;
            }
            keys.token.remove_static(&label)?;
            keys.record.append(keys.now, "retired", label.as_str(), "")?;
            lines.push(KeyOutcome { key: label.to_string(), check_value: None });
        }
        Ok(lines)
    })
}

fn refuse_what_is_needed(keys: &KeyStore<'_>, name: &KeyName, number: u8) -> Result<(), KeyActError> {
    let why = match name.as_str() {
        "audit" => Some("seals under it have to be checked for as long as the books are kept"),
        DATA_KEK if keys.key_file.data_keys.values().any(|key| key.generation == number) => {
            Some("data keys are still under it: rewrap first")
        }
        STORAGE if rewrapping::terminals_are_under(keys.config, number)? => {
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
