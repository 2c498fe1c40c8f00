//! Sequence `host_epoch`: numbers the starts of hosts.

use deadpool_postgres::Pool;

use super::StoreError;

/// The epoch of a host that is starting.
pub async fn next(pool: &Pool) -> Result<i64, StoreError> {
    let client = pool.get().await?;
    Ok(client.query_one("SELECT nextval('host_epoch')", &[]).await?.get(0))
}
