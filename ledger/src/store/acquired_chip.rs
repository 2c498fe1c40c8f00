//! Table `acquired_chip`: chip data of foreign cards at our merchants.

use deadpool_postgres::Pool;

use super::StoreError;
use crate::journal::RowKey;

const INSERT: &str =
    "INSERT INTO acquired_chip (bucket, idem_date, idem, icc) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// Stores the chip data of an acquired transaction for its presentment.
pub async fn add(pool: &Pool, of: &RowKey, icc: &[u8]) -> Result<(), StoreError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(INSERT).await?;
    client.execute(&statement, &[&of.bucket, &of.date, &&of.idem.0[..], &icc]).await?;
    Ok(())
}
