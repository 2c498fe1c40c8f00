//! Simulator of the parties outside: cards, wallets, terminals, a foreign acquirer and a foreign issuer.
//!
//! It shares no code with the switch, the host or the security module, except `codecs`, the format on the wire. It gets keys as
//! a personalisation bureau or a terminal vendor does: in delivery files encrypted under a transport key whose two components
//! are held by two custodians.

pub mod acquirer;
pub mod card;
pub mod chip;
pub mod command;
pub mod config;
pub mod connection;
mod counters;
pub mod crypto;
pub mod delivery;
pub mod exchange;
pub mod issuer;
pub mod load;
pub mod log;
pub mod mix;
pub mod moment;
pub mod presentment;
pub mod reading;
pub mod receipt;
pub mod request;
pub mod scenario;
pub mod schedule;
pub mod secret;
pub mod shop;
pub mod terminal;
pub mod till;
pub mod totals;
pub mod wallet;
pub mod world;
pub mod zipf;
