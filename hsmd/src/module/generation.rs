//! Generations of a key that is rotated: which one makes things now, and which are still accepted.
//!
//! The first generation bears the key's own name, later ones `NAME.g2`, `NAME.g3`. A new generation is accepted as soon as a
//! daemon has found it, and makes things only some seconds later, when every daemon of the token has: until then nothing
//! comes in under a key that one of them does not know. An old one is accepted until it is retired.
use hsm::KeyName;

use crate::module::{Fault, Module};

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
