//! What closing needs of the database beside the tables of clearing and settlement: to be alone.

use ledger::store::StoreError;
use tokio_postgres::Client;

/// Advisory lock that lets one close at a time do its work.
const LOCK_CLOSE: i64 = 5_857_004;

/// Waits until nobody else closes a day; the lock ends with the connection at the latest.
pub(super) async fn begin_close(client: &Client) -> Result<(), StoreError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK_CLOSE]).await?;
    // a cycle is sorted and joined whole: with the few megabytes of a hot-path connection that goes over the disk
    Ok(client.batch_execute("SET work_mem = '256MB'").await?)
}

/// Gives the connection back as it was.
pub(super) async fn end_close(client: &Client) -> Result<(), StoreError> {
    client.batch_execute("RESET work_mem").await?;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK_CLOSE]).await?;
    Ok(())
}
