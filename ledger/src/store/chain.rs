//! Table `chain`: the hash chains over the journal, one link per batch of a lane instance.

use jiff::Timestamp;
use tokio_postgres::{Client, Statement};

use super::{StoreError, fixed};
use crate::journal::ChainHead;

const INSERT: &str = "INSERT INTO chain (bucket, lane_instance, batch_seq, rows, previous, hash, committed_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7)";

const LAST: &str =
    "SELECT batch_seq, hash FROM chain WHERE bucket = $1 AND lane_instance = $2 ORDER BY batch_seq DESC LIMIT 1";

/// A link to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub lane: i16,
    pub lane_instance: i32,
    pub rows: i32,
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
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { insert: client.prepare(INSERT).await?, last: client.prepare(LAST).await? })
    }

    pub(super) async fn insert(&self, client: &Client, link: &Link) -> Result<(), StoreError> {
        let (previous, hash) = (&link.previous[..], &link.head.hash[..]);
        client
            .execute(
                &self.insert,
                &[
                    &link.lane,
                    &link.lane_instance,
                    &link.head.batch_seq,
                    &link.rows,
                    &previous,
                    &hash,
                    &link.committed_at,
                ],
            )
            .await?;
        Ok(())
    }

    /// The committed head of a chain.
    pub(super) async fn head(&self, client: &Client, lane: i16, lane_instance: i32) -> Result<ChainHead, StoreError> {
        match client.query_opt(&self.last, &[&lane, &lane_instance]).await? {
            Some(row) => Ok(ChainHead { batch_seq: row.get("batch_seq"), hash: fixed(row.get("hash"), "chain.hash")? }),
            None => Ok(ChainHead::START),
        }
    }
}
