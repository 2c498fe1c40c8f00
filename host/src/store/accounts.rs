//! Tables `account_state`, `card`, `card_state`, `token`, `token_state`: what a batch locks, reads and writes back.

use tokio_postgres::{Client, Row, Statement};

use crate::batch::{Account, Card, CardStatus, Counters, Token, TokenStatus};

use super::StoreError;
use super::auth::fixed;

/// In (bucket, account) order, so that batches of several hosts cannot deadlock. `$1` buckets, `$2` accounts.
const LOCK_ACCOUNTS: &str =
    "SELECT a.bucket, a.account_id, a.currency, a.ledger_minor, a.held_minor, a.credit_minor, a.seq
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, account_id)
  JOIN account_state a ON a.bucket = u.bucket AND a.account_id = u.account_id
  ORDER BY a.bucket, a.account_id FOR UPDATE OF a";

/// Must follow the lock as a statement of its own: READ COMMITTED gives each a fresh snapshot, which sees what it waited for.
const LOAD_CARDS: &str =
    "SELECT c.bucket, c.card_id, c.account_id, c.status::text, c.expiry, c.limit_txn_minor, c.limit_day_minor,
    c.version, s.day, s.spent_minor, s.pin_tries, s.atc_high, s.atc_window
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, card_id)
  JOIN card c ON c.bucket = u.bucket AND c.card_id = u.card_id
  JOIN card_state s ON s.bucket = u.bucket AND s.card_id = u.card_id";

const LOAD_TOKENS: &str =
    "SELECT t.bucket, t.token_id, t.card_id, t.status::text, t.expiry, t.version, s.atc_high, s.atc_window
  FROM unnest($1::int2[], $2::int8[]) AS u(bucket, token_id)
  JOIN token t ON t.bucket = u.bucket AND t.token_id = u.token_id
  JOIN token_state s ON s.bucket = u.bucket AND s.token_id = u.token_id";

const UPDATE_ACCOUNTS: &str = "UPDATE account_state a SET ledger_minor = u.ledger_minor, held_minor = u.held_minor, seq = u.seq
  FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::int8[], $5::int8[]) AS u(bucket, account_id, ledger_minor, held_minor, seq)
  WHERE a.bucket = u.bucket AND a.account_id = u.account_id";

const UPDATE_CARDS: &str =
    "UPDATE card_state s SET day = u.day, spent_minor = u.spent_minor, pin_tries = u.pin_tries, atc_high = u.atc_high,
    atc_window = u.atc_window
  FROM unnest($1::int2[], $2::int8[], $3::date[], $4::int8[], $5::int2[], $6::int4[], $7::int8[])
    AS u(bucket, card_id, day, spent_minor, pin_tries, atc_high, atc_window)
  WHERE s.bucket = u.bucket AND s.card_id = u.card_id";

const UPDATE_TOKENS: &str = "UPDATE token_state s SET atc_high = u.atc_high, atc_window = u.atc_window
  FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::int8[]) AS u(bucket, token_id, atc_high, atc_window)
  WHERE s.bucket = u.bucket AND s.token_id = u.token_id";

/// The statements, prepared on one connection.
#[derive(Debug)]
pub(super) struct AccountTables {
    lock_accounts: Statement,
    load_cards: Statement,
    load_tokens: Statement,
    update_accounts: Statement,
    update_cards: Statement,
    update_tokens: Statement,
}

impl AccountTables {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        Ok(Self {
            lock_accounts: client.prepare(LOCK_ACCOUNTS).await?,
            load_cards: client.prepare(LOAD_CARDS).await?,
            load_tokens: client.prepare(LOAD_TOKENS).await?,
            update_accounts: client.prepare(UPDATE_ACCOUNTS).await?,
            update_cards: client.prepare(UPDATE_CARDS).await?,
            update_tokens: client.prepare(UPDATE_TOKENS).await?,
        })
    }

    /// Locks accounts by (bucket, account).
    pub(super) async fn lock_accounts(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Account>, StoreError> {
        let (buckets, ids) = columns(keys);
        let rows = client.query(&self.lock_accounts, &[&buckets, &ids]).await?;
        Ok(rows.iter().map(read_account).collect())
    }

    pub(super) async fn load_cards(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Card>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (buckets, ids) = columns(keys);
        client.query(&self.load_cards, &[&buckets, &ids]).await?.iter().map(read_card).collect()
    }

    pub(super) async fn load_tokens(&self, client: &Client, keys: &[(i16, i64)]) -> Result<Vec<Token>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (buckets, ids) = columns(keys);
        client.query(&self.load_tokens, &[&buckets, &ids]).await?.iter().map(read_token).collect()
    }

    pub(super) async fn update_accounts(&self, client: &Client, accounts: &[&Account]) -> Result<(), StoreError> {
        if accounts.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = accounts.iter().map(|account| account.bucket).collect();
        let ids: Vec<i64> = accounts.iter().map(|account| account.account_id).collect();
        let ledger: Vec<i64> = accounts.iter().map(|account| account.ledger_minor).collect();
        let held: Vec<i64> = accounts.iter().map(|account| account.held_minor).collect();
        let seq: Vec<i64> = accounts.iter().map(|account| account.seq).collect();
        client.execute(&self.update_accounts, &[&buckets, &ids, &ledger, &held, &seq]).await?;
        Ok(())
    }

    pub(super) async fn update_cards(&self, client: &Client, cards: &[&Card]) -> Result<(), StoreError> {
        if cards.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = cards.iter().map(|card| card.bucket).collect();
        let ids: Vec<i64> = cards.iter().map(|card| card.card_id).collect();
        let days: Vec<_> = cards.iter().map(|card| card.day).collect();
        let spent: Vec<i64> = cards.iter().map(|card| card.spent_minor).collect();
        let tries: Vec<i16> = cards.iter().map(|card| card.pin_tries).collect();
        let high: Vec<i32> = cards.iter().map(|card| card.counters.high).collect();
        let window: Vec<i64> = cards.iter().map(|card| card.counters.window.cast_signed()).collect();
        client.execute(&self.update_cards, &[&buckets, &ids, &days, &spent, &tries, &high, &window]).await?;
        Ok(())
    }

    pub(super) async fn update_tokens(&self, client: &Client, tokens: &[&Token]) -> Result<(), StoreError> {
        if tokens.is_empty() {
            return Ok(());
        }
        let buckets: Vec<i16> = tokens.iter().map(|token| token.bucket).collect();
        let ids: Vec<i64> = tokens.iter().map(|token| token.token_id).collect();
        let high: Vec<i32> = tokens.iter().map(|token| token.counters.high).collect();
        let window: Vec<i64> = tokens.iter().map(|token| token.counters.window.cast_signed()).collect();
        client.execute(&self.update_tokens, &[&buckets, &ids, &high, &window]).await?;
        Ok(())
    }
}

fn columns(keys: &[(i16, i64)]) -> (Vec<i16>, Vec<i64>) {
    keys.iter().copied().unzip()
}

fn read_account(row: &Row) -> Account {
    let currency: i16 = row.get("currency");
    Account {
        bucket: row.get("bucket"),
        account_id: row.get("account_id"),
        currency: currency.unsigned_abs(),
        ledger_minor: row.get("ledger_minor"),
        held_minor: row.get("held_minor"),
        credit_minor: row.get("credit_minor"),
        seq: row.get("seq"),
    }
}

fn read_counters(row: &Row) -> Counters {
    Counters { high: row.get("atc_high"), window: row.get::<_, i64>("atc_window").cast_unsigned() }
}

fn read_card(row: &Row) -> Result<Card, StoreError> {
    Ok(Card {
        bucket: row.get("bucket"),
        card_id: row.get("card_id"),
        account_id: row.get("account_id"),
        status: card_status(row.get("status"))?,
        expiry: fixed(row.get::<_, &str>("expiry").as_bytes(), "card.expiry")?,
        limit_txn_minor: row.get("limit_txn_minor"),
        limit_day_minor: row.get("limit_day_minor"),
        version: row.get("version"),
        day: row.get("day"),
        spent_minor: row.get("spent_minor"),
        pin_tries: row.get("pin_tries"),
        counters: read_counters(row),
    })
}

fn card_status(word: &str) -> Result<CardStatus, StoreError> {
    Ok(match word {
        "active" => CardStatus::Active,
        "blocked" => CardStatus::Blocked,
        "lost" => CardStatus::Lost,
        "stolen" => CardStatus::Stolen,
        "closed" => CardStatus::Closed,
        _ => return Err(StoreError::Column("card.status")),
    })
}

fn read_token(row: &Row) -> Result<Token, StoreError> {
    let status = match row.get("status") {
        "active" => TokenStatus::Active,
        "suspended" => TokenStatus::Suspended,
        "deleted" => TokenStatus::Deleted,
        _ => return Err(StoreError::Column("token.status")),
    };
    Ok(Token {
        bucket: row.get("bucket"),
        token_id: row.get("token_id"),
        card_id: row.get("card_id"),
        status,
        expiry: fixed(row.get::<_, &str>("expiry").as_bytes(), "token.expiry")?,
        version: row.get("version"),
        counters: read_counters(row),
    })
}
