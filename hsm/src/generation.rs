//! Generations of a key that is rotated: which one makes things now, and which are still accepted.
//!
//! The first generation bears the key's own name, later ones `NAME.g2`, `NAME.g3`. A new generation is accepted as soon as a
//! daemon has found it, and makes things only some seconds later, when every daemon of the token has: until then nothing
//! comes in under a key that one of them does not know. An old one is accepted until it is retired.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::KeyName;
use crate::module::{Fault, Module};

/// Generations of all rotated keys, by name and number, as the key file keeps them.
pub(crate) type Generations = BTreeMap<String, BTreeMap<u8, Generation>>;

/// One generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Generation {
    /// Unix time from which it makes things.
    pub from_s: i64,
    /// Its key is gone.
    #[serde(default)]
    pub retired: bool,
    /// Six hex digits, where somebody outside has to know which one it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_value: Option<String>,
}

/// Whether a key of this name can have a next generation: whoever uses it has to tell them apart, or to try them.
///
/// Card keys live as long as the cards: new cards get a new key set, which their row names. A terminal's serial number names
/// its base derivation key. An index of PANs has to come out the same for ever.
pub(crate) fn may_be_followed(name: &KeyName) -> Result<(), Fault> {
    let role = name.as_str().split('/').next().unwrap_or_default();
    match role {
        "vault" | "zpk" | "zak" | "storage" | "data-kek" | "transport" | "audit" | "kbpk" | "kek" => Ok(()),
        "cvk" | "pvk" | "imk-ac" | "imk-smi" | "imk-smc" | "imk-dcvv" => Err(Fault::Refused(
            "card keys live as long as their cards: name a new key set in ceremony.card_key_sets or token_ranges, and issue from it",
        )),
        "bdk" => Err(Fault::Refused(
            "a terminal's serial number names its base derivation key: give new terminals one of another name",
        )),
        _ => Err(Fault::Refused("an index of PANs has to come out the same for ever")),
    }
}

/// What a module has of a key that was rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lineage {
    pub making: u8,
    /// Newest first.
    pub held: Vec<u8>,
}

impl Lineage {
    /// Of the generations that `holds` says are there: the newest whose time has come makes things, or the oldest if none's has.
    pub(crate) fn of(known: &BTreeMap<u8, Generation>, now_s: i64, holds: impl Fn(u8) -> bool) -> Option<Self> {
        let held: Vec<u8> = known.keys().rev().copied().filter(|number| holds(*number)).collect();
        let come = held.iter().find(|number| known.get(number).is_some_and(|generation| generation.from_s <= now_s));
        let making = *come.or(held.last())?;
        Some(Self { making, held })
    }
}

/// The key that makes things under this name now, and its generation.
pub(crate) fn making<M: Module>(module: &M, name: &KeyName) -> Result<(M::Key, u8), Fault> {
    let number = module.lineage(name).map_or(1, |lineage| lineage.making);
    Ok((exactly(module, name, number)?, number))
}

/// The label of the key that makes things under this name now: for what also has a companion.
pub(crate) fn making_label<M: Module>(module: &M, name: &KeyName) -> KeyName {
    name.numbered(module.lineage(name).map_or(1, |lineage| lineage.making))
}

/// The labels of the keys that something made under this name may have been made with, newest first; at least one.
pub(crate) fn accepted_labels<M: Module>(module: &M, name: &KeyName) -> Vec<KeyName> {
    match module.lineage(name) {
        None => vec![name.clone()],
        Some(lineage) => lineage.held.iter().map(|number| name.numbered(*number)).collect(),
    }
}

/// Those keys.
pub(crate) fn accepted<M: Module>(module: &M, name: &KeyName) -> Result<Vec<M::Key>, Fault> {
    accepted_labels(module, name).iter().map(|label| module.find(label)).collect()
}

/// One generation of a key.
pub(crate) fn exactly<M: Module>(module: &M, name: &KeyName, number: u8) -> Result<M::Key, Fault> {
    module.find(&name.numbered(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(from: &[(u8, i64)]) -> BTreeMap<u8, Generation> {
        from.iter()
            .map(|(number, from_s)| (*number, Generation { from_s: *from_s, retired: false, check_value: None }))
            .collect()
    }

    #[test]
    fn a_generation_makes_things_from_its_time_on() {
        let known = known(&[(1, 0), (2, 100), (3, 200)]);
        let lineage = |now, held: &[u8]| Lineage::of(&known, now, |number| held.contains(&number));
        assert_eq!(lineage(99, &[1, 2]), Some(Lineage { making: 1, held: vec![2, 1] }));
        assert_eq!(lineage(100, &[1, 2]), Some(Lineage { making: 2, held: vec![2, 1] }));
        assert_eq!(lineage(300, &[1, 2]), Some(Lineage { making: 2, held: vec![2, 1] }), "3 has not been found yet");
        assert_eq!(lineage(300, &[2, 3]), Some(Lineage { making: 3, held: vec![3, 2] }), "1 is retired");
        assert_eq!(lineage(0, &[2]), Some(Lineage { making: 2, held: vec![2] }), "better early than not at all");
        assert_eq!(lineage(0, &[]), None);
    }
}
