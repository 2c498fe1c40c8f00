//! The daemon in front of the PKCS#11 module, and the acts that fill its token.
//!
//! Folders from the ground up: `module` is what the verbs need of a cryptographic module, in its own terms; `token` is one
//! over PKCS#11; `verbs` says what each verb does, over any module; `keys` holds the acts on keys, at which people are present;
//! `daemon` serves; `check` tries a module; `command` is the command line. None needs one above it.

mod check;
pub mod command;
mod config;
mod daemon;
mod des_key;
mod hex;
mod keys;
mod memory_lock;
mod module;
#[cfg(test)]
#[path = "../tests/secrets/own_memory.rs"]
mod own_memory;
mod recent;
mod token;
mod verbs;
mod weakness;
