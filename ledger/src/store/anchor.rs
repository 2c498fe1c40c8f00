//! Table `anchor`: heads of the hash chains under the HSM's audit key, in one chain over all instances.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio_postgres::GenericClient;

use super::instance::JournalInstance;
use super::{StoreError, fixed};
use crate::chain::ChainHead;

/// Why a head is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The instance was registered; its chain is empty.
    Started,
    Running,
    /// The instance writes nothing more.
    Ended,
    /// Another program anchors the head, because the writer is gone or cannot anchor.
    Adopted,
}

crate::stored_words!(Occasion, "column `anchor.occasion`" {
    Started => "started",
    Running => "running",
    Ended => "ended",
    Adopted => "adopted",
});

/// An anchor to be sealed.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    pub seq: i64,
    pub of: JournalInstance,
    pub head: ChainHead,
    pub occasion: Occasion,
    /// Hash of the anchor before; zero bytes for the first.
    pub previous: [u8; 32],
}

impl Anchor {
    /// The bytes under the seal, numbers big-endian: seq (8), instance (4), batch number (8), hash, previous, occasion.
    #[must_use]
    pub fn covered(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.of.number.to_be_bytes());
        bytes.extend_from_slice(&self.head.batch_seq.to_be_bytes());
        bytes.extend_from_slice(&self.head.hash);
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(self.occasion.as_str().as_bytes());
        bytes
    }

    /// Hash of the sealed anchor, which the next one carries.
    #[must_use]
    pub fn hash(&self, mac: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(self.covered()).chain_update(mac).finalize().into()
    }
}

/// The last anchor: its number, and the hash that the next one carries. Zeros before the first.
pub async fn last(client: &impl GenericClient) -> Result<(i64, [u8; 32]), StoreError> {
    let row = client
        .query_opt(
            "SELECT anchor_seq, lane_instance, batch_seq, hash, occasion, previous, mac FROM anchor ORDER BY anchor_seq DESC LIMIT 1",
            &[],
        )
        .await?;
    let Some(row) = row else { return Ok((0, [0; 32])) };
    let anchor = Anchor {
        seq: row.get(0),
        of: JournalInstance::from_number(row.get(1)),
        head: ChainHead { batch_seq: row.get(2), hash: fixed(row.get(3), "anchor.hash")? },
        occasion: Occasion::from_word(row.get(4)).ok_or(StoreError::Column("anchor.occasion"))?,
        previous: fixed(row.get(5), "anchor.previous")?,
    };
    Ok((anchor.seq, anchor.hash(row.get(6))))
}

/// Inserts a sealed anchor. `mac` is the stored form of the seal; it names the generation of the audit key unless that is
/// the first. `false` if another host has taken its number: the anchor must be made anew, after that one.
pub async fn insert(
    client: &impl GenericClient,
    anchor: &Anchor,
    mac: &[u8],
    at: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = client
        .execute(
            "INSERT INTO anchor (anchor_seq, lane_instance, batch_seq, hash, occasion, previous, mac, anchored_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            &[
                &anchor.seq,
                &anchor.of.number,
                &anchor.head.batch_seq,
                &&anchor.head.hash[..],
                &anchor.occasion.as_str(),
                &&anchor.previous[..],
                &mac,
                &at,
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// Chains whose head is not anchored by their own writer: those of programs that cannot anchor, and those of lanes that
/// have anchored nothing for `silent_s` seconds.
pub async fn left_alone(
    client: &impl GenericClient,
    silent_s: i32,
) -> Result<Vec<(JournalInstance, ChainHead)>, StoreError> {
    let rows = client
        .query(
            "SELECT i.instance, h.batch_seq, h.hash FROM journal_instance i
             CROSS JOIN LATERAL (SELECT batch_seq, hash, committed_at FROM chain c
               WHERE c.bucket = (i.instance & 255) AND c.lane_instance = i.instance ORDER BY batch_seq DESC LIMIT 1) h
             LEFT JOIN LATERAL (SELECT max(batch_seq) AS batch_seq FROM anchor a WHERE a.lane_instance = i.instance) a ON true
             WHERE h.batch_seq > coalesce(a.batch_seq, 0)
               AND (i.program <> 'authhost' OR h.committed_at < now() - make_interval(secs => $1))",
            &[&f64::from(silent_s)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let head = ChainHead { batch_seq: row.get(1), hash: fixed(row.get(2), "chain.hash")? };
            Ok((JournalInstance::from_number(row.get(0)), head))
        })
        .collect()
}
