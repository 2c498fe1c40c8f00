//! The pending log: requests under way and messages of store and forward, on file before they are on the wire.
//!
//! A record is in the page cache (`write`) before its message is sent, so a killed process loses nothing. The record of
//! a message of store and forward is on the disk (`fdatasync`) before the 91 or 00 that relies on it is sent. Every
//! record is sealed under a key that only hsmd can unwrap; no record holds track data, a PIN block or a card security
//! code, sealed or not.

pub mod fingerprints;
pub mod log;
mod open_item;
mod reserve;
mod seal;
mod sync;

pub use fingerprints::{FingerprintThread, Fingerprints, Found};
pub use log::PendingLog;
pub use reserve::Reserve;
pub use sync::Syncer;
