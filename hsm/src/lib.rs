//! Card verbs over a hardware security module: keys, PINs, card verification values, cryptograms, MACs and the PAN vault.
//!
//! `hsmd` is the only process that loads the PKCS#11 module; the other programs hold a [`Client`], whose requests are in terms of
//! cards. A request has the data to be checked (a PIN block and its PVV, a cryptogram and its data) and the answer is a
//! verdict; clear PINs and keys exist only in the daemon. One job is one whole verb, so that an authorization costs one round
//! trip.
//!
//! A cryptographic mismatch is an outcome in the verdict. [`HsmError`] means that there is no verdict.
//!
//! This crate holds what client and daemon share: the verbs as values, their protocol ([`wire`]), and the client. The
//! computing is in the crate `hsmd`, which uses [`verb`] and [`wire`] from here.

mod audit_seal;
mod card;
mod client;
mod delivery_file;
mod dukpt;
mod edge;
mod error;
mod harden;
mod health;
mod issue;
mod key_block;
mod key_exchange;
mod name;
mod pin;
mod script;
mod secret;
mod vault;
pub mod verb;
pub mod wire;

pub use audit_seal::AuditSeal;
pub use card::{
    CardCheck, CardVerdict, ChipCheck, ChipOutcome, CodeCheck, CodeOutcome, CodeRead, CryptogramData, DynamicRead,
    PinCheck, PinOutcome,
};
pub use client::{Client, ClientConfig, Sockets};
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
pub use key_block::{KeyBlock, KeyUsage, STORAGE_X919_LEFT, storage_keys};
pub use key_exchange::{CheckValues, ImportedKey, KeyImportOutcome, KeyOrder, MadeKey};
pub use name::{KeyName, KeySet};
pub use pin::{IssuedPin, OffsetScheme, PinChange, PinChangeOutcome, PinMethod, PinOffset, PinOrder, PinReference};
pub use script::{EnteredPin, ScriptData, ScriptOrder, ScriptOutcome};
pub use secret::{DataKey, Pvv, RandomBytes, SecurityCode};
pub use vault::{PanEnvelope, PanIndex, REVEAL_BATCH};
