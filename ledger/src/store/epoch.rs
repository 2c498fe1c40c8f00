//! Sequence `host_epoch`: one number per start of a host.

use deadpool_postgres::Pool;

use super::StoreError;

/// The number of this start.
pub async fn next(pool: &Pool) -> Result<i64, StoreError> {
    let client = pool.get().await?;
    Ok(client.query_one("SELECT nextval('host_epoch')", &[]).await?.get(0))
}
