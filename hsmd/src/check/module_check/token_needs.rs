//! The needs of permanent keys: generated, stored, copied into the session, used in open operations; each with its trial.
use cryptoki::mechanism::MechanismType;
use hsm::KeyName;

use super::Purpose::{
    CardCodes, Ceremony, Dukpt, Fast, Issuing, KeyExchange, Macs, Pins, PinsAes, Separation, Strict, Vault, WorkingKeys,
};
use super::{AnnouncedUse, Failure, Need, Outcome, Purpose, trials};
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::token::{Extraction, Token};

type Trial = fn(&mut Token) -> Outcome;

/// Whether keys can carry the list of their mechanisms; tried on a permanent key if one may be made.
pub(super) fn mechanisms_are_written() -> (Need, fn(&mut Token, bool) -> Outcome) {
    let need = Need {
        name: "CKA_ALLOWED_MECHANISMS",
        mechanism: None,
        how: "a key can carry the list of its mechanisms",
        verbs: &[],
        purposes: &[Separation],
        without: "allowed_mechanisms = false in hsm.toml, or no key can be made",
    };
    let trial = |token: &mut Token, may_keep: bool| {
        if may_keep {
            return keeps(token, |token, name| token.import_static(name, KeyKind::Pvk, &[0x13; 16], Extraction::Never));
        }
        token.import(KeyKind::Pvk, &[0x13; 16])?;
        Ok(())
    };
    (need, trial)
}

/// The needs that are tried with session objects alone.
pub(super) fn in_a_session() -> Vec<(Need, Trial)> {
    let mut needs = generations();
    needs.extend(serving());
    needs
}

fn serving() -> Vec<(Need, Trial)> {
    vec![
        (
            Need {
                name: "C_CopyObject",
                mechanism: None,
                how: "a session's own copy of a key computes as the key does",
                verbs: &[],
                purposes: &EVERYTHING,
                without: "no key of the token can be served",
            },
            |token| {
                let key = token.import(KeyKind::PinDes, &[0x13; 16])?;
                let copy = token.serving_copy(&key)?;
                let block = token.des_encrypt(&copy, &[7; 8])?;
                // twice in both directions, alternating: as open operations are used
                let again = token.des_decrypt(&copy, &block)? == [7; 8] && token.des_encrypt(&copy, &[7; 8])? == block;
                let left = token.import(KeyKind::CvkLeft, &[0x13; 16])?;
                let copy = token.serving_copy(&left)?;
                let chain = token.des_chain(&copy, &[7; 24])?;
                let chained = token.des_chain(&copy, &[7; 24])? == chain && token.des_chain(&left, &[7; 24])? == chain;
                if again && token.des_encrypt(&key, &[7; 8])? == block && chained {
                    Ok(())
                } else {
                    Err(Failure::Differs("what a copy enciphers in an operation that is kept open"))
                }
            },
        ),
        (
            Need {
                name: "CKA_SENSITIVE",
                mechanism: None,
                how: "a sensitive key cannot be read, nor one that was derived",
                verbs: &[],
                purposes: &[Strict, Separation],
                without: "strict promises nothing: whoever derives a card's key can read it",
            },
            |token| {
                let master = token.import(KeyKind::ImkAc, &[0x13; 16])?;
                trials::refused("a sensitive key was read", token.value(&master))?;
                // the ability to derive is a need of its own
                match token.derive(&master, &[7; 16]) {
                    Ok(card) => trials::refused("a derived key was read", token.value(&card)),
                    Err(_) => Ok(()),
                }
            },
        ),
    ]
}

/// Keys are generated with the template of permanent keys, but in the session.
fn generations() -> Vec<(Need, Trial)> {
    vec![
        (
            Need {
                name: "CKM_AES_KEY_GEN",
                mechanism: Some((MechanismType::AES_KEY_GEN, AnnouncedUse::Generate)),
                how: "generate an AES-256 key",
                verbs: &[],
                purposes: &[Vault, WorkingKeys, Ceremony],
                without: "no vault key",
            },
            |token| generates(token, KeyKind::Vault),
        ),
        (
            Need {
                name: "CKM_GENERIC_SECRET_KEY_GEN",
                mechanism: Some((MechanismType::GENERIC_SECRET_KEY_GEN, AnnouncedUse::Generate)),
                how: "generate a secret of 32 bytes",
                verbs: &[],
                purposes: &[Vault, Ceremony],
                without: "no key for the index of account numbers",
            },
            |token| generates(token, KeyKind::PanIndex),
        ),
        (
            Need {
                name: "CKM_DES2_KEY_GEN",
                mechanism: Some((MechanismType::DES2_KEY_GEN, AnnouncedUse::Generate)),
                how: "generate a CKK_DES2 key",
                verbs: &[],
                purposes: &[Fast, Strict, Pins, Ceremony],
                without: "no issuer master key, PIN verification key or zone key of one's own",
            },
            |token| generates(token, KeyKind::ImkAc),
        ),
    ]
}

fn generates(token: &Token, kind: KeyKind) -> Outcome {
    token.generate_temporary(kind)?;
    Ok(())
}

/// The needs that are tried with permanent keys, which are destroyed after the trial.
pub(super) fn on_the_token() -> Vec<(Need, Trial)> {
    vec![
        (
            Need {
                name: "C_GenerateKey",
                mechanism: None,
                how: "a generated key is kept, private and sensitive, and found by its label",
                verbs: &[],
                purposes: &EVERYTHING,
                without: "no key of the token outlives a session",
            },
            |token| {
                for kind in [KeyKind::Vault, KeyKind::PanIndex, KeyKind::ImkAc] {
                    keeps(token, |token, name| token.generate_static(name, kind, Extraction::Never).map(|_| ()))?;
                }
                Ok(())
            },
        ),
        (
            Need {
                name: "C_CreateObject",
                mechanism: None,
                how: "a clear key is kept, private and sensitive, and found by its label",
                verbs: &[],
                purposes: &[CardCodes, KeyExchange, Ceremony],
                without: "no CVK, no key from components",
            },
            |token| keeps(token, |token, name| token.import_static(name, KeyKind::Pvk, &[0x13; 16], Extraction::Never)),
        ),
    ]
}

/// Everything that a kept key is served for.
const EVERYTHING: [Purpose; 12] =
    [Vault, Fast, Strict, Pins, PinsAes, CardCodes, Macs, WorkingKeys, KeyExchange, Dukpt, Issuing, Ceremony];

/// Makes a permanent key, finds it, and destroys it even if the trial failed.
fn keeps(token: &mut Token, make: impl FnOnce(&mut Token, &KeyName) -> Result<(), crate::module::Fault>) -> Outcome {
    let name = KeyName::fixed("trial");
    let made = make(token, &name);
    let found = token.count_permanent(&name);
    token.remove_static(&name)?;
    made?;
    if found? == 1 { Ok(()) } else { Err(Failure::Differs("the number of keys under a new name")) }
}
