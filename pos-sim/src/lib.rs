//! The outside world: cards, wallets, terminals, a foreign acquirer and a foreign issuer.
//!
//! It shares no code with the switch, the host or the security module; only `codecs` is common, because that is the
//! wire. Keys come to it as they come to a personalisation bureau or a terminal vendor: in delivery files encrypted
//! under a transport key whose two components two people carry.

pub mod acquirer;
pub mod card;
pub mod chip;
pub mod command;
pub mod config;
mod counters;
pub mod crypto;
pub mod delivery;
pub mod exchange;
pub mod issuer;
pub mod line;
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
