//! Table `acquired_chip`: chip data of foreign cards at our merchants.

use tokio_postgres::{Client, Statement};

use super::StoreError;
use crate::acquired::AcquiredCard;
use crate::journal::RowKey;

const INSERT: &str = "INSERT INTO acquired_chip (bucket, idem_date, idem, icc)
  SELECT * FROM unnest($1::int2[], $2::date[], $3::bytea[], $4::bytea[]) ON CONFLICT DO NOTHING";

/// The statement of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct AcquiredChipTable {
    insert: Statement,
}

impl AcquiredChipTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { insert: client.prepare(INSERT).await? })
    }

    /// Inserts the chip data of those transactions that have some.
    pub(super) async fn insert(&self, client: &Client, of: &[(RowKey, AcquiredCard)]) -> Result<(), StoreError> {
        let with_chip: Vec<_> = of.iter().filter_map(|(key, card)| Some((key, card.chip.as_deref()?))).collect();
        if with_chip.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = with_chip.iter().map(|(key, _)| key.bucket).collect();
        let dates: Vec<_> = with_chip.iter().map(|(key, _)| key.date).collect();
        let idems: Vec<&[u8]> = with_chip.iter().map(|(key, _)| &key.idem.0[..]).collect();
        let chips: Vec<&[u8]> = with_chip.iter().map(|(_, chip)| *chip).collect();
        client.execute(&self.insert, &[&buckets, &dates, &idems, &chips]).await?;
        Ok(())
    }
}
