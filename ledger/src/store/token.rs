//! Table `token`: the row of a device PAN, which authorizations only read.

use codecs::value::Expiry;
use hsm::{KeySet, PanEnvelope, PanIndex};
use tokio_postgres::{Client, GenericClient, Row, Statement};

use super::card_state::read_used_atcs;
use super::recorded_change::RecordedTable;
use super::{StoreError, columns};
use crate::chain::Subject;
use crate::reference::Reference;
use crate::token::{Token, TokenStatus};

const LOAD: &str =
    "SELECT t.bucket, t.token_id, t.card_id, t.status::text, t.expiry, t.version, s.atc_high, s.atc_window
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, token_id)
  JOIN token t ON t.bucket = u.bucket AND t.token_id = u.token_id
  JOIN token_state s ON s.bucket = u.bucket AND s.token_id = u.token_id";

const INSERT: &str =
    "INSERT INTO token (bucket, token_id, card_id, account_id, dpan_index, dpan_masked, expiry, psn, key_set,
    status, note)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', $10)";

const SET_STATUS: &str =
    "UPDATE token SET status = $3::text::token_status, version = version + 1 WHERE bucket = $1 AND token_id = $2";

const RAISE_VERSION: &str = "UPDATE token SET version = version + 1 WHERE bucket = $1 AND token_id = $2";

pub(super) const RECORDED: RecordedTable = RecordedTable {
    subject: Subject::Token,
    name: "token",
    key: &["bucket", "token_id"],
    columns: "bucket::text, token_id::text, card_id::text, account_id::text, encode(dpan_index, 'hex'), expiry::text,
      psn::text, key_set, status::text",
};

/// The statement of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct TokenTable {
    load: Statement,
}

impl TokenTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { load: client.prepare(LOAD).await? })
    }

    /// Tokens with their counters.
    pub(super) async fn load(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Token>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (buckets, ids) = columns(keys);
        client.query(&self.load, &[&buckets, &ids]).await?.iter().map(read).collect()
    }
}

/// A token to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    pub token_id: i64,
    /// The default reference if absent.
    pub reference: Option<&'a Reference>,
    pub card_id: i64,
    pub dpan_index: &'a PanIndex,
    pub dpan_masked: &'a str,
    pub expiry: Expiry,
    pub sequence: i16,
    pub key_set: &'a KeySet,
    pub note: &'a str,
    /// The funding PAN, bound by the DPAN's digits.
    pub funding: &'a PanEnvelope,
    /// The DPAN, bound by its index.
    pub dpan: &'a PanEnvelope,
}

pub(super) async fn insert(
    client: &impl GenericClient,
    (bucket, account_id): (i16, i64),
    token: &NewToken<'_>,
) -> Result<(), StoreError> {
    client
        .execute(
            INSERT,
            &[
                &bucket,
                &token.token_id,
                &token.card_id,
                &account_id,
                &&token.dpan_index.0[..],
                &token.dpan_masked,
                &token.expiry.to_string(),
                &token.sequence,
                &token.key_set.as_str(),
                &token.note,
            ],
        )
        .await?;
    Ok(())
}

/// Changes a token's status. The version is raised, so that cached copies are recognised as stale.
pub(super) async fn set_status(
    client: &impl GenericClient,
    bucket: i16,
    token_id: i64,
    status: TokenStatus,
) -> Result<(), StoreError> {
    client.execute(SET_STATUS, &[&bucket, &token_id, &status.as_str()]).await?;
    Ok(())
}

/// Raises a token's version, because something that is cached with it has changed.
pub(super) async fn raise_version(client: &impl GenericClient, bucket: i16, token_id: i64) -> Result<(), StoreError> {
    client.execute(RAISE_VERSION, &[&bucket, &token_id]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Token, StoreError> {
    Ok(Token {
        bucket: row.get("bucket"),
        token_id: row.get("token_id"),
        card_id: row.get("card_id"),
        status: TokenStatus::from_word(row.get("status")).ok_or(StoreError::Column("token.status"))?,
        expiry: Expiry::parse(row.get("expiry")).ok_or(StoreError::Column("token.expiry"))?,
        version: row.get("version"),
        used_atcs: read_used_atcs(row),
    })
}
