//! The book: accounts, cards, tokens and holds, business days, the journal with its hash chain, and the chart of accounts.
//!
//! | what | module |
//! |---|---|
//! | hot row of an account, a card, a token, a hold | [`account`], [`card`], [`token`], [`hold`] · |
//! | transaction counters seen | [`counters`] · |
//! | what of a card read is kept | [`chip`] · |
//! | where in the book a transaction belongs | [`bucket`], [`place`] · |
//! | business days and cycles | [`day`] · |
//! | the identity of a request | [`key`] · |
//! | the journal's row and the chain over it | [`journal`] · |
//! | what a decision does to accounts, and what that posts | [`movement`], [`posting`], [`chart`] · |
//! | totals of an originator | [`totals`] · |
//! | what a batch loads and writes | [`book`] · |
//! | unique names of accounts, cards and tokens | [`reference`] · |
//! | the tables | [`store`] ▶ |

pub mod account;
pub mod book;
pub mod bucket;
pub mod card;
pub mod chart;
pub mod chip;
pub mod counters;
pub mod day;
pub mod hold;
pub mod journal;
pub mod key;
pub mod movement;
pub mod place;
pub mod posting;
pub mod reference;
pub mod store;
pub mod token;
pub mod totals;
mod words;
