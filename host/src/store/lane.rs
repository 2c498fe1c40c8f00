//! A lane: one task, one connection, one batch at a time.
//!
//! A batch is what queued while the last one committed; a lane never waits for more. It makes two pipelined flights: lock and
//! read, then – after the fold – write and COMMIT. Every future of a flight is looked at, because COMMIT of a transaction that
//! has failed "succeeds" as a ROLLBACK.
//!
//! A failure is never answered by hope. A connection lost at COMMIT leaves open whether it happened: the same batch is run
//! again, and the idempotency keys tell – what was committed is found, the rest is decided anew. A batch that the database
//! refuses is halved until the offender stands alone; it is answered 96 and the others are not disturbed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use futures::TryFutureExt;
use jiff::Timestamp;
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_postgres::error::SqlState;

use crate::authorize::Rules;
use crate::batch::{Batch, Book, Ids, Item, Place, RowKey, fold};
use crate::journal::ChainHead;

use super::accounts::AccountTables;
use super::auth::{AuthTable, LinkPlace};
use super::postings::{Link, PostingTables};
use super::{Committed, LOCK_DAYS, StoreError};

/// How long a batch is tried again after the connection was lost or rows were busy; the switch has given up before.
const PATIENCE: Duration = Duration::from_secs(8);
/// Pause before another attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a request got no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    #[error("the lane's queue is full")]
    Full,
    #[error("the card changed while it was looked at")]
    Stale,
    #[error("the database could not be used")]
    Unavailable,
    #[error("the database refuses this request")]
    Refused,
}

/// A request on its way into a lane.
#[derive(Debug)]
pub(super) struct Job {
    pub item: Item,
    pub reply: oneshot::Sender<Result<Committed, LaneError>>,
    pub queued: Instant,
}

/// What all lanes share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub pool: Pool,
    pub ids: Arc<Ids>,
    pub rules: Rules,
    pub hold_days: u16,
    pub max_batch: usize,
}

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub shared: Shared,
    pub number: i16,
    pub lane_instance: i32,
    pub jobs: mpsc::Receiver<Job>,
    /// The chain's head, for whoever anchors it.
    pub head: watch::Sender<ChainHead>,
}

/// A connection with its statements. Dropped as a whole when it fails.
#[derive(Debug)]
struct Session {
    client: Object,
    auth: AuthTable,
    accounts: AccountTables,
    postings: PostingTables,
    head: ChainHead,
}

/// What an attempt came to.
#[derive(Debug)]
enum Failed {
    /// Try the same again: the connection was lost, rows were busy, or another host has just written one of our keys.
    Again(StoreError),
    /// The database refuses something in this batch.
    Refused(StoreError),
}

impl Lane {
    /// Runs until every sender is gone.
    pub(super) async fn run(mut self) {
        let mut session = None;
        let mut waiting = Vec::with_capacity(self.shared.max_batch);
        loop {
            let taken = self.jobs.recv_many(&mut waiting, self.shared.max_batch).await;
            if taken == 0 {
                return;
            }
            histogram!("host_batch_size").record(taken as f64);
            for job in &waiting {
                histogram!("host_stage_seconds", "stage" => "lane").record(job.queued.elapsed().as_secs_f64());
            }
            let batch: Vec<Job> = std::mem::take(&mut waiting);
            self.settle(&mut session, batch).await;
        }
    }

    /// Answers every job of `batch`, in halves where the whole is refused.
    async fn settle(&self, session: &mut Option<Session>, batch: Vec<Job>) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let (items, replies): (Vec<Item>, Vec<Replying>) =
                part.into_iter().map(|job| (job.item, (job.reply, job.queued))).unzip();
            match self.attempt(session, &items).await {
                Ok(outcome) => reply(outcome, replies),
                Err(Failed::Again(error)) => {
                    tracing::error!(%error, requests = items.len(), "batch given up");
                    counter!("host_batches_failed_total", "reason" => "unavailable").increment(1);
                    replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(LaneError::Unavailable))));
                }
                Err(Failed::Refused(error)) if items.len() == 1 => {
                    tracing::error!(%error, lifecycle = ?items[0].request.rows.original, "request quarantined: the database refuses it");
                    counter!("host_batches_failed_total", "reason" => "refused").increment(1);
                    replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(LaneError::Refused))));
                }
                Err(Failed::Refused(_)) => {
                    let mut jobs: Vec<Job> = items
                        .into_iter()
                        .zip(replies)
                        .map(|(item, (reply, queued))| Job { item, reply, queued })
                        .collect();
                    let second = jobs.split_off(jobs.len() / 2);
                    // the first half is popped first: the order of arrival stands
                    parts.push(second);
                    parts.push(jobs);
                }
            }
        }
    }

    /// One batch, tried again while that may help.
    async fn attempt(&self, session: &mut Option<Session>, items: &[Item]) -> Result<Batch, Failed> {
        let started = Instant::now();
        loop {
            let error = match self.once(session, items).await {
                Ok(batch) => {
                    histogram!("host_stage_seconds", "stage" => "commit").record(started.elapsed().as_secs_f64());
                    return Ok(batch);
                }
                Err(Failed::Again(error)) => error,
                Err(refused) => {
                    discard(session);
                    return Err(refused);
                }
            };
            discard(session);
            counter!("host_batch_retries_total").increment(1);
            if started.elapsed() > PATIENCE {
                return Err(Failed::Again(error));
            }
            tracing::warn!(%error, lane = self.number, "batch is tried again");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn once(&self, session: &mut Option<Session>, items: &[Item]) -> Result<Batch, Failed> {
        let session = match session {
            Some(session) => session,
            none => none.insert(self.connect().await.map_err(Failed::Again)?),
        };
        let mut book = session.read(items).await.map_err(judge)?;
        let batch = fold(items, &mut book, self.shared.rules, self.shared.hold_days, &self.shared.ids);
        let place = LinkPlace { lane_instance: self.lane_instance, batch_seq: session.head.batch_seq + 1 };
        session.write(&batch, &book, place, self.number).await.map_err(judge)?;
        self.head.send_replace(session.head);
        Ok(batch)
    }

    /// A connection of this lane's own. The head of the chain is read back: a batch whose COMMIT was never heard of may be in it.
    async fn connect(&self) -> Result<Session, StoreError> {
        let client = self.shared.pool.get().await?;
        let auth = AuthTable::prepare(&client).await?;
        let accounts = AccountTables::prepare(&client).await?;
        let postings = PostingTables::prepare(&client).await?;
        let head = postings.head(&client, self.number, self.lane_instance).await?;
        gauge!("host_lane_connected", "lane" => self.number.to_string()).set(1.0);
        Ok(Session { client, auth, accounts, postings, head })
    }
}

type Replying = (oneshot::Sender<Result<Committed, LaneError>>, Instant);

fn reply(batch: Batch, replies: Vec<Replying>) {
    for (outcome, (reply, _)) in batch.outcomes.into_iter().zip(replies) {
        // nobody waits any more if the connection to the switch is gone; the repeat will find the row
        let _ = reply.send(Committed::after_commit(outcome).ok_or(LaneError::Stale));
    }
}

impl Session {
    /// Flight 1: BEGIN, the shared lock on the days, the accounts under lock, and what depends on them.
    async fn read(&self, items: &[Item]) -> Result<Book, StoreError> {
        let wanted = Wanted::of(items);
        let client: &tokio_postgres::Client = &self.client;
        let lock_days: &(dyn tokio_postgres::types::ToSql + Sync) = &LOCK_DAYS;
        let lock_days = [lock_days];
        let (begin, lock, days, accounts, cards, tokens, rows, holds) = futures::join!(
            client.batch_execute("BEGIN"),
            client.execute("SELECT pg_advisory_xact_lock_shared($1)", &lock_days),
            self.postings.days(client),
            self.accounts.lock_accounts(client, &wanted.accounts),
            self.accounts.load_cards(client, &wanted.cards),
            self.accounts.load_tokens(client, &wanted.tokens),
            self.auth.load(client, &wanted.rows),
            self.postings.load_holds(client, &wanted.holds),
        );
        begin?;
        lock?;
        Ok(Book {
            days: days?,
            accounts: accounts?.into_iter().map(|account| ((account.bucket, account.account_id), account)).collect(),
            cards: cards?.into_iter().map(|card| (card.card_id, card)).collect(),
            tokens: tokens?.into_iter().map(|token| (token.token_id, token)).collect(),
            rows: rows?
                .into_iter()
                .map(|row| (RowKey { bucket: row.bucket, date: row.idem_date, idem: row.idem }, Arc::new(row)))
                .collect(),
            holds: holds?.into_iter().map(|hold| (hold.auth_id, hold)).collect(),
        })
    }

    /// Flight 2: what the fold changed, the link over it, COMMIT.
    async fn write(&mut self, batch: &Batch, book: &Book, place: LinkPlace, lane: i16) -> Result<(), StoreError> {
        let client: &tokio_postgres::Client = &self.client;
        if batch.rows.is_empty() {
            // repeats alone: nothing to write, and the rows they found are committed already
            client.batch_execute("COMMIT").await?;
            return Ok(());
        }
        let head = self.head.after(batch.rows.iter().map(|row| &**row));
        let link = Link {
            lane,
            lane_instance: place.lane_instance,
            rows: i32::try_from(batch.rows.len()).expect("a batch is capped at 1024"),
            previous: self.head.hash,
            head,
            committed_at: Timestamp::now(),
        };
        let accounts: Vec<_> = batch.accounts.iter().filter_map(|key| book.accounts.get(key)).collect();
        let cards: Vec<_> = batch.cards.iter().filter_map(|id| book.cards.get(id)).collect();
        let tokens: Vec<_> = batch.tokens.iter().filter_map(|id| book.tokens.get(id)).collect();
        let new_holds: Vec<_> = batch.new_holds.iter().filter_map(|id| book.holds.get(id)).collect();
        let changed = batch.changed_holds.difference(&batch.new_holds);
        let changed_holds: Vec<_> = changed.filter_map(|id| book.holds.get(id)).collect();
        let mut new_days: Vec<_> =
            batch.rows.iter().map(|row| row.cycle).filter(|cycle| !book.days.knows(*cycle)).collect();
        new_days.sort_unstable();
        new_days.dedup();
        let results = futures::join!(
            self.accounts.update_accounts(client, &accounts),
            self.accounts.update_cards(client, &cards),
            self.accounts.update_tokens(client, &tokens),
            self.auth.insert(client, &batch.rows, place),
            self.postings.insert_legs(client, &batch.rows, &batch.legs),
            self.postings.insert_holds(client, &new_holds),
            self.postings.update_holds(client, &changed_holds),
            self.postings.open_days(client, &new_days),
            self.postings.insert_link(client, &link),
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

/// Takes a failed connection out of the pool: it may stand in a transaction that was never ended.
fn discard(session: &mut Option<Session>) {
    if let Some(session) = session.take() {
        drop(Object::take(session.client));
    }
}

/// What a batch has to load, without doubles; accounts in the order in which they are locked.
#[derive(Debug, Default)]
struct Wanted {
    accounts: Vec<(i16, i64)>,
    cards: Vec<(i16, i64)>,
    tokens: Vec<(i16, i64)>,
    rows: Vec<RowKey>,
    holds: Vec<(i16, i64)>,
}

impl Wanted {
    fn of(items: &[Item]) -> Self {
        let mut wanted = Self::default();
        for item in items {
            wanted.rows.extend(item.keys_to_load());
            let Place::Ours { bucket, account_id, card_id, token, .. } = item.place else { continue };
            wanted.accounts.push((bucket, account_id));
            wanted.cards.push((bucket, card_id));
            wanted.tokens.extend(token.map(|(token_id, _)| (bucket, token_id)));
            if item.needs_holds() {
                wanted.holds.push((bucket, account_id));
            }
        }
        for keys in [&mut wanted.accounts, &mut wanted.cards, &mut wanted.tokens, &mut wanted.holds] {
            keys.sort_unstable();
            keys.dedup();
        }
        wanted.rows.sort_unstable();
        wanted.rows.dedup();
        wanted
    }
}

/// Whether trying the same again can help.
fn judge(error: StoreError) -> Failed {
    let StoreError::Postgres(postgres) = &error else { return Failed::Again(error) };
    let Some(code) = postgres.code() else {
        // no answer from the server: the connection is gone, or never was
        return Failed::Again(error);
    };
    let again = [
        // another host wrote one of our keys first: the next attempt finds its row
        SqlState::UNIQUE_VIOLATION,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    if again.contains(code) || code.code().starts_with("08") { Failed::Again(error) } else { Failed::Refused(error) }
}
