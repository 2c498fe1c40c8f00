//! Advisory locks on originators' keys: a reversal that names no card waits for its original's commit, and the original for
//! the reversal's, although they are in different buckets.

use tokio_postgres::{Client, Statement};

use super::StoreError;

/// First half of the lock; the second is the bucket that a key gives.
const LOCK_KEYS: i32 = 5_857_004;

/// In the order of buckets, so that batches of several lanes cannot deadlock. `$2` buckets, `$3` whether exclusively.
const LOCK: &str = "SELECT CASE WHEN u.alone THEN pg_advisory_xact_lock($1, u.bucket) ELSE pg_advisory_xact_lock_shared($1, u.bucket) END
  FROM (SELECT * FROM unnest($2::int4[], $3::bool[]) AS k(bucket, alone) ORDER BY bucket) u";

/// The statement of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct KeyLock {
    lock: Statement,
}

impl KeyLock {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { lock: client.prepare(LOCK).await? })
    }

    /// Locks the buckets of keys to the end of the transaction: exclusively for a reversal whose original is looked for
    /// everywhere, shared for everything that such a reversal may mean.
    pub(super) async fn lock(&self, client: &Client, buckets: &[(i16, bool)]) -> Result<(), StoreError> {
        if buckets.is_empty() {
            return Ok(());
        }
        let numbers: Vec<i32> = buckets.iter().map(|(bucket, _)| i32::from(*bucket)).collect();
        let alone: Vec<bool> = buckets.iter().map(|(_, alone)| *alone).collect();
        client.execute(&self.lock, &[&LOCK_KEYS, &numbers, &alone]).await?;
        Ok(())
    }
}
