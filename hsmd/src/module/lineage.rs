//! What is known of a key that is rotated: its generations, and which of them a module has.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
