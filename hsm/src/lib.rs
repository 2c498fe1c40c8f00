//! Card verbs over a hardware security module: keys, PINs, card verification values, cryptograms, MACs and the PAN vault.
//!
//! `hsmd` is the only process that loads the PKCS#11 module; the other programs hold a [`Client`] and speak in card terms.
//! A request names *what* is to be judged (a PIN block and its PVV, a cryptogram and its data) and the answer is a
//! verdict; clear PINs and keys exist in the daemon alone. One job is one whole verb, so that an authorization costs one
//! round trip.
//!
//! A cryptographic mismatch is an outcome in the verdict. [`HsmError`] is for what gave no verdict.

mod audit_seal;
pub mod backup;
mod card;
pub mod ceremony;
mod ceremony_error;
mod ceremony_record;
mod client;
mod companions;
pub mod components;
mod config;
mod custody;
mod daemon;
pub mod delivery;
mod delivery_file;
mod des_key;
pub mod desk;
mod dukpt;
mod edge;
mod error;
mod generation;
mod harden;
mod health;
mod hex;
mod issue;
mod key_block;
mod key_exchange;
pub mod key_export;
mod key_file;
pub mod key_import;
mod key_kind;
pub mod key_list;
mod keyroom;
pub mod line;
mod lineage;
mod module;
mod module_check;
mod name;
pub mod new_key;
mod observe;
#[cfg(test)]
#[path = "../tests/secrets/own_memory.rs"]
mod own_memory;
mod own_user;
#[allow(unsafe_code)]
mod p11;
mod pin;
mod queue;
mod recent;
pub mod rewrapping;
mod role;
pub mod rotation;
mod script;
mod secret;
mod server;
#[cfg(test)]
mod software;
mod source;
mod stack;
mod status;
mod supervisor;
mod token;
pub mod tr31;
mod travel;
pub mod trial;
mod turn;
mod vault;
mod vector_check;
mod verb;
mod verbs;
mod weakness;
mod whole_file;
mod wire;

pub use audit_seal::AuditSeal;
pub use card::{
    CardCheck, CardVerdict, ChipCheck, ChipOutcome, CodeCheck, CodeOutcome, CodeRead, CryptogramData, DynamicRead,
    PinCheck, PinOutcome,
};
pub use client::{Client, ClientConfig, Sockets};
pub use config::{Config, ConfigError};
pub use custody::ComponentRefused;
pub use daemon::{ServeError, opens_token, serve};
pub use delivery_file::{DeliveryFile, DeliveryItem, DeliveryKind};
pub use dukpt::{AesTransaction, TdesTransaction};
pub use edge::{
    EdgeCheck, EdgeVerdict, MacCheck, MacKey, MacOutcome, PinFormat, PinKey, PinTranslation, TranslationOutcome,
};
pub use error::HsmError;
pub use harden::forbid_dumps;
pub use health::{Health, ModuleState};
pub use issue::{
    CardOrder, CodeOrder, MacAlgorithm, PersonalisedCard, TerminalKeyRow, TerminalKeys, TerminalOrder, TokenOrder,
};
pub use key_block::{KeyBlock, KeyUsage};
pub use key_exchange::{CheckValues, ImportedKey, KeyImportOutcome, KeyOrder, MadeKey};
pub use key_kind::Cipher;
pub use name::{KeyName, KeySet};
pub use own_user::{OwnUserError, become_own_user};
pub use pin::{IssuedPin, OffsetScheme, PinChange, PinChangeOutcome, PinMethod, PinOffset, PinOrder, PinReference};
pub use script::{EnteredPin, ScriptData, ScriptOrder, ScriptOutcome};
pub use secret::{DataKey, Pvv, RandomBytes, SecurityCode};
pub use travel::Unsuitable;
pub use vault::{PanEnvelope, PanIndex, REVEAL_BATCH};
