//! Settlement: what each merchant of ours is paid for a cycle, and where we stand with each foreign institution.
//!
//! | what | module |
//! |---|---|
//! | charges by rate: service charge, interchange, scheme fee | [`fees`] · |
//! | captured movements → lines, merchants' balances | [`line`] · |
//! | positions with foreign institutions | [`position`] · |
//! | lines and balances → postings | [`posting`] · |
//! | `<merchant>.csv`, `batch.json` | [`export`] · |
//! | `payout.xml` (pain.001) | [`payout`] · |
//! | the tables | [`store`] ▶ |

pub mod export;
pub mod fees;
pub mod line;
pub mod payout;
pub mod position;
pub mod posting;
pub mod store;

use std::path::PathBuf;

use serde::Deserialize;

/// How merchants are settled.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rates.
    pub fee_schedule: PathBuf,
    /// Days from a cycle's date to the day merchants have their money, Saturdays and Sundays not counted.
    pub value_days: u8,
    pub payer: Payer,
}

/// The account that merchants are paid from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payer {
    pub name: String,
    pub iban: String,
    pub bic: String,
}
