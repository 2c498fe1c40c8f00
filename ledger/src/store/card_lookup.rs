//! Lookups by PAN index, without a lock: where a card's rows are, and what the HSM needs to verify the card. Reads
//! several tables and writes none.

use deadpool_postgres::Pool;
use hsm::{KeySet, PanEnvelope, PanIndex, Pvv};

use super::{StoreError, fixed};
use crate::bucket::{BUCKETS, bucket_of};
use crate::key::KeyRows;
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
    t.token_id, t.version, t.psn, t.key_set, v.envelope
  FROM pan_directory d
  JOIN card c ON c.bucket = d.home_bucket AND c.card_id = d.card_id
  LEFT JOIN token t ON t.bucket = d.home_bucket AND t.token_id = d.token_id
  LEFT JOIN token_vault v ON v.bucket = d.home_bucket AND v.token_id = d.token_id
  WHERE d.bucket = $1 AND d.pan_index = $2";

/// Searches every bucket by primary key; only for a reversal that names no card.
const PROBE: &str = "SELECT a.bucket, a.account_id, a.card_id, c.version, a.token_id, t.version
  FROM unnest($1::int2[]) AS u(bucket)
  JOIN auth a ON a.bucket = u.bucket AND a.idem_date = $2 AND a.idem = $3
  LEFT JOIN card c ON c.bucket = a.bucket AND c.card_id = a.card_id
  LEFT JOIN token t ON t.bucket = a.bucket AND t.token_id = a.token_id";

/// The card or token with this PAN index.
pub async fn find(pool: &Pool, index: &PanIndex) -> Result<Option<CardLookup>, StoreError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(FIND).await?;
    let Some(row) = client.query_opt(&statement, &[&bucket_of(&index.0), &&index.0[..]]).await? else {
        return Ok(None);
    };
    let key_set = |column: usize, name| KeySet::new(row.get::<_, String>(column)).map_err(|_| StoreError::Column(name));
    let sequence = |column: usize| u8::try_from(row.get::<_, i16>(column)).map_err(|_| StoreError::Column("psn"));
    let token: Option<i64> = row.get(8);
    let pvv = fixed(row.get::<_, &str>(5).as_bytes(), "card.pvv")?;
    Ok(Some(CardLookup {
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
    }))
}

/// Where the original of a reversal without a PAN is stored; `None` if no bucket has it.
pub async fn probe(pool: &Pool, rows: &KeyRows) -> Result<Option<RowLocation>, StoreError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(PROBE).await?;
    let buckets: Vec<i16> = (0..i16::from(BUCKETS)).collect();
    let Some(row) = client.query_opt(&statement, &[&buckets, &rows.date, &&rows.original.0[..]]).await? else {
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
