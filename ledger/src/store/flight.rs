//! A lane's batch in two pipelined flights (statements sent without waiting for each other): lock and read, then write
//! and COMMIT.
//!
//! The result of every statement is checked: COMMIT of a transaction in which one failed reports success and rolls
//! back.
#![expect(clippy::disallowed_methods, reason = "shell: a link says when it was written")]

use std::sync::Arc;

use deadpool_postgres::{Object, Pool};
use futures::TryFutureExt;
use jiff::Timestamp;

use super::StoreError;
use super::account_state::AccountTable;
use super::auth::{AuthTable, LinkPlace};
use super::business_day::DayTable;
use super::card::CardTable;
use super::card_state::CardStateTable;
use super::chain::{ChainTable, Link};
use super::hold::HoldTable;
use super::ledger::LedgerTable;
use super::token::TokenTable;
use super::token_state::TokenStateTable;
use crate::batch_rows::{BatchRows, Changes};
use crate::journal::{ChainHead, RowKey};

/// A lane within one start of its host. Each has a hash chain of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneInstance {
    /// The lane's number within its host.
    pub lane: i16,
    /// host epoch << 8 | lane.
    pub number: i32,
}

/// A lane's connection with its prepared statements and the head of its chain. After an error it is discarded.
#[derive(Debug)]
pub struct LaneConnection {
    client: Object,
    by: LaneInstance,
    auth: AuthTable,
    accounts: AccountTable,
    cards: CardTable,
    card_states: CardStateTable,
    tokens: TokenTable,
    token_states: TokenStateTable,
    holds: HoldTable,
    legs: LedgerTable,
    days: DayTable,
    chain: ChainTable,
    head: ChainHead,
}

/// The keys of everything that a batch loads.
#[derive(Debug, Default)]
pub struct BatchKeys {
    pub accounts: Vec<(i16, i64)>,
    pub cards: Vec<(i16, i64)>,
    pub tokens: Vec<(i16, i64)>,
    pub rows: Vec<RowKey>,
    /// Accounts whose open holds are needed.
    pub holds: Vec<(i16, i64)>,
}

impl BatchKeys {
    /// The keys without duplicates, accounts in the order in which they are locked.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        for keys in [&mut self.accounts, &mut self.cards, &mut self.tokens, &mut self.holds] {
            keys.sort_unstable();
            keys.dedup();
        }
        self.rows.sort_unstable();
        self.rows.dedup();
        self
    }
}

impl LaneConnection {
    /// Takes a connection for the lane. The head of the chain is read from the table, because a batch whose COMMIT got
    /// no answer may be in it.
    pub async fn open(pool: &Pool, by: LaneInstance) -> Result<Self, StoreError> {
        let client = pool.get().await?;
        let chain = ChainTable::prepare(&client).await?;
        let head = chain.head(&client, by.lane, by.number).await?;
        Ok(Self {
            auth: AuthTable::prepare(&**client).await?,
            accounts: AccountTable::prepare(&client).await?,
            cards: CardTable::prepare(&client).await?,
            card_states: CardStateTable::prepare(&client).await?,
            tokens: TokenTable::prepare(&client).await?,
            token_states: TokenStateTable::prepare(&client).await?,
            holds: HoldTable::prepare(&client).await?,
            legs: LedgerTable::prepare(&**client).await?,
            days: DayTable::prepare(&client).await?,
            chain,
            head,
            by,
            client,
        })
    }

    /// The committed head of the chain.
    #[must_use]
    pub const fn head(&self) -> ChainHead {
        self.head
    }

    /// Removes the connection from its pool: its transaction may still be open.
    pub fn discard(self) {
        drop(Object::take(self.client));
    }

    /// Flight 1: BEGIN, the shared lock on the days, the accounts under lock, and the rows that belong to them.
    pub async fn read(&self, keys: &BatchKeys) -> Result<BatchRows, StoreError> {
        let client: &tokio_postgres::Client = &self.client;
        let (begin, lock, days, accounts, cards, tokens, rows, holds) = futures::join!(
            client.batch_execute("BEGIN"),
            self.days.lock(client),
            self.days.load(client),
            self.accounts.lock(client, &keys.accounts),
            self.cards.load(client, &keys.cards),
            self.tokens.load(client, &keys.tokens),
            self.auth.load(client, &keys.rows),
            self.holds.load(client, &keys.holds),
        );
        begin?;
        lock?;
        Ok(BatchRows {
            days: days?,
            accounts: accounts?.into_iter().map(|account| ((account.bucket, account.account_id), account)).collect(),
            cards: cards?.into_iter().map(|card| (card.card_id, card)).collect(),
            tokens: tokens?.into_iter().map(|token| (token.token_id, token)).collect(),
            rows: rows?.into_iter().map(|row| (row.key(), Arc::new(row))).collect(),
            holds: holds?.into_iter().map(|hold| (hold.auth_id, hold)).collect(),
        })
    }

    /// Flight 2: the changes, the chain's link over them, COMMIT.
    pub async fn write(&mut self, changes: &Changes, loaded: &BatchRows) -> Result<(), StoreError> {
        let client: &tokio_postgres::Client = &self.client;
        if changes.rows.is_empty() {
            // only repeats: nothing to write, and the rows they found are committed already
            client.batch_execute("COMMIT").await?;
            return Ok(());
        }
        let head = self.head.after(changes.rows.iter().map(|row| &**row));
        let place = LinkPlace { lane_instance: self.by.number, batch_seq: head.batch_seq };
        let link = Link {
            lane: self.by.lane,
            lane_instance: self.by.number,
            rows: i32::try_from(changes.rows.len()).expect("a batch is capped at 1024"),
            previous: self.head.hash,
            head,
            committed_at: Timestamp::now(),
        };
        let accounts: Vec<_> = changes.accounts.iter().filter_map(|key| loaded.accounts.get(key)).collect();
        let cards: Vec<_> = changes.cards.iter().filter_map(|id| loaded.cards.get(id)).collect();
        let tokens: Vec<_> = changes.tokens.iter().filter_map(|id| loaded.tokens.get(id)).collect();
        let new_holds: Vec<_> = changes.new_holds.iter().filter_map(|id| loaded.holds.get(id)).collect();
        let changed = changes.changed_holds.difference(&changes.new_holds);
        let changed_holds: Vec<_> = changed.filter_map(|id| loaded.holds.get(id)).collect();
        let postings: Vec<_> = changes.postings.iter().map(|(at, posting)| (&*changes.rows[*at], posting)).collect();
        let mut new_days: Vec<_> =
            changes.rows.iter().map(|row| row.cycle).filter(|cycle| !loaded.days.knows(*cycle)).collect();
        new_days.sort_unstable();
        new_days.dedup();
        let results = futures::join!(
            self.accounts.update(client, &accounts),
            self.card_states.update(client, &cards),
            self.token_states.update(client, &tokens),
            self.auth.insert(client, &changes.rows, place),
            self.legs.insert(client, &postings),
            self.holds.insert(client, &new_holds),
            self.holds.update(client, &changed_holds),
            self.days.open(client, &new_days),
            self.chain.insert(client, &link),
            client.batch_execute("COMMIT").map_err(StoreError::from),
        );
        let (accounts, cards, tokens, auth, legs, holds, changed, days, link, commit) = results;
        [accounts, cards, tokens, auth, legs, holds, changed, days, link, commit]
            .into_iter()
            .collect::<Result<(), _>>()?;
        self.head = head;
        Ok(())
    }
}
