//! Reference table `merchant`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::{GenericClient, Row};

use super::StoreError;
use super::recorded_change::RecordedTable;
use crate::chain::{Change, Subject};

const UPSERT: &str =
    "INSERT INTO merchant (merchant_id, name, mcc, city, country, iban) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (merchant_id) DO UPDATE SET name = excluded.name, mcc = excluded.mcc, city = excluded.city,
    country = excluded.country, iban = excluded.iban";

/// A merchant of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantRow {
    pub merchant_id: String,
    pub name: String,
    pub mcc: i16,
    pub city: String,
    /// ISO 3166 numeric, three digits.
    pub country: String,
    pub iban: String,
}

pub(super) const RECORDED: RecordedTable = RecordedTable {
    subject: Subject::Merchant,
    name: "merchant",
    key: &["merchant_id"],
    columns: "merchant_id, name, mcc::text, city, country::text, iban",
};

/// Inserts a merchant, or updates its row. The change is to be recorded.
pub async fn put(client: &impl GenericClient, of: &MerchantRow, at: Timestamp) -> Result<Change, StoreError> {
    client.execute(UPSERT, &[&of.merchant_id, &of.name, &of.mcc, &of.city, &of.country, &of.iban]).await?;
    RECORDED.change(client, &[&of.merchant_id], "put".to_owned(), at).await
}

/// All merchants of ours, by merchant id.
pub async fn all(client: &impl GenericClient) -> Result<BTreeMap<String, MerchantRow>, StoreError> {
    let rows = client.query("SELECT merchant_id, name, mcc, city, country::text, iban FROM merchant", &[]).await?;
    let merchant = |row: &Row| MerchantRow {
        merchant_id: row.get("merchant_id"),
        name: row.get("name"),
        mcc: row.get("mcc"),
        city: row.get("city"),
        country: row.get("country"),
        iban: row.get("iban"),
    };
    Ok(rows.iter().map(|row| (row.get("merchant_id"), merchant(row))).collect())
}
