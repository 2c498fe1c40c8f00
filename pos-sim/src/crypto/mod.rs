//! The outside world's own cryptography, in software.
//!
//! A real card, terminal or partner does not call the host's security module, so nothing here is shared with it: if
//! both sides had the same mistake in one function, every test would be green. Everything is checked against vectors
//! made with independent programs (`vectors/crypto.json`).

pub mod cryptogram;
pub mod key;
pub mod mac;
pub mod pin_block;

pub use key::{AesKey, KeyError, TdesKey};
