//! Table `chain`: the hash chains over the journal, one link per batch of a journal instance.

use jiff::Timestamp;
use tokio_postgres::{GenericClient, Statement};

use super::instance::JournalInstance;
use super::{StoreError, fixed};
use crate::chain::ChainHead;

const INSERT: &str =
    "INSERT INTO chain (bucket, lane_instance, batch_seq, rows, changes, previous, hash, committed_at, version)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 2)";

const LAST: &str =
    "SELECT batch_seq, hash FROM chain WHERE bucket = $1 AND lane_instance = $2 ORDER BY batch_seq DESC LIMIT 1";

/// A link to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub by: JournalInstance,
    pub rows: usize,
    pub changes: usize,
    pub previous: [u8; 32],
    pub head: ChainHead,
    pub committed_at: Timestamp,
}

/// The statements, prepared on one connection.
#[derive(Debug)]
pub(super) struct ChainTable {
    insert: Statement,
    last: Statement,
}

impl ChainTable {
    pub(super) async fn prepare(client: &impl GenericClient) -> Result<Self, StoreError> {
        Ok(Self { insert: client.prepare(INSERT).await?, last: client.prepare(LAST).await? })
    }

    pub(super) async fn insert(&self, client: &impl GenericClient, link: &Link) -> Result<(), StoreError> {
        let count = |of: usize| i32::try_from(of).expect("a batch is capped far below");
        let (previous, hash) = (&link.previous[..], &link.head.hash[..]);
        client
            .execute(
                &self.insert,
                &[
                    &link.by.lane,
                    &link.by.number,
                    &link.head.batch_seq,
                    &count(link.rows),
                    &count(link.changes),
                    &previous,
                    &hash,
                    &link.committed_at,
                ],
            )
            .await?;
        Ok(())
    }

    /// The committed head of a chain.
    pub(super) async fn head(&self, client: &impl GenericClient, of: JournalInstance) -> Result<ChainHead, StoreError> {
        match client.query_opt(&self.last, &[&of.lane, &of.number]).await? {
            Some(row) => Ok(ChainHead { batch_seq: row.get("batch_seq"), hash: fixed(row.get("hash"), "chain.hash")? }),
            None => Ok(ChainHead::START),
        }
    }
}
