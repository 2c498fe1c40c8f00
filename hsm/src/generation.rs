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

/// The keys that something made under this name may have been made with, newest first; at least one.
pub(crate) fn accepted<M: Module>(module: &M, name: &KeyName) -> Result<Vec<M::Key>, Fault> {
    match module.lineage(name) {
        None => Ok(vec![module.find(name)?]),
        Some(lineage) => lineage.held.iter().map(|number| exactly(module, name, *number)).collect(),
    }
}

/// One generation of a key.
pub(crate) fn exactly<M: Module>(module: &M, name: &KeyName, number: u8) -> Result<M::Key, Fault> {
    if number == 1 { module.find(name) } else { module.find(&name.generation(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(from: &[(u8, i64)]) -> BTreeMap<u8, Generation> {
        from.iter().map(|(number, from_s)| (*number, Generation { from_s: *from_s, retired: false })).collect()
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
