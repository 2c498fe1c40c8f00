//! Table `card`: the row of a card of ours, which authorizations only read.

use codecs::value::Expiry;
use hsm::{KeySet, PanIndex, Pvv};
use tokio_postgres::{Client, GenericClient, Row, Statement};

use super::card_state::read_used_atcs;
use super::envelopes::Envelopes;
use super::recorded_change::RecordedTable;
use super::{StoreError, columns};
use crate::card::{Card, CardStatus};
use crate::chain::Subject;
use crate::reference::Reference;

/// Runs as a statement of its own after the lock: under READ COMMITTED it gets a fresh snapshot, with what the lock's
/// holder committed.
const LOAD: &str =
    "SELECT c.bucket, c.card_id, c.account_id, c.status::text, c.expiry, c.limit_txn_minor, c.limit_day_minor,
    c.version, s.day, s.spent_minor, s.pin_tries, s.atc_high, s.atc_window,
    s.code_tries, s.code_refused_until
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, card_id)
  JOIN card c ON c.bucket = u.bucket AND c.card_id = u.card_id
  JOIN card_state s ON s.bucket = u.bucket AND s.card_id = u.card_id";

const INSERT: &str =
    "INSERT INTO card (bucket, card_id, account_id, pan_index, pan_envelope, pan_masked, expiry, psn, service_code,
    pvki, pvv, key_set, status, limit_txn_minor, limit_day_minor, note)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::card_status, $14, $15, $16)";

const SET_STATUS: &str =
    "UPDATE card SET status = $3::text::card_status, version = version + 1 WHERE bucket = $1 AND card_id = $2";

pub(super) const RECORDED: RecordedTable = RecordedTable {
    subject: Subject::Card,
    name: "card",
    key: &["bucket", "card_id"],
    columns: "bucket::text, card_id::text, account_id::text, encode(pan_index, 'hex'), expiry::text, psn::text,
      service_code::text, pvki::text, pvv::text, key_set, status::text, limit_txn_minor::text, limit_day_minor::text",
};

/// Column of the envelopes of cards' PANs. Associated data: the PAN index.
pub const PAN_ENVELOPES: Envelopes = Envelopes {
    column: "card.pan_envelope",
    count: "SELECT count(*) FROM card
            WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1",
    read: "SELECT bucket, int8send(card_id), pan_envelope, pan_index FROM card
           WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1
             AND (bucket, int8send(card_id)) > ($2, $3) ORDER BY bucket, int8send(card_id) LIMIT 64",
    write: "UPDATE card SET pan_envelope = $4 WHERE bucket = $1 AND int8send(card_id) = $2 AND pan_envelope = $3",
    cached_with_token: false,
    bound_by_dpan: false,
};

/// The statement of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct CardTable {
    load: Statement,
}

impl CardTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { load: client.prepare(LOAD).await? })
    }

    /// Cards with their counters.
    pub(super) async fn load(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Card>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (buckets, ids) = columns(keys);
        client.query(&self.load, &[&buckets, &ids]).await?.iter().map(read).collect()
    }
}

/// A card to be inserted.
#[derive(Clone, Copy, Debug)]
pub struct NewCard<'a> {
    pub card_id: i64,
    /// The default reference if absent.
    pub reference: Option<&'a Reference>,
    pub pan_index: &'a PanIndex,
    pub pan_envelope: &'a [u8],
    pub pan_masked: &'a str,
    pub expiry: Expiry,
    pub sequence: u8,
    pub service_code: &'a str,
    pub pvki: u8,
    pub pvv: &'a Pvv,
    pub key_set: &'a KeySet,
    pub status: CardStatus,
    pub limit_txn_minor: i64,
    pub limit_day_minor: i64,
    pub note: &'a str,
}

pub(super) async fn insert(
    client: &impl GenericClient,
    (bucket, account_id): (i16, i64),
    card: &NewCard<'_>,
) -> Result<(), StoreError> {
    let pvv = String::from_utf8_lossy(card.pvv.expose()).into_owned();
    client
        .execute(
            INSERT,
            &[
                &bucket,
                &card.card_id,
                &account_id,
                &&card.pan_index.0[..],
                &card.pan_envelope,
                &card.pan_masked,
                &card.expiry.to_string(),
                &i16::from(card.sequence),
                &card.service_code,
                &i16::from(card.pvki),
                &pvv,
                &card.key_set.as_str(),
                &card.status.as_str(),
                &card.limit_txn_minor,
                &card.limit_day_minor,
                &card.note,
            ],
        )
        .await?;
    Ok(())
}

/// Changes a card's status. The version is raised, so that cached copies are recognised as stale.
pub(super) async fn set_status(
    client: &impl GenericClient,
    bucket: i16,
    card_id: i64,
    status: CardStatus,
) -> Result<(), StoreError> {
    client.execute(SET_STATUS, &[&bucket, &card_id, &status.as_str()]).await?;
    Ok(())
}

/// The next number of a card or token: both come from one sequence.
pub async fn next_serial(client: &impl GenericClient) -> Result<u64, StoreError> {
    let serial: i64 = client.query_one("SELECT nextval('card_number')", &[]).await?.get(0);
    Ok(serial.unsigned_abs())
}

/// The columns of a card that an order for a token needs.
#[derive(Clone, Debug)]
pub struct OrderedCard {
    pub pan_index: Vec<u8>,
    pub pan_envelope: Vec<u8>,
    pub expiry: Expiry,
    pub sequence: i16,
    pub note: String,
}

/// A card by its number.
pub async fn ordered(
    client: &impl GenericClient,
    bucket: i16,
    card_id: i64,
) -> Result<Option<OrderedCard>, StoreError> {
    let row = client
        .query_opt(
            "SELECT pan_index, pan_envelope, expiry, psn, note FROM card WHERE bucket = $1 AND card_id = $2",
            &[&bucket, &card_id],
        )
        .await?;
    let card = |row: Row| {
        Ok(OrderedCard {
            pan_index: row.get("pan_index"),
            pan_envelope: row.get("pan_envelope"),
            expiry: Expiry::parse(row.get("expiry")).ok_or(StoreError::Column("card.expiry"))?,
            sequence: row.get("psn"),
            note: row.get("note"),
        })
    };
    row.map(card).transpose()
}

fn read(row: &Row) -> Result<Card, StoreError> {
    Ok(Card {
        bucket: row.get("bucket"),
        card_id: row.get("card_id"),
        account_id: row.get("account_id"),
        status: CardStatus::from_word(row.get("status")).ok_or(StoreError::Column("card.status"))?,
        expiry: Expiry::parse(row.get("expiry")).ok_or(StoreError::Column("card.expiry"))?,
        limit_txn_minor: row.get("limit_txn_minor"),
        limit_day_minor: row.get("limit_day_minor"),
        version: row.get("version"),
        day: row.get("day"),
        spent_minor: row.get("spent_minor"),
        pin_tries: row.get("pin_tries"),
        used_atcs: read_used_atcs(row),
        code_tries: row.get("code_tries"),
        code_refused_until: row.get("code_refused_until"),
    })
}
