//! Sequence `host_epoch`: numbers the starts of hosts and the runs of other writers.

use deadpool_postgres::Pool;
use tokio_postgres::GenericClient;

use super::StoreError;

/// The epoch of a host that is starting.
pub async fn next(pool: &Pool) -> Result<i64, StoreError> {
    next_of(&**pool.get().await?).await
}

/// As [`next`], on a connection.
pub(super) async fn next_of(client: &impl GenericClient) -> Result<i64, StoreError> {
    Ok(client.query_one("SELECT nextval('host_epoch')", &[]).await?.get(0))
}
