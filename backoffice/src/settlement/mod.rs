//! Settlement: payouts to our merchants for a cycle, and positions with each foreign institution.
//!
//! `·` is pure, `▶` does I/O.
//!
//! | what | module |
//! |---|---|
//! | fees: service charge, interchange, scheme fee | [`fees`] · |
//! | which movements are held, and what becomes of them | [`held`] · |
//! | captured movements → lines, merchants' balances | [`line`] · |
//! | positions with foreign institutions | [`position`] · |
//! | lines and balances → postings | [`posting`] · |
//! | `<merchant>.csv`, `batch.json` | [`export`] · |
//! | `payout.xml` (pain.001) | [`payout`] · |
//! | who sends the files | [`sender`] · |
//! | the tables | [`store`] ▶ |

pub mod export;
pub mod fees;
pub mod held;
pub mod line;
pub mod payout;
pub mod position;
pub mod posting;
pub mod sender;
pub mod store;

use std::path::PathBuf;

use serde::Deserialize;

/// Settings of settlement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Path of the fee schedule.
    pub fee_schedule: PathBuf,
    /// Days from a cycle's date to the value date of payouts, Saturdays and Sundays not counted.
    pub value_days: u8,
    pub payer: Payer,
}

/// The bank account from which merchants are paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payer {
    pub name: String,
    pub iban: String,
    pub bic: String,
}
