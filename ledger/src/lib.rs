//! The ledger and its data model: accounts, cards, tokens and holds, business days, the journal with its hash chain,
//! and the chart of accounts.
//!
//! `·` is pure (no clock, no I/O), `▶` reads and writes Postgres.
//!
//! | content | module |
//! |---|---|
//! | what is kept of foreign cards | [`acquired`] · |
//! | an account, a card, a token, a hold | [`account`], [`card`], [`token`], [`hold`] · |
//! | transaction counters (ATC) already used | [`atc_window`] · |
//! | chip data that is stored for clearing | [`chip`] · |
//! | bucket and account of a transaction | [`bucket`], [`row_location`] · |
//! | business days and cycles | [`day`] · |
//! | idempotency key of a request | [`key`] · |
//! | the journal's row | [`journal`] · |
//! | hash chains over rows and changes | [`chain`] · |
//! | effect of a decision on accounts, and its posting | [`movement`], [`posting`], [`chart`] · |
//! | captures that a refund names | [`capture`] · |
//! | merchants that keep a card's number | [`stored_credential`] · |
//! | totals of an originator | [`totals`] · |
//! | rows that a batch loads and writes | [`batch_rows`] · |
//! | unique names of accounts, cards and tokens | [`reference`] · |
//! | the tables | [`store`] ▶ |

pub mod account;
pub mod acquired;
pub mod atc_window;
pub mod batch_rows;
pub mod bucket;
pub mod capture;
pub mod card;
pub mod chain;
pub mod chart;
pub mod chip;
pub mod day;
pub mod hold;
pub mod journal;
pub mod key;
pub mod movement;
pub mod posting;
pub mod reference;
pub mod row_location;
pub mod store;
pub mod stored_credential;
pub mod token;
pub mod totals;
mod words;
