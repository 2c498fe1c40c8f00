//! The generations of a rotated key, as the key file stores them and as a module holds them.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Generations of all rotated keys, by name and number, as the key file stores them.
pub(crate) type StoredGenerations = BTreeMap<String, BTreeMap<u8, Generation>>;

/// One generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Generation {
    /// Unix time from which it is current.
    pub from_s: i64,
    /// Its key is gone.
    #[serde(default)]
    pub retired: bool,
    /// Six hex digits, where a partner has to identify the generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_value: Option<String>,
}

/// The generations of one rotated key that a module holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyGenerations {
    pub current: u8,
    /// Newest first.
    pub held: Vec<u8>,
}

impl KeyGenerations {
    /// Of the generations that the module `holds`, the newest whose time has come is current, or the oldest if none's has.
    pub(crate) fn of(known: &BTreeMap<u8, Generation>, now_s: i64, holds: impl Fn(u8) -> bool) -> Option<Self> {
        let held: Vec<u8> = known.keys().rev().copied().filter(|number| holds(*number)).collect();
        let come = held.iter().find(|number| known.get(number).is_some_and(|generation| generation.from_s <= now_s));
        let current = *come.or(held.last())?;
        Some(Self { current, held })
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
        let generations = |now, held: &[u8]| KeyGenerations::of(&known, now, |number| held.contains(&number));
        assert_eq!(generations(99, &[1, 2]), Some(KeyGenerations { current: 1, held: vec![2, 1] }));
        assert_eq!(generations(100, &[1, 2]), Some(KeyGenerations { current: 2, held: vec![2, 1] }));
        assert_eq!(
            generations(300, &[1, 2]),
            Some(KeyGenerations { current: 2, held: vec![2, 1] }),
            "3 has not been found yet"
        );
        assert_eq!(generations(300, &[2, 3]), Some(KeyGenerations { current: 3, held: vec![3, 2] }), "1 is retired");
        assert_eq!(
            generations(0, &[2]),
            Some(KeyGenerations { current: 2, held: vec![2] }),
            "better early than not at all"
        );
        assert_eq!(generations(0, &[]), None);
    }
}
