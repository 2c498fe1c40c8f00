//! Table `stored_credential`: merchants that keep a card's number.

use tokio_postgres::{Client, Statement};

use super::{StoreError, columns};
use crate::stored_credential::StoredCredential;

const LOAD: &str = "SELECT s.bucket, s.card_id, s.acquirer, s.merchant, s.lifecycle
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, card_id)
  JOIN stored_credential s ON s.bucket = u.bucket AND s.card_id = u.card_id";

const INSERT: &str = "INSERT INTO stored_credential (bucket, card_id, acquirer, merchant, lifecycle)
  SELECT * FROM unnest($1::int2[], $2::int8[], $3::text[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING";

/// The statements of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct StoredCredentialTable {
    load: Statement,
    insert: Statement,
}

impl StoredCredentialTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { load: client.prepare(LOAD).await?, insert: client.prepare(INSERT).await? })
    }

    /// Those of cards, by (bucket, card).
    pub(super) async fn load(
        &self,
        client: &Client,
        cards: &[(i16, i64)],
    ) -> Result<Vec<StoredCredential>, StoreError> {
        if cards.is_empty() {
            return Ok(Vec::new());
        }
        let (buckets, ids) = columns(cards);
        let rows = client.query(&self.load, &[&buckets, &ids]).await?;
        let read = |row: &tokio_postgres::Row| StoredCredential {
            bucket: row.get(0),
            card_id: row.get(1),
            acquirer: row.get(2),
            merchant: row.get(3),
            life_cycle: row.get(4),
        };
        Ok(rows.iter().map(read).collect())
    }

    /// Inserts those that are not there yet.
    pub(super) async fn insert(&self, client: &Client, new: &[StoredCredential]) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = new.iter().map(|of| of.bucket).collect();
        let cards: Vec<i64> = new.iter().map(|of| of.card_id).collect();
        let acquirers: Vec<&str> = new.iter().map(|of| of.acquirer.as_str()).collect();
        let merchants: Vec<&str> = new.iter().map(|of| of.merchant.as_str()).collect();
        let life_cycles: Vec<&str> = new.iter().map(|of| of.life_cycle.as_str()).collect();
        client.execute(&self.insert, &[&buckets, &cards, &acquirers, &merchants, &life_cycles]).await?;
        Ok(())
    }
}
