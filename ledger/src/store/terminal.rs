//! Reference table `terminal`.

use jiff::Timestamp;
use tokio_postgres::GenericClient;

use super::StoreError;
use super::recorded_change::RecordedTable;
use crate::chain::{Change, Subject};

const UPSERT: &str = "INSERT INTO terminal (terminal_id, merchant_id) VALUES ($1, $2)
  ON CONFLICT (terminal_id) DO UPDATE SET merchant_id = excluded.merchant_id";

pub(super) const RECORDED: RecordedTable = RecordedTable {
    subject: Subject::Terminal,
    name: "terminal",
    key: &["terminal_id"],
    columns: "terminal_id, merchant_id",
};

/// Inserts a terminal of a merchant, or moves it to another merchant. The change is to be recorded.
pub async fn put(
    client: &impl GenericClient,
    terminal_id: &str,
    merchant_id: &str,
    at: Timestamp,
) -> Result<Change, StoreError> {
    client.execute(UPSERT, &[&terminal_id, &merchant_id]).await?;
    RECORDED.change(client, &[&terminal_id], format!("of {merchant_id}"), at).await
}
