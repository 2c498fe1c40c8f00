//! Merchants and terminals from an order file, TOML or JSON by its ending. Idempotent: existing rows are updated.
#![expect(clippy::disallowed_methods, reason = "shell: a change says when it was made")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ledger::store::merchant::{self, MerchantRow};
use ledger::store::{StoreError, Writer, terminal};
use serde::Deserialize;
use tokio_postgres::Client;

use crate::PROGRAM;
use crate::clearing::country;
use crate::settlement::payout::iban_holds;

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

/// A value of a merchant that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("merchant {merchant}, {key}: {reason}")]
pub struct MerchantFault {
    pub merchant: String,
    pub key: &'static str,
    pub reason: &'static str,
}

impl Merchant {
    /// Refuses an IBAN and a country that cannot be: found now they are typed again, found later a payout has bounced.
    fn check(&self) -> Result<(), MerchantFault> {
        let wrong = |key, reason| Err(MerchantFault { merchant: self.merchant_id.clone(), key, reason });
        if !iban_holds(&self.iban) {
            return wrong("iban", "its check digits do not hold");
        }
        if country::letters(&self.country).is_none() {
            return wrong("country", "is no country's number in ISO 3166-1");
        }
        Ok(())
    }
}

/// Why merchants could not be inserted. None of the file was.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("{}: {reason}", path.display())]
    Orders { path: PathBuf, reason: String },
    #[error("{}: {fault}", path.display())]
    Merchant { path: PathBuf, fault: MerchantFault },
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
    let merchants: Merchants = if path.extension().is_some_and(|ending| ending == "json") {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
    } else {
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))?
    };
    for of in &merchants.merchant {
        of.check().map_err(|fault| SeedError::Merchant { path: path.to_owned(), fault })?;
    }
    Ok(merchants)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_with_file_merchant_and_key() {
        let example = include_str!("../../config/merchants.toml");
        let path = std::env::temp_dir().join(format!("switchyard-merchants-{}.toml", std::process::id()));
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map(|read| read.merchant.len()).map_err(|error| error.to_string())
        };
        assert_eq!(said(example), Ok(2));
        for (from, to, fault) in [
            ("DE02120300", "DE02120301", "merchant SWYD00000000002, iban: its check digits do not hold"),
            ("\"276\"", "\"280\"", "merchant SWYD00000000002, country: is no country's number in ISO 3166-1"),
            ("\"528\"", "\"NLD\"", "merchant SWYD00000000001, country: is no country's number in ISO 3166-1"),
        ] {
            assert!(example.contains(from), "{from} is not in the example");
            assert_eq!(said(&example.replacen(from, to, 1)), Err(format!("{}: {fault}", path.display())));
        }
        std::fs::remove_file(&path).unwrap();
    }
}
