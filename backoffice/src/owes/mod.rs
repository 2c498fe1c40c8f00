//! `backoffice owes`: who owes whom for a settled transaction; the parties' gains sum to zero.

mod shares;
mod store;

use codecs::value::{Currency, Minor};
use ledger::store::StoreError;
use serde::Serialize;
use tokio_postgres::Client;

pub use shares::Party;

/// The gain of one party.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    pub party: Party,
    pub gains_minor: i64,
    pub gains: String,
}

/// A settled transaction with the gain of each party.
#[derive(Clone, Debug, Serialize)]
pub struct TransactionShares {
    pub rrn: String,
    #[serde(rename = "lifecycle_id")]
    pub life_cycle_id: String,
    pub movement: String,
    pub role: &'static str,
    pub currency: String,
    pub parties: Vec<Share>,
    /// Sum of the gains. Anything but zero is an error.
    pub sum_minor: i64,
}

/// Why the question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum OwesError {
    #[error("{0}: no settled transaction has this reference number")]
    Unknown(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The settled transactions with this RRN.
pub async fn owes(client: &Client, rrn: &str) -> Result<Vec<TransactionShares>, OwesError> {
    let settled = store::settled_transactions(client, rrn).await?;
    if settled.is_empty() {
        return Err(OwesError::Unknown(rrn.to_owned()));
    }
    let owed = settled.into_iter().map(|of| {
        let currency = Currency::from_number(of.currency);
        let parties: Vec<_> = shares::shares(of.role, &of.amounts)
            .into_iter()
            .map(|(party, minor)| Share { party, gains_minor: minor, gains: currency.decimal(Minor(minor)) })
            .collect();
        TransactionShares {
            rrn: rrn.to_owned(),
            life_cycle_id: of.life_cycle,
            movement: of.movement,
            role: of.role.as_str(),
            currency: currency.to_string(),
            sum_minor: parties.iter().map(|share| share.gains_minor).sum(),
            parties,
        }
    });
    Ok(owed.collect())
}
