//! Table `hold`: amounts kept back by pre-authorizations.

use codecs::value::{ApprovalCode, Rrn};
use deadpool_postgres::Pool;
use jiff::civil::Date;
use tokio_postgres::{Client, Row, Statement};

use super::{StoreError, account_state, columns, currency, currency_column, fixed};
use crate::hold::{Hold, HoldState};
use crate::key::JournalKey;

const LOAD: &str =
    "SELECT h.bucket, h.auth_id, h.account_id, h.card_id, h.idem_date, h.idem, h.amount_minor, h.currency, h.rrn,
    h.approval_code, h.lifecycle, h.expires_on
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  JOIN hold h ON h.bucket = u.bucket AND h.account_id = u.account_id AND h.state = 'open'";

const INSERT: &str = "INSERT INTO hold (bucket, auth_id, account_id, card_id, idem_date, idem, amount_minor, currency, rrn,
    approval_code, lifecycle, expires_on, state)
  SELECT u.bucket, u.auth_id, u.account_id, u.card_id, u.idem_date, u.idem, u.amount_minor, u.currency, u.rrn, u.approval_code,
    u.lifecycle, u.expires_on, u.state::hold_state
  FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::date[], $6::bytea[], $7::int8[], $8::int2[], $9::text[],
    $10::text[], $11::text[], $12::date[], $13::text[])
    AS u(bucket, auth_id, account_id, card_id, idem_date, idem, amount_minor, currency, rrn, approval_code, lifecycle, expires_on,
    state)";

const UPDATE: &str = "UPDATE hold h SET amount_minor = u.amount_minor, state = u.state::hold_state
  FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::text[]) AS u(bucket, auth_id, amount_minor, state)
  WHERE h.bucket = u.bucket AND h.auth_id = u.auth_id";

/// Accounts per transaction: their rows stay locked while it lasts.
const ACCOUNTS_AT_ONCE: i64 = 100;

const DUE: &str = "SELECT DISTINCT bucket, account_id FROM hold WHERE state = 'open' AND expires_on < $1
  ORDER BY bucket, account_id LIMIT $2";

const RELEASE: &str = "WITH released AS (
    UPDATE hold h SET state = 'released' FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
    WHERE h.bucket = u.bucket AND h.account_id = u.account_id AND h.state = 'open' AND h.expires_on < $3
    RETURNING h.bucket, h.account_id, h.amount_minor)
  SELECT bucket, account_id, sum(amount_minor)::int8 AS minor FROM released GROUP BY bucket, account_id";

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

    /// Open holds of accounts, by (bucket, account).
    pub(super) async fn load(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Hold>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (buckets, ids): (Vec<i16>, Vec<i64>) = keys.iter().copied().unzip();
        client.query(&self.load, &[&buckets, &ids]).await?.iter().map(read).collect()
    }

    pub(super) async fn insert(&self, client: &Client, holds: &[&Hold]) -> Result<(), StoreError> {
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
        let rrns: Vec<Option<&str>> = holds.iter().map(|hold| hold.rrn.as_ref().map(Rrn::as_str)).collect();
        let codes: Vec<&str> = holds.iter().map(|hold| hold.approval_code.as_str()).collect();
        let life_cycles: Vec<&str> = holds.iter().map(|hold| hold.life_cycle.as_str()).collect();
        let expire: Vec<_> = holds.iter().map(|hold| hold.expires_on).collect();
        let states: Vec<&str> = holds.iter().map(|hold| hold.state.as_str()).collect();
        client
            .execute(
                &self.insert,
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
                    &life_cycles,
                    &expire,
                    &states,
                ],
            )
            .await?;
        Ok(())
    }

    pub(super) async fn update(&self, client: &Client, holds: &[&Hold]) -> Result<(), StoreError> {
        if holds.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = holds.iter().map(|hold| hold.bucket).collect();
        let ids: Vec<i64> = holds.iter().map(|hold| hold.auth_id).collect();
        let amounts: Vec<i64> = holds.iter().map(|hold| hold.amount_minor).collect();
        let states: Vec<&str> = holds.iter().map(|hold| hold.state.as_str()).collect();
        client.execute(&self.update, &[&buckets, &ids, &amounts, &states]).await?;
        Ok(())
    }
}

/// Releases every open hold that expired before `today`; a later completion is posted regardless. Returns the number of
/// accounts changed.
pub async fn release_expired(pool: &Pool, today: Date) -> Result<u64, StoreError> {
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
        let held: Vec<_> = released.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        accounts += account_state::lower_held(&transaction, &held).await?;
        transaction.commit().await?;
    }
}

fn read(row: &Row) -> Result<Hold, StoreError> {
    let rrn: Option<&str> = row.get("rrn");
    Ok(Hold {
        bucket: row.get("bucket"),
        auth_id: row.get("auth_id"),
        account_id: row.get("account_id"),
        card_id: row.get("card_id"),
        idem_date: row.get("idem_date"),
        idem: JournalKey(fixed(row.get("idem"), "hold.idem")?),
        amount_minor: row.get("amount_minor"),
        currency: currency(row.get("currency")),
        rrn: rrn.map(|rrn| Rrn::new(rrn).ok_or(StoreError::Column("hold.rrn"))).transpose()?,
        approval_code: ApprovalCode::new(row.get("approval_code")).ok_or(StoreError::Column("hold.approval_code"))?,
        life_cycle: row.get("lifecycle"),
        state: HoldState::Open,
        expires_on: row.get("expires_on"),
    })
}
