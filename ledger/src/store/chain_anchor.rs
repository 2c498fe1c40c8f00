//! Table `chain_anchor`: heads of the hash chains, sealed under the HSM's audit key.

use std::collections::HashMap;

use deadpool_postgres::Pool;

use super::StoreError;
use super::flight::LaneInstance;
use crate::journal::ChainHead;

/// The last head that this process anchored per lane, so that an unchanged head is not anchored again.
#[derive(Debug, Default)]
pub struct Anchored(HashMap<i16, i64>);

impl Anchored {
    /// Whether the head has changed since it was last anchored and is not that of an empty chain.
    #[must_use]
    pub fn is_new(&self, lane: i16, head: ChainHead) -> bool {
        head.batch_seq > self.0.get(&lane).copied().unwrap_or(0)
    }

    pub fn set(&mut self, lane: i16, head: ChainHead) {
        self.0.insert(lane, head.batch_seq);
    }
}

/// The bytes under the seal: lane instance, batch number, hash.
#[must_use]
pub fn covered(by: LaneInstance, head: ChainHead) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(44);
    bytes.extend_from_slice(&by.number.to_be_bytes());
    bytes.extend_from_slice(&head.batch_seq.to_be_bytes());
    bytes.extend_from_slice(&head.hash);
    bytes
}

/// Inserts an anchor. `mac` is the stored form of the seal; it names the generation of the audit key unless that is the
/// first.
pub async fn insert(pool: &Pool, by: LaneInstance, head: ChainHead, mac: &[u8]) -> Result<(), StoreError> {
    let client = pool.get().await?;
    client
        .execute(
            "INSERT INTO chain_anchor (bucket, lane_instance, batch_seq, hash, mac) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            &[&by.lane, &by.number, &head.batch_seq, &&head.hash[..], &mac],
        )
        .await?;
    Ok(())
}
