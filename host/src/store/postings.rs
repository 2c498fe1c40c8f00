//! Tables `ledger`, `hold`, `chain` and `business_day`, as a batch uses them.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::{Client, Statement};

use crate::batch::{BusinessDay, BusinessDays, DayState, Hold, HoldState};
use crate::journal::{ChainHead, Row};
use crate::key::Idem;
use crate::ledger::Leg;

use super::StoreError;
use super::auth::{currency_column, fixed};

const DAYS: &str = "SELECT date, state::text FROM business_day
  WHERE state <> 'closed' OR date = (SELECT max(date) FROM business_day WHERE state = 'closed')";

/// A date that the switch stamps before it has announced the cut-over to it.
const OPEN_DAY: &str =
    "INSERT INTO business_day (date, state) SELECT d, 'open' FROM unnest($1::date[]) AS u(d) ON CONFLICT DO NOTHING";

const LOAD_HOLDS: &str =
    "SELECT h.bucket, h.auth_id, h.account_id, h.card_id, h.idem_date, h.idem, h.amount_minor, h.currency, h.rrn,
    h.approval_code, h.lifecycle, h.expires_on
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  JOIN hold h ON h.bucket = u.bucket AND h.account_id = u.account_id AND h.state = 'open'";

const INSERT_LEGS: &str =
    "INSERT INTO ledger (bucket, auth_id, leg, account_kind, account_ref, amount_minor, currency, business_date, cycle)
  SELECT * FROM unnest($1::int2[], $2::int8[], $3::int2[], $4::text[], $5::text[], $6::int8[], $7::int2[], $8::date[], $9::date[])";

const INSERT_HOLDS: &str = "INSERT INTO hold (bucket, auth_id, account_id, card_id, idem_date, idem, amount_minor, currency, rrn,
    approval_code, lifecycle, expires_on, state)
  SELECT u.bucket, u.auth_id, u.account_id, u.card_id, u.idem_date, u.idem, u.amount_minor, u.currency, u.rrn, u.approval_code,
    u.lifecycle, u.expires_on, u.state::hold_state
  FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::date[], $6::bytea[], $7::int8[], $8::int2[], $9::text[],
    $10::text[], $11::text[], $12::date[], $13::text[])
    AS u(bucket, auth_id, account_id, card_id, idem_date, idem, amount_minor, currency, rrn, approval_code, lifecycle, expires_on,
    state)";

const UPDATE_HOLDS: &str = "UPDATE hold h SET amount_minor = u.amount_minor, state = u.state::hold_state
  FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::text[]) AS u(bucket, auth_id, amount_minor, state)
  WHERE h.bucket = u.bucket AND h.auth_id = u.auth_id";

const INSERT_LINK: &str = "INSERT INTO chain (bucket, lane_instance, batch_seq, rows, previous, hash, committed_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7)";

const LAST_LINK: &str =
    "SELECT batch_seq, hash FROM chain WHERE bucket = $1 AND lane_instance = $2 ORDER BY batch_seq DESC LIMIT 1";

/// The statements, prepared on one connection.
#[derive(Debug)]
pub(super) struct PostingTables {
    days: Statement,
    open_day: Statement,
    load_holds: Statement,
    insert_legs: Statement,
    insert_holds: Statement,
    update_holds: Statement,
    insert_link: Statement,
    last_link: Statement,
}

/// A link to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub lane: i16,
    pub lane_instance: i32,
    pub rows: i32,
    pub previous: [u8; 32],
    pub head: ChainHead,
    pub committed_at: Timestamp,
}

impl PostingTables {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self {
            days: client.prepare(DAYS).await?,
            open_day: client.prepare(OPEN_DAY).await?,
            load_holds: client.prepare(LOAD_HOLDS).await?,
            insert_legs: client.prepare(INSERT_LEGS).await?,
            insert_holds: client.prepare(INSERT_HOLDS).await?,
            update_holds: client.prepare(UPDATE_HOLDS).await?,
            insert_link: client.prepare(INSERT_LINK).await?,
            last_link: client.prepare(LAST_LINK).await?,
        })
    }

    pub(super) async fn days(&self, client: &Client) -> Result<BusinessDays, StoreError> {
        let rows = client.query(&self.days, &[]).await?;
        let days = rows.iter().map(|row| {
            let state = match row.get("state") {
                "open" => DayState::Open,
                "closing" => DayState::Closing,
                "closed" => DayState::Closed,
                _ => return Err(StoreError::Column("business_day.state")),
            };
            Ok(BusinessDay { date: row.get("date"), state })
        });
        Ok(BusinessDays::new(days.collect::<Result<_, StoreError>>()?))
    }

    pub(super) async fn open_days(&self, client: &Client, dates: &[jiff::civil::Date]) -> Result<(), StoreError> {
        if !dates.is_empty() {
            client.execute(&self.open_day, &[&dates]).await?;
        }
        Ok(())
    }

    /// Open holds of accounts, by (bucket, account).
    pub(super) async fn load_holds(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Hold>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (buckets, ids): (Vec<i16>, Vec<i64>) = keys.iter().copied().unzip();
        client.query(&self.load_holds, &[&buckets, &ids]).await?.iter().map(read_hold).collect()
    }

    pub(super) async fn insert_legs(
        &self,
        client: &Client,
        rows: &[Arc<Row>],
        legs: &[(usize, Vec<Leg>)],
    ) -> Result<(), StoreError> {
        if legs.is_empty() {
            return Ok(());
        }
        let flat: Vec<(&Row, i16, &Leg)> = legs
            .iter()
            .flat_map(|(at, legs)| (1..).zip(legs).map(|(number, leg)| (&*rows[*at], number, leg)))
            .collect();
        let buckets: Vec<i16> = flat.iter().map(|(row, ..)| row.bucket).collect();
        let ids: Vec<i64> = flat.iter().map(|(row, ..)| row.auth_id).collect();
        let numbers: Vec<i16> = flat.iter().map(|(_, number, _)| *number).collect();
        let kinds: Vec<&str> = flat.iter().map(|(.., leg)| leg.kind.as_str()).collect();
        let references: Vec<&str> = flat.iter().map(|(.., leg)| leg.reference.as_str()).collect();
        let amounts: Vec<i64> = flat.iter().map(|(.., leg)| leg.amount_minor).collect();
        let currencies: Vec<i16> = flat.iter().map(|(row, ..)| currency_column(row.currency)).collect();
        let dates: Vec<_> = flat.iter().map(|(row, ..)| row.business_date).collect();
        let cycles: Vec<_> = flat.iter().map(|(row, ..)| row.cycle).collect();
        client
            .execute(
                &self.insert_legs,
                &[&buckets, &ids, &numbers, &kinds, &references, &amounts, &currencies, &dates, &cycles],
            )
            .await?;
        Ok(())
    }

    pub(super) async fn insert_holds(&self, client: &Client, holds: &[&Hold]) -> Result<(), StoreError> {
        if holds.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = holds.iter().map(|hold| hold.bucket).collect();
        let ids: Vec<i64> = holds.iter().map(|hold| hold.auth_id).collect();
        let accounts: Vec<i64> = holds.iter().map(|hold| hold.account_id).collect();
        let cards: Vec<i64> = holds.iter().map(|hold| hold.card_id).collect();
        let dates: Vec<_> = holds.iter().map(|hold| hold.idem_date).collect();
        let idems: Vec<&[u8]> = holds.iter().map(|hold| &hold.idem.0[..]).collect();
        let amounts: Vec<i64> = holds.iter().map(|hold| hold.amount_minor).collect();
        let currencies: Vec<i16> = holds.iter().map(|hold| currency_column(hold.currency)).collect();
        let rrns: Vec<Option<&str>> = holds.iter().map(|hold| hold.rrn.as_deref()).collect();
        let codes: Vec<&str> = holds.iter().map(|hold| hold.approval_code.as_str()).collect();
        let lifecycles: Vec<&str> = holds.iter().map(|hold| hold.lifecycle.as_str()).collect();
        let expire: Vec<_> = holds.iter().map(|hold| hold.expires_on).collect();
        let states: Vec<&str> = holds.iter().map(|hold| hold.state.as_str()).collect();
        client
            .execute(
                &self.insert_holds,
                &[
                    &buckets,
                    &ids,
                    &accounts,
                    &cards,
                    &dates,
                    &idems,
                    &amounts,
                    &currencies,
                    &rrns,
                    &codes,
                    &lifecycles,
                    &expire,
                    &states,
                ],
            )
            .await?;
        Ok(())
    }

    pub(super) async fn update_holds(&self, client: &Client, holds: &[&Hold]) -> Result<(), StoreError> {
        if holds.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = holds.iter().map(|hold| hold.bucket).collect();
        let ids: Vec<i64> = holds.iter().map(|hold| hold.auth_id).collect();
        let amounts: Vec<i64> = holds.iter().map(|hold| hold.amount_minor).collect();
        let states: Vec<&str> = holds.iter().map(|hold| hold.state.as_str()).collect();
        client.execute(&self.update_holds, &[&buckets, &ids, &amounts, &states]).await?;
        Ok(())
    }

    pub(super) async fn insert_link(&self, client: &Client, link: &Link) -> Result<(), StoreError> {
        let (previous, hash) = (&link.previous[..], &link.head.hash[..]);
        client
            .execute(
                &self.insert_link,
                &[
                    &link.lane,
                    &link.lane_instance,
                    &link.head.batch_seq,
                    &link.rows,
                    &previous,
                    &hash,
                    &link.committed_at,
                ],
            )
            .await?;
        Ok(())
    }

    /// The head of a chain as it was committed.
    pub(super) async fn head(&self, client: &Client, lane: i16, lane_instance: i32) -> Result<ChainHead, StoreError> {
        match client.query_opt(&self.last_link, &[&lane, &lane_instance]).await? {
            Some(row) => Ok(ChainHead { batch_seq: row.get("batch_seq"), hash: fixed(row.get("hash"), "chain.hash")? }),
            None => Ok(ChainHead::START),
        }
    }
}

fn read_hold(row: &tokio_postgres::Row) -> Result<Hold, StoreError> {
    let currency: i16 = row.get("currency");
    Ok(Hold {
        bucket: row.get("bucket"),
        auth_id: row.get("auth_id"),
        account_id: row.get("account_id"),
        card_id: row.get("card_id"),
        idem_date: row.get("idem_date"),
        idem: Idem(fixed(row.get("idem"), "hold.idem")?),
        amount_minor: row.get("amount_minor"),
        currency: currency.unsigned_abs(),
        rrn: row.get("rrn"),
        approval_code: row.get("approval_code"),
        lifecycle: row.get("lifecycle"),
        state: HoldState::Open,
        expires_on: row.get("expires_on"),
    })
}
