//! A lane's batch in two pipelined flights (statements sent without waiting for each other): lock and read, then write
//! and COMMIT.
//!
//! The result of every statement is checked: COMMIT of a transaction in which one failed reports success and rolls
//! back.
#![expect(clippy::disallowed_methods, reason = "shell: a link says when it was written")]

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::{Object, Pool};
use futures::TryFutureExt;
use jiff::Timestamp;
use jiff::civil::Date;

use super::StoreError;
use super::account_state::AccountTable;
use super::acquired_chip::AcquiredChipTable;
use super::auth::{AuthTable, LinkPlace};
use super::business_day::DayTable;
use super::card::CardTable;
use super::card_state::CardStateTable;
use super::chain::{ChainTable, Link};
use super::foreign_card::ForeignCardTable;
use super::hold::HoldTable;
use super::instance::JournalInstance;
use super::key_lock::KeyLock;
use super::posting::PostingTable;
use super::stored_credential::StoredCredentialTable;
use super::terminal_refund::TerminalRefundTable;
use super::token::TokenTable;
use super::token_state::TokenStateTable;
use crate::batch_rows::{BatchRows, Changes, TerminalDay};
use crate::chain::ChainHead;
use crate::journal::RowKey;
use crate::posting::Posting;

/// A lane's connection with its prepared statements and the head of its chain. After an error it is discarded.
#[derive(Debug)]
pub struct LaneConnection {
    client: Object,
    by: JournalInstance,
    auth: AuthTable,
    accounts: AccountTable,
    cards: CardTable,
    card_states: CardStateTable,
    tokens: TokenTable,
    token_states: TokenStateTable,
    holds: HoldTable,
    postings: PostingTable,
    days: DayTable,
    keys: KeyLock,
    credentials: StoredCredentialTable,
    terminal_refunds: TerminalRefundTable,
    foreign_cards: ForeignCardTable,
    acquired_chips: AcquiredChipTable,
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
    /// Rows whose followers are needed, each with a date in the month of the followers.
    pub followers_of: Vec<RowKey>,
    /// Rows whose followers are needed, in whatever month they are.
    pub followers_anywhere_of: Vec<RowKey>,
    /// Accounts whose holds are needed.
    pub holds: Vec<(i16, i64)>,
    /// Holds that ended are needed up to this last day of theirs.
    pub holds_since: Option<Date>,
    /// Buckets of originators' keys to be locked, and whether exclusively.
    pub key_locks: Vec<(i16, bool)>,
    /// Cards whose stored credentials are needed.
    pub credentials: Vec<(i16, i64)>,
    /// Terminals' days whose refunds are needed, and whether there has to be a row.
    pub terminal_refunds: Vec<(TerminalDay, bool)>,
}

impl BatchKeys {
    /// The keys without duplicates, accounts in the order in which they are locked.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        // exclusively comes first, and stays
        self.key_locks.sort_unstable_by_key(|(bucket, alone)| (*bucket, !alone));
        self.key_locks.dedup_by_key(|(bucket, _)| *bucket);
        self.terminal_refunds
            .sort_unstable_by(|(one, open), (other, other_open)| one.cmp(other).then_with(|| other_open.cmp(open)));
        self.terminal_refunds.dedup_by(|(one, _), (other, _)| one == other);
        for keys in [&mut self.accounts, &mut self.cards, &mut self.tokens, &mut self.holds, &mut self.credentials] {
            keys.sort_unstable();
            keys.dedup();
        }
        for keys in [&mut self.rows, &mut self.followers_of, &mut self.followers_anywhere_of] {
            keys.sort_unstable();
            keys.dedup();
        }
        self
    }
}

impl LaneConnection {
    /// Takes a connection for the lane. The head of the chain is read from the table, because a batch whose COMMIT got
    /// no answer may be in it.
    pub async fn open(pool: &Pool, by: JournalInstance) -> Result<Self, StoreError> {
        let client = pool.get().await?;
        let chain = ChainTable::prepare(&**client).await?;
        let head = chain.head(&**client, by).await?;
        Ok(Self {
            auth: AuthTable::prepare(&**client).await?,
            accounts: AccountTable::prepare(&client).await?,
            cards: CardTable::prepare(&client).await?,
            card_states: CardStateTable::prepare(&client).await?,
            tokens: TokenTable::prepare(&client).await?,
            token_states: TokenStateTable::prepare(&client).await?,
            holds: HoldTable::prepare(&client).await?,
            postings: PostingTable::prepare(&**client).await?,
            days: DayTable::prepare(&client).await?,
            keys: KeyLock::prepare(&client).await?,
            credentials: StoredCredentialTable::prepare(&client).await?,
            terminal_refunds: TerminalRefundTable::prepare(&client).await?,
            foreign_cards: ForeignCardTable::prepare(&client).await?,
            acquired_chips: AcquiredChipTable::prepare(&client).await?,
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
    pub async fn read(&mut self, keys: &BatchKeys) -> Result<BatchRows, StoreError> {
        let client: &tokio_postgres::Client = &self.client;
        self.auth.prepare_months(client, [&keys.rows, &keys.followers_of]).await?;
        self.auth.prepare_anywhere(client, &keys.followers_anywhere_of).await?;
        let (
            begin,
            lock,
            keyed,
            days,
            accounts,
            cards,
            tokens,
            rows,
            followers,
            anywhere,
            holds,
            credentials,
            opened,
            given,
        ) = futures::join!(
            client.batch_execute("BEGIN"),
            self.days.lock(client),
            self.keys.lock(client, &keys.key_locks),
            self.days.load(client),
            self.accounts.lock(client, &keys.accounts),
            self.cards.load(client, &keys.cards),
            self.tokens.load(client, &keys.tokens),
            self.auth.load(client, &keys.rows),
            self.auth.load_followers(client, &keys.followers_of),
            self.auth.load_followers_anywhere(client, &keys.followers_anywhere_of),
            self.holds.load(client, &keys.holds, keys.holds_since),
            self.credentials.load(client, &keys.credentials),
            // after the accounts, by every lane
            self.terminal_refunds.open(client, &keys.terminal_refunds),
            self.terminal_refunds.lock(client, &keys.terminal_refunds),
        );
        begin?;
        lock?;
        keyed?;
        opened?;
        let mut loaded = BatchRows {
            days: days?,
            accounts: accounts?.into_iter().map(|account| ((account.bucket, account.account_id), account)).collect(),
            cards: cards?.into_iter().map(|card| (card.card_id, card)).collect(),
            tokens: tokens?.into_iter().map(|token| (token.token_id, token)).collect(),
            rows: rows?.into_iter().map(|row| (row.key(), Arc::new(row))).collect(),
            followers: HashMap::new(),
            credentials: credentials?,
            terminal_refunds: given?.into_iter().collect(),
            holds: holds?.into_iter().map(|hold| (hold.auth_id, hold)).collect(),
        };
        for follower in followers?.into_iter().chain(anywhere?) {
            loaded.add_follower(Arc::new(follower));
        }
        Ok(loaded)
    }

    /// Flight 2: the changes, the chain's link over them, COMMIT.
    pub async fn write(&mut self, changes: &Changes, loaded: &BatchRows) -> Result<(), StoreError> {
        let client: &tokio_postgres::Client = &self.client;
        if changes.rows.is_empty() {
            // only repeats: nothing to write, and the rows they found are committed already
            client.batch_execute("COMMIT").await?;
            return Ok(());
        }
        let mut posted: Vec<Option<&Posting>> = vec![None; changes.rows.len()];
        for (at, posting) in &changes.postings {
            posted[*at] = Some(posting);
        }
        let chained = changes.rows.iter().zip(&posted).map(|(row, posting)| (&**row, *posting));
        let head = self.head.after(self.by.number, chained, &[]);
        let place = LinkPlace { lane_instance: self.by.number, batch_seq: head.batch_seq };
        let link = Link {
            by: self.by,
            rows: changes.rows.len(),
            changes: 0,
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
        let given: Vec<_> =
            changes.terminal_refunds.iter().filter_map(|day| Some((day, *loaded.terminal_refunds.get(day)?))).collect();
        let mut new_days: Vec<_> =
            changes.rows.iter().map(|row| row.cycle).filter(|cycle| !loaded.days.knows(*cycle)).collect();
        new_days.sort_unstable();
        new_days.dedup();
        let results = futures::join!(
            self.accounts.update(client, &accounts),
            self.card_states.update(client, &cards),
            self.token_states.update(client, &tokens),
            self.auth.insert(client, &changes.rows, place),
            self.postings.insert(client, &postings),
            self.holds.insert(client, &new_holds),
            self.holds.update(client, &changed_holds),
            self.days.open(client, &new_days),
            self.credentials.insert(client, &changes.credentials),
            self.terminal_refunds.update(client, &given),
            self.foreign_cards.insert(client, &changes.acquired),
            self.acquired_chips.insert(client, &changes.acquired),
            self.chain.insert(client, &link),
            client.batch_execute("COMMIT").map_err(StoreError::from),
        );
        let (
            accounts,
            cards,
            tokens,
            auth,
            posting,
            holds,
            changed,
            days,
            credentials,
            given,
            foreign,
            chips,
            link,
            commit,
        ) = results;
        [
            accounts,
            cards,
            tokens,
            auth,
            posting,
            holds,
            changed,
            days,
            credentials,
            given,
            foreign,
            chips,
            link,
            commit,
        ]
        .into_iter()
        .collect::<Result<(), _>>()?;
        self.head = head;
        Ok(())
    }
}
