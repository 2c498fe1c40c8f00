//! Walls: rules on the structure of the source code, checked by a test that reads the sources and manifests.
//!
//! Each wall is a function of parsed sources, so that its unit tests can give it violations and lawful code; only [`checkout`]
//! reads files. A wall is a *ratchet*: the violations that existed when it was built are listed in `ratchets/`. A violation
//! that is not listed fails the test, and so does a listed one that is gone. The rules are in docs/architecture.md.

pub mod arrows;
pub mod checkout;
pub mod cycles;
pub mod elements;
pub mod errors;
pub mod pages;
pub mod ratchet;
pub mod source;
pub mod sql;
pub mod statement;
pub mod tokens;
pub mod words;
pub mod writers;
