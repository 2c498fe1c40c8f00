//! Lookups by PAN index, without a lock: where a card's rows are, and what the HSM needs to verify the card. Reads
//! several tables and writes none.

use deadpool_postgres::Pool;
use hsm::{KeySet, PanEnvelope, PanIndex, Pvv};
use jiff::civil::Date;
use tokio_postgres::Row;

use super::{StoreError, fixed};
use crate::bucket::{BUCKETS, bucket_of};
use crate::key::JournalKey;
use crate::row_location::RowLocation;

/// What is stored of a card, and of the token presented in its place. Cacheable while the versions in `location` are
/// current.
#[derive(Clone, Debug)]
pub struct CardLookup {
    pub location: RowLocation,
    pub pvv: Pvv,
    pub pvki: u8,
    /// PAN sequence number of the card or token that was presented.
    pub sequence: u8,
    /// Key set of the card behind a token, or of the card itself: PVK and CVK.
    pub issuer_keys: KeySet,
    /// Key set of the application cryptogram: the card's, or the token's.
    pub chip_keys: KeySet,
    /// Envelope of a token's funding PAN; its associated data are the DPAN's digits.
    pub funding: Option<PanEnvelope>,
}

const FIND: &str = "SELECT c.bucket, c.account_id, c.card_id, c.version, c.psn, c.pvv, c.pvki, c.key_set,
    t.token_id, t.version, t.psn, t.key_set, v.envelope, d.pan_index
  FROM unnest($1::int2[], $2::bytea[]) AS u(bucket, pan_index)
  JOIN pan_directory d ON d.bucket = u.bucket AND d.pan_index = u.pan_index
  JOIN card c ON c.bucket = d.home_bucket AND c.card_id = d.card_id
  LEFT JOIN token t ON t.bucket = d.home_bucket AND t.token_id = d.token_id
  LEFT JOIN token_vault v ON v.bucket = d.home_bucket AND v.token_id = d.token_id";

/// Searches every bucket by primary key; only for a message that names no card.
const PROBE: &str = "SELECT a.bucket, a.account_id, a.card_id, c.version, a.token_id, t.version
  FROM unnest($1::int2[]) AS u(bucket)
  JOIN auth a ON a.bucket = u.bucket AND a.idem_date = $2 AND a.idem = ANY($3::bytea[])
  LEFT JOIN card c ON c.bucket = a.bucket AND c.card_id = a.card_id
  LEFT JOIN token t ON t.bucket = a.bucket AND t.token_id = a.token_id";

/// The cards and tokens with these PAN indexes, in any order; an index without one is left out. A row that cannot be read is
/// an error of its own, and costs the others nothing.
pub async fn find(
    pool: &Pool,
    indexes: &[PanIndex],
) -> Result<Vec<(PanIndex, Result<CardLookup, StoreError>)>, StoreError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(FIND).await?;
    let buckets: Vec<i16> = indexes.iter().map(|index| bucket_of(&index.0)).collect();
    let bytes: Vec<&[u8]> = indexes.iter().map(|index| &index.0[..]).collect();
    let rows = client.query(&statement, &[&buckets, &bytes]).await?;
    rows.iter().map(|row| Ok((PanIndex(fixed(row.get(13), "pan_directory.pan_index")?), read(row)))).collect()
}

fn read(row: &Row) -> Result<CardLookup, StoreError> {
    let key_set = |column: usize, name| KeySet::new(row.get::<_, String>(column)).map_err(|_| StoreError::Column(name));
    let sequence = |column: usize| u8::try_from(row.get::<_, i16>(column)).map_err(|_| StoreError::Column("psn"));
    let token: Option<i64> = row.get(8);
    let pvv = fixed(row.get::<_, &str>(5).as_bytes(), "card.pvv")?;
    Ok(CardLookup {
        location: RowLocation::OurAccount {
            bucket: row.get(0),
            account_id: row.get(1),
            card_id: row.get(2),
            card_version: row.get(3),
            token: token.map(|token_id| (token_id, row.get(9))),
        },
        pvv: Pvv::new(pvv).map_err(|_| StoreError::Column("card.pvv"))?,
        pvki: u8::try_from(row.get::<_, i16>(6)).map_err(|_| StoreError::Column("card.pvki"))?,
        sequence: sequence(if token.is_some() { 10 } else { 4 })?,
        issuer_keys: key_set(7, "card.key_set")?,
        chip_keys: if token.is_some() { key_set(11, "token.key_set")? } else { key_set(7, "card.key_set")? },
        funding: match row.get::<_, Option<&[u8]>>(12) {
            Some(bytes) => {
                Some(PanEnvelope::from_bytes(bytes).map_err(|_| StoreError::Column("token_vault.envelope"))?)
            }
            None => None,
        },
    })
}

/// Where the row under one of these keys is stored, for a message without a PAN; `None` if no bucket has it.
pub async fn probe(pool: &Pool, date: Date, keys: &[JournalKey]) -> Result<Option<RowLocation>, StoreError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(PROBE).await?;
    let buckets: Vec<i16> = (0..i16::from(BUCKETS)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
    let Some(row) = client.query(&statement, &[&buckets, &date, &keys]).await?.into_iter().next() else {
        return Ok(None);
    };
    let bucket = row.get(0);
    Ok(Some(match (row.get(1), row.get(2), row.get(3)) {
        (Some(account_id), Some(card_id), Some(card_version)) => RowLocation::OurAccount {
            bucket,
            account_id,
            card_id,
            card_version,
            token: row.get::<_, Option<i64>>(4).zip(row.get::<_, Option<i32>>(5)),
        },
        _ => RowLocation::NoAccount { bucket },
    }))
}
