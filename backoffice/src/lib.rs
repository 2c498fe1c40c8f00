//! The back office: clearing, settlement and everything else that runs per business day rather than per message.
//!
//! | what | module |
//! |---|---|
//! | clearing files, incoming and outgoing | [`clearing`] |
//! | payouts to merchants, positions with institutions | [`settlement`] |
//! | closing a business day | [`close`] |
//! | exceptions: the list of what a person has to look at | [`exceptions`] |
//! | operators: the people who may decide exceptions | [`operators`] |
//! | what the switch still owes the host of a day | [`owed`] |
//! | who owes whom for one transaction | [`owes`] |
//! | merchants and terminals from an order file | [`seed`] |
//! | re-encryption of stored PANs under the newest vault key | [`reencrypt`] |
//!
//! Verbs return values; the command line prints them. The crate `ledger` writes its own tables; the tables of clearing
//! and settlement are written by the `store` of their module.

pub mod clearing;
pub mod close;
pub mod config;
pub mod exceptions;
pub mod operators;
pub mod owed;
pub mod owes;
mod recorded;
pub mod reencrypt;
pub mod seed;
pub mod settlement;

pub use config::Config;

/// The program's name as a writer of the journal.
const PROGRAM: &str = "backoffice";
