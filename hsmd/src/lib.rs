//! The daemon in front of the PKCS#11 module, and the acts on the keys in its token.
//!
//! Folders from the ground up: `module` is the interface that the verbs need of a cryptographic module; `token` implements it
//! over PKCS#11; `verbs` carries out each verb over any module; `keys` holds the acts on keys, which an operator starts;
//! `daemon` serves the sockets; `check` tries a module; `command` is the command line. None uses a folder named after it.

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
mod recent_cache;
mod token;
mod verbs;
mod weakness;
