//! The walls of the house: rules about where things stand, held by a test that reads the sources and manifests.
//!
//! What decides is a function of parsed sources, so that each wall is shown a planted violation and a lawful neighbour;
//! [`checkout`] alone reads files. A wall is a *ratchet*: what stood against it when it was built is listed in
//! `ratchets/`, a violation that is not listed fails, and a listed one that is gone fails as well. The sentences are in
//! docs/architecture.md.

pub mod arrows;
pub mod checkout;
pub mod cycles;
pub mod elements;
pub mod pages;
pub mod ratchet;
pub mod source;
pub mod sql;
pub mod statement;
pub mod tokens;
pub mod words;
pub mod writers;
