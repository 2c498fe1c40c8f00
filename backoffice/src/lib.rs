//! The back office: everything that has a day instead of a deadline.
//!
//! | what | module |
//! |---|---|
//! | clearing files of foreign acquirers in, ours out | [`clearing`] |
//! | what merchants are paid, where we stand with institutions | [`settlement`] |
//! | closing a business day | [`close`] |
//! | who owes whom for one transaction | [`owes`] |
//! | merchants and terminals from an order file | [`seed`] |
//! | stored PANs under the newest vault key | [`reencrypt`] |
//!
//! Verbs return values; the command line prints them. What they change of the book goes through `ledger`, and each room's
//! own tables are written in its `store`.

pub mod clearing;
pub mod close;
pub mod config;
pub mod owes;
pub mod reencrypt;
pub mod seed;
pub mod settlement;

pub use config::Config;
