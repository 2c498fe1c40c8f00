//! Generations of a rotated key: which one is current, and which are still accepted.
//!
//! The current generation is used to encrypt, seal and sign. The first generation has the key's own name, later ones are
//! `NAME.g2`, `NAME.g3`. A new generation is accepted as soon as a daemon has found it. It becomes current only some seconds
//! later, when every daemon of the token has found it: so no daemon receives data under a key that it does not know. An old
//! generation is accepted until it is retired.
use hsm::KeyName;

use crate::module::{Fault, Module};

/// Whether a key of this name can have a next generation: its users have to tell generations apart, or to try them.
///
/// Card keys live as long as the cards: new cards get a new key set, which their row names. A DUKPT key serial number names the
/// base derivation key. The index of a PAN must never change.
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

/// The current key of this name, and its generation.
pub(crate) fn current<M: Module>(module: &M, name: &KeyName) -> Result<(M::Key, u8), Fault> {
    let number = module.generations(name).map_or(1, |generations| generations.current);
    Ok((exactly(module, name, number)?, number))
}

/// The label of the current key of this name: for a key that also has a companion.
pub(crate) fn current_label<M: Module>(module: &M, name: &KeyName) -> KeyName {
    name.numbered(module.generations(name).map_or(1, |generations| generations.current))
}

/// The labels of the accepted generations of a key, newest first; at least one.
pub(crate) fn accepted_labels<M: Module>(module: &M, name: &KeyName) -> Vec<KeyName> {
    match module.generations(name) {
        None => vec![name.clone()],
        Some(generations) => generations.held.iter().map(|number| name.numbered(*number)).collect(),
    }
}

/// The accepted generations of a key, newest first.
pub(crate) fn accepted<M: Module>(module: &M, name: &KeyName) -> Result<Vec<M::Key>, Fault> {
    accepted_labels(module, name).iter().map(|label| module.find(label)).collect()
}

/// One generation of a key.
pub(crate) fn exactly<M: Module>(module: &M, name: &KeyName, number: u8) -> Result<M::Key, Fault> {
    module.find(&name.numbered(number))
}
