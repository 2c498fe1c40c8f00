//! Merchants and terminals from an order file, TOML or JSON by its ending. Idempotent: existing rows are updated.
#![expect(clippy::disallowed_methods, reason = "shell: a change says when it was made")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ledger::store::merchant::{self, MerchantRow};
use ledger::store::{StoreError, Writer, terminal};
use serde::Deserialize;
use tokio_postgres::Client;

use crate::PROGRAM;

/// Merchants with their terminals.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchants {
    pub merchant: Vec<Merchant>,
}

/// A merchant of ours.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchant {
    /// DE42, 15 characters.
    pub merchant_id: String,
    pub name: String,
    pub mcc: i16,
    pub city: String,
    /// ISO 3166 numeric, three digits.
    pub country: String,
    pub iban: String,
    /// DE41, 8 characters each.
    pub terminals: Vec<String>,
}

/// Why merchants could not be inserted. None of the file was.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("{}: {reason}", path.display())]
    Orders { path: PathBuf, reason: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes in one batch of the journal.
const CHANGES_PER_BATCH: usize = 1000;

/// Numbers of merchants and terminals in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeededCounts {
    pub merchants: usize,
    pub terminals: usize,
}

/// Reads an order file.
pub fn read(path: &Path) -> Result<Merchants, SeedError> {
    let text = std::fs::read_to_string(path).map_err(|source| SeedError::File { path: path.to_owned(), source })?;
    let wrong = |reason: String| SeedError::Orders { path: path.to_owned(), reason: reason.trim().replace('\n', " ") };
    if path.extension().is_some_and(|ending| ending == "json") {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
    } else {
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))
    }
}

/// Inserts or updates everything in the file and records it, in one transaction.
pub async fn seed(client: &mut Client, merchants: &Merchants) -> Result<SeededCounts, SeedError> {
    let transaction = client.transaction().await.map_err(StoreError::from)?;
    let at = Timestamp::now();
    let (mut changes, mut terminals) = (Vec::new(), 0);
    for of in &merchants.merchant {
        changes.push(merchant::put(&transaction, &row(of), at).await?);
        for number in &of.terminals {
            changes.push(terminal::put(&transaction, number, &of.merchant_id, at).await?);
            terminals += 1;
        }
    }
    let writer = Writer::register(&transaction, PROGRAM).await?;
    for batch in changes.chunks(CHANGES_PER_BATCH) {
        writer.record(&transaction, batch).await?;
    }
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(SeededCounts { merchants: merchants.merchant.len(), terminals })
}

fn row(of: &Merchant) -> MerchantRow {
    MerchantRow {
        merchant_id: of.merchant_id.clone(),
        name: of.name.clone(),
        mcc: of.mcc,
        city: of.city.clone(),
        country: of.country.clone(),
        iban: of.iban.clone(),
    }
}
