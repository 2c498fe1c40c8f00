//! Database session of a close: it excludes other closes, and has more working memory.

use ledger::store::StoreError;
use tokio_postgres::Client;

use crate::clearing::store::LOCK_CLOSE;

/// Waits until no other close is running, and no clearing file is being posted. The lock ends with the connection at the latest.
pub(super) async fn begin_close(client: &Client) -> Result<(), StoreError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK_CLOSE]).await?;
    // a whole cycle is sorted and joined: with the few megabytes of the other connections that would go to disk
    Ok(client.batch_execute("SET work_mem = '256MB'").await?)
}

/// Releases the lock and restores the connection's settings.
pub(super) async fn end_close(client: &Client) -> Result<(), StoreError> {
    client.batch_execute("RESET work_mem").await?;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK_CLOSE]).await?;
    Ok(())
}
