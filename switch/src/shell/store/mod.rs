//! The pending log: what is under way and what is owed, on disk before it is on the wire.
//!
//! A record is in the page cache (`write`) before its message leaves, so a killed process loses nothing; what is owed is
//! on the disk (`fdatasync`) before the 91 or 00 leaves that promises it. Every record is sealed under a key
//! that only hsmd can unwrap; no record holds track data, a PIN block or a card security code, sealed or not.

pub mod log;
mod seal;
mod sync;

pub use log::PendingLog;
pub use sync::Syncer;
