//! The simulator's own cryptography, in software.
//!
//! A real card, terminal or partner does not call the host's security module, so no code is shared with it: with a mistake in a
//! shared function, every test would still pass. Everything is checked against vectors made with independent programs
//! (`vectors/crypto.json`).

pub mod cryptogram;
pub mod key;
pub mod mac;
pub mod pin_block;

pub use key::{AesKey, KeyError, TdesKey};
