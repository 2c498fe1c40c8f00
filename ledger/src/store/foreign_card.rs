//! Table `foreign_card`: cards of other issuers seen at our merchants.

use tokio_postgres::{Client, Statement};

use super::StoreError;
use super::envelopes::Envelopes;
use crate::acquired::AcquiredCard;
use crate::bucket::bucket_of;
use crate::journal::RowKey;

const INSERT: &str = "INSERT INTO foreign_card (bucket, pan_index, pan_envelope, pan_masked, expiry)
  SELECT * FROM unnest($1::int2[], $2::bytea[], $3::bytea[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING";

/// Column of the envelopes of foreign cards' PANs. Associated data: the PAN index.
pub const PAN_ENVELOPES: Envelopes = Envelopes {
    column: "foreign_card.pan_envelope",
    count: "SELECT count(*) FROM foreign_card
            WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1",
    read: "SELECT bucket, pan_index, pan_envelope, pan_index FROM foreign_card
           WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1
             AND (bucket, pan_index) > ($2, $3) ORDER BY bucket, pan_index LIMIT 64",
    write: "UPDATE foreign_card SET pan_envelope = $4 WHERE bucket = $1 AND pan_index = $2 AND pan_envelope = $3",
    cached_with_token: false,
    bound_by_dpan: false,
};

/// The statement of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct ForeignCardTable {
    insert: Statement,
}

impl ForeignCardTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { insert: client.prepare(INSERT).await? })
    }

    /// Stores the PANs of other issuers' cards, as ciphertext, for the presentments; in the order of the key, as every
    /// batch, so that two of them cannot deadlock.
    pub(super) async fn insert(&self, client: &Client, of: &[(RowKey, AcquiredCard)]) -> Result<(), StoreError> {
        if of.is_empty() {
            return Ok(());
        }
        let mut cards: Vec<&AcquiredCard> = of.iter().map(|(_, card)| card).collect();
        cards.sort_unstable_by_key(|card| (bucket_of(&card.pan_index.0), card.pan_index));
        cards.dedup_by_key(|card| card.pan_index);
        let buckets: Vec<i16> = cards.iter().map(|card| bucket_of(&card.pan_index.0)).collect();
        let indexes: Vec<&[u8]> = cards.iter().map(|card| &card.pan_index.0[..]).collect();
        let envelopes: Vec<&[u8]> = cards.iter().map(|card| card.envelope.as_bytes()).collect();
        let masked: Vec<&str> = cards.iter().map(|card| card.masked.as_str()).collect();
        let expiries: Vec<Option<&str>> = cards.iter().map(|card| card.expiry.as_deref()).collect();
        client.execute(&self.insert, &[&buckets, &indexes, &envelopes, &masked, &expiries]).await?;
        Ok(())
    }
}
