//! Table `account_state`: the hot row of an account. Every change of an account, its cards or tokens locks this row
//! first.

use codecs::value::Currency;
use tokio_postgres::{Client, GenericClient, Row, Statement};

use super::recorded_change::RecordedTable;
use super::{StoreError, columns, currency, currency_column};
use crate::account::Account;
use crate::chain::Subject;

/// In (bucket, account) order, so that batches of several hosts cannot deadlock. `$1` buckets, `$2` accounts.
const LOCK_ACCOUNTS: &str =
    "SELECT a.bucket, a.account_id, a.currency, a.ledger_minor, a.held_minor, a.credit_minor, a.seq
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  JOIN account_state a ON a.bucket = u.bucket AND a.account_id = u.account_id
  ORDER BY a.bucket, a.account_id FOR UPDATE OF a";

const LOCK: &str = "SELECT 1 FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  JOIN account_state a ON a.bucket = u.bucket AND a.account_id = u.account_id
  ORDER BY a.bucket, a.account_id FOR UPDATE OF a";

const UPDATE_ACCOUNTS: &str = "UPDATE account_state a SET ledger_minor = u.ledger_minor, held_minor = u.held_minor, seq = u.seq
  FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) AS u(bucket, account_id, ledger_minor, held_minor, seq)
  WHERE a.bucket = u.bucket AND a.account_id = u.account_id";

const LOWER_HELD: &str = "UPDATE account_state a SET held_minor = a.held_minor - u.minor
  FROM unnest($1::int2[], $2::int8[], $3::int8[]) AS u(bucket, account_id, minor)
  WHERE a.bucket = u.bucket AND a.account_id = u.account_id";

const INSERT: &str =
    "INSERT INTO account_state (bucket, account_id, currency, ledger_minor, seq) VALUES ($1, $2, $3, $4, 1)";

pub(super) const RECORDED: RecordedTable = RecordedTable {
    subject: Subject::Account,
    name: "account_state",
    key: &["bucket", "account_id"],
    columns: "bucket::text, account_id::text, currency::text, credit_minor::text",
};

/// The statements of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct AccountTable {
    lock: Statement,
    update: Statement,
}

impl AccountTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self { lock: client.prepare(LOCK_ACCOUNTS).await?, update: client.prepare(UPDATE_ACCOUNTS).await? })
    }

    /// Locks accounts by (bucket, account).
    pub(super) async fn lock(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Account>, StoreError> {
        let (buckets, ids) = columns(keys);
        let rows = client.query(&self.lock, &[&buckets, &ids]).await?;
        Ok(rows.iter().map(read).collect())
    }

    pub(super) async fn update(&self, client: &Client, accounts: &[&Account]) -> Result<(), StoreError> {
        if accounts.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = accounts.iter().map(|account| account.bucket).collect();
        let ids: Vec<i64> = accounts.iter().map(|account| account.account_id).collect();
        let ledger: Vec<i64> = accounts.iter().map(|account| account.ledger_minor).collect();
        let held: Vec<i64> = accounts.iter().map(|account| account.held_minor).collect();
        let seq: Vec<i64> = accounts.iter().map(|account| account.seq).collect();
        client.execute(&self.update, &[&buckets, &ids, &ledger, &held, &seq]).await?;
        Ok(())
    }
}

/// Locks accounts in (bucket, account) order, as all writers do.
pub(super) async fn lock(client: &impl GenericClient, keys: &[(i16, i64)]) -> Result<(), StoreError> {
    let (buckets, ids) = columns(keys);
    client.query(LOCK, &[&buckets, &ids]).await?;
    Ok(())
}

/// The number of a new account.
pub(super) async fn next_number(client: &impl GenericClient) -> Result<i64, StoreError> {
    Ok(client.query_one("SELECT nextval('account_number')", &[]).await?.get(0))
}

/// Inserts a new account. It has had one journal row, its opening balance.
pub(super) async fn insert(
    client: &impl GenericClient,
    (bucket, account_id): (i16, i64),
    currency: Currency,
    ledger_minor: i64,
) -> Result<(), StoreError> {
    client.execute(INSERT, &[&bucket, &account_id, &currency_column(currency), &ledger_minor]).await?;
    Ok(())
}

/// Lowers the held amounts of locked accounts. Returns the number of accounts.
pub(super) async fn lower_held(client: &impl GenericClient, held: &[(i16, i64, i64)]) -> Result<u64, StoreError> {
    let buckets: Vec<i16> = held.iter().map(|of| of.0).collect();
    let ids: Vec<i64> = held.iter().map(|of| of.1).collect();
    let minors: Vec<i64> = held.iter().map(|of| of.2).collect();
    Ok(client.execute(LOWER_HELD, &[&buckets, &ids, &minors]).await?)
}

fn read(row: &Row) -> Account {
    Account {
        bucket: row.get("bucket"),
        account_id: row.get("account_id"),
        currency: currency(row.get("currency")),
        ledger_minor: row.get("ledger_minor"),
        held_minor: row.get("held_minor"),
        credit_minor: row.get("credit_minor"),
        seq: row.get("seq"),
    }
}
