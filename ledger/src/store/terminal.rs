//! Reference table `terminal`.

use jiff::Timestamp;
use tokio_postgres::GenericClient;

use super::{StoreError, recorded_change};
use crate::chain::{Change, Subject};

const UPSERT: &str = "INSERT INTO terminal (terminal_id, merchant_id) VALUES ($1, $2)
  ON CONFLICT (terminal_id) DO UPDATE SET merchant_id = excluded.merchant_id";

/// The columns that a change records.
const CONTENT: &str = "SELECT terminal_id, merchant_id FROM terminal WHERE terminal_id = $1";

/// Inserts a terminal of a merchant, or moves it to another merchant. The change is to be recorded.
pub async fn put(
    client: &impl GenericClient,
    terminal_id: &str,
    merchant_id: &str,
    at: Timestamp,
) -> Result<Change, StoreError> {
    client.execute(UPSERT, &[&terminal_id, &merchant_id]).await?;
    let row = client.query_one(CONTENT, &[&terminal_id]).await?;
    Ok(recorded_change::change(Subject::Terminal, terminal_id.to_owned(), format!("of {merchant_id}"), &row, at))
}
