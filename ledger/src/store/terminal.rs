//! Reference table `terminal`.

use tokio_postgres::GenericClient;

use super::StoreError;

const UPSERT: &str = "INSERT INTO terminal (terminal_id, merchant_id) VALUES ($1, $2)
  ON CONFLICT (terminal_id) DO UPDATE SET merchant_id = excluded.merchant_id";

/// Inserts a terminal of a merchant, or moves it to another merchant.
pub async fn put(client: &impl GenericClient, terminal_id: &str, merchant_id: &str) -> Result<(), StoreError> {
    client.execute(UPSERT, &[&terminal_id, &merchant_id]).await?;
    Ok(())
}
