//! Table `hold`: amounts kept back by pre-authorizations.

use std::collections::BTreeMap;

use codecs::value::{ApprovalCode, MerchantId, Rrn};
use deadpool_postgres::Pool;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use tokio_postgres::{Client, Row, Statement};

use super::word::Word;
use super::{StoreError, Writer, account_state, columns, currency, currency_column, fixed};
use crate::chain::{Change, FieldHash, Subject};
use crate::hold::{Hold, HoldState};
use crate::key::JournalKey;

/// Open holds, and those that ended but whose last day is not before `$3`: a further completion may name them.
const LOAD: &str =
    "SELECT h.bucket, h.auth_id, h.account_id, h.card_id, h.idem_date, h.idem, h.amount_minor, h.authorized_minor,
    h.captured_minor, h.currency, h.rrn, h.approval_code, h.lifecycle, h.merchant, h.state, h.expires_on, h.counted_on
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  CROSS JOIN LATERAL (SELECT * FROM hold h
    WHERE h.bucket = u.bucket AND h.account_id = u.account_id AND h.expires_on >= $3 OFFSET 0) h";

const INSERT: &str = "INSERT INTO hold (bucket, auth_id, account_id, card_id, idem_date, idem, amount_minor, authorized_minor,
    captured_minor, currency, rrn, approval_code, lifecycle, merchant, state, expires_on, counted_on)
  SELECT * FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::date[], $6::bytea[], $7::int8[], $8::int8[], $9::int8[],
    $10::int2[], $11::text[], $12::text[], $13::text[], $14::text[], $15::hold_state[], $16::date[], $17::date[])";

const UPDATE: &str = "UPDATE hold h SET amount_minor = u.amount_minor, authorized_minor = u.authorized_minor,
    captured_minor = u.captured_minor, state = u.state, expires_on = u.expires_on
  FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::hold_state[], $7::date[])
    AS u(bucket, auth_id, amount_minor, authorized_minor, captured_minor, state, expires_on)
  WHERE h.bucket = u.bucket AND h.auth_id = u.auth_id";

/// Days for which an open hold may wait past its last day until it is released.
const UNRELEASED_DAYS: i64 = 7;

/// Accounts per transaction: their rows stay locked while it lasts.
const ACCOUNTS_AT_ONCE: i64 = 100;

const DUE: &str = "SELECT DISTINCT bucket, account_id FROM hold WHERE state = 'open' AND expires_on < $1
  ORDER BY bucket, account_id LIMIT $2";

const RELEASE: &str =
    "UPDATE hold h SET state = 'released' FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  WHERE h.bucket = u.bucket AND h.account_id = u.account_id AND h.state = 'open' AND h.expires_on < $3
  RETURNING h.bucket, h.account_id, h.auth_id, h.amount_minor";

/// The statements of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct HoldTable {
    load: Statement,
    insert: Statement,
    update: Statement,
}

impl HoldTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self {
            load: client.prepare(LOAD).await?,
            insert: client.prepare(INSERT).await?,
            update: client.prepare(UPDATE).await?,
        })
    }

    /// Holds of accounts, by (bucket, account). Those that ended before `since` are left out.
    pub(super) async fn load(
        &self,
        client: &Client,
        keys: &[(i16, i64)],
        since: Option<Date>,
    ) -> Result<Vec<Hold>, StoreError> {
        let Some(since) = since.filter(|_| !keys.is_empty()) else { return Ok(Vec::new()) };
        let since = since.saturating_sub(Span::new().days(UNRELEASED_DAYS));
        let (buckets, ids) = columns(keys);
        client.query(&self.load, &[&buckets, &ids, &since]).await?.iter().map(read).collect()
    }

    pub(super) async fn insert(&self, client: &Client, holds: &[&Hold]) -> Result<(), StoreError> {
        if holds.is_empty() {
            return Ok(());
        }
        macro_rules! column {
            ($hold:ident => $value:expr) => {
                holds.iter().map(|$hold| $value).collect::<Vec<_>>()
            };
        }
        client
            .execute(
                &self.insert,
                &[
                    &column!(hold => hold.bucket),
                    &column!(hold => hold.auth_id),
                    &column!(hold => hold.account_id),
                    &column!(hold => hold.card_id),
                    &column!(hold => hold.idem_date),
                    &column!(hold => &hold.idem.0[..]),
                    &column!(hold => hold.amount_minor),
                    &column!(hold => hold.authorized_minor),
                    &column!(hold => hold.captured_minor),
                    &column!(hold => currency_column(hold.currency)),
                    &column!(hold => hold.rrn.as_ref().map(Rrn::as_str)),
                    &column!(hold => hold.approval_code.as_str()),
                    &column!(hold => hold.life_cycle.as_str()),
                    &column!(hold => hold.merchant.as_ref().map(MerchantId::as_str)),
                    &column!(hold => Word(hold.state.as_str())),
                    &column!(hold => hold.expires_on),
                    &column!(hold => hold.counted_on),
                ],
            )
            .await?;
        Ok(())
    }

    pub(super) async fn update(&self, client: &Client, holds: &[&Hold]) -> Result<(), StoreError> {
        if holds.is_empty() {
            return Ok(());
        }
        macro_rules! column {
            ($hold:ident => $value:expr) => {
                holds.iter().map(|$hold| $value).collect::<Vec<_>>()
            };
        }
        client
            .execute(
                &self.update,
                &[
                    &column!(hold => hold.bucket),
                    &column!(hold => hold.auth_id),
                    &column!(hold => hold.amount_minor),
                    &column!(hold => hold.authorized_minor),
                    &column!(hold => hold.captured_minor),
                    &column!(hold => Word(hold.state.as_str())),
                    &column!(hold => hold.expires_on),
                ],
            )
            .await?;
        Ok(())
    }
}

/// Releases every open hold that expired before `today`, and records it; a later completion is posted regardless. Returns
/// the number of accounts changed.
pub async fn release_expired(pool: &Pool, writer: &Writer, today: Date, at: Timestamp) -> Result<u64, StoreError> {
    let mut connection = pool.get().await?;
    let client: &mut Client = &mut connection;
    let mut accounts = 0;
    loop {
        let due = client.query(DUE, &[&today, &ACCOUNTS_AT_ONCE]).await?;
        if due.is_empty() {
            return Ok(accounts);
        }
        let keys: Vec<(i16, i64)> = due.iter().map(|row| (row.get(0), row.get(1))).collect();
        let (buckets, ids) = columns(&keys);
        let transaction = client.transaction().await?;
        // accounts are locked first, as by every writer; what is due is selected again under the lock
        account_state::lock(&transaction, &keys).await?;
        let released = transaction.query(RELEASE, &[&buckets, &ids, &today]).await?;
        let mut held: BTreeMap<(i16, i64), i64> = BTreeMap::new();
        for row in &released {
            *held.entry((row.get(0), row.get(1))).or_default() += row.get::<_, i64>(3);
        }
        let held: Vec<_> = held.into_iter().map(|((bucket, account), minor)| (bucket, account, minor)).collect();
        accounts += account_state::lower_held(&transaction, &held).await?;
        let changes: Vec<Change> = released.iter().map(|row| expired(row.get(0), row.get(2), at)).collect();
        writer.record(&transaction, &changes).await?;
        transaction.commit().await?;
    }
}

fn expired(bucket: i16, auth_id: i64, at: Timestamp) -> Change {
    let mut content = FieldHash::of(Subject::Hold.as_str());
    let (state, bucket) = (HoldState::Released.as_str(), bucket.to_string());
    content.text(bucket.as_str()).text(auth_id.to_string().as_str()).text(state);
    let (reference, said) = (format!("{bucket}/{auth_id}"), "expired".to_owned());
    Change { subject: Subject::Hold, reference, said, content: content.finish(), at }
}

fn read(row: &Row) -> Result<Hold, StoreError> {
    let (rrn, merchant): (Option<&str>, Option<&str>) = (row.get("rrn"), row.get("merchant"));
    let state: Word<'_> = row.get("state");
    Ok(Hold {
        bucket: row.get("bucket"),
        auth_id: row.get("auth_id"),
        account_id: row.get("account_id"),
        card_id: row.get("card_id"),
        idem_date: row.get("idem_date"),
        idem: JournalKey(fixed(row.get("idem"), "hold.idem")?),
        amount_minor: row.get("amount_minor"),
        authorized_minor: row.get("authorized_minor"),
        captured_minor: row.get("captured_minor"),
        currency: currency(row.get("currency")),
        rrn: rrn.map(|rrn| Rrn::new(rrn).ok_or(StoreError::Column("hold.rrn"))).transpose()?,
        approval_code: ApprovalCode::new(row.get("approval_code")).ok_or(StoreError::Column("hold.approval_code"))?,
        life_cycle: row.get("lifecycle"),
        merchant: merchant.map(|id| MerchantId::new(id).ok_or(StoreError::Column("hold.merchant"))).transpose()?,
        state: HoldState::from_word(state.0).ok_or(StoreError::Column("hold.state"))?,
        expires_on: row.get("expires_on"),
        counted_on: row.get("counted_on"),
    })
}
