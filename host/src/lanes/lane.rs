//! A lane: one task, one connection, one batch at a time.
//!
//! A batch is the requests that queued while the one before was committed; a lane never waits for more. It takes two
//! flights (pipelined round trips to Postgres), with the decisions between them.
//!
//! A failure is never answered by a guess. If the connection is lost at COMMIT, the outcome is unknown: the same batch
//! is run again, and the idempotency keys find the rows that were committed; the rest is decided anew. A batch that a
//! request spoils is halved until that request is alone; it is answered 96, the others are processed. What is the
//! machine's fault (a full disk, a read-only database) is nobody's among the requests: the batch is given up at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use codecs::value::MerchantId;
use deadpool_postgres::Pool;
use ledger::chain::ChainHead;
use ledger::row_location::RowLocation;
use ledger::store::flight::{BatchKeys, LaneConnection};
use ledger::store::instance::JournalInstance;
use ledger::store::{Fault, StoreError};
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, oneshot, watch};

use crate::authorize::Rules;
use crate::batch::{Batch, Ids, PreparedRequest, fold};
use crate::guesses::{Added, Guesses, Onset};

use super::Committed;
use super::progress::SharedProgress;

/// How long a batch and its parts are retried after a lost connection or a lock time-out. The switch times out before.
const RETRY_FOR: Duration = Duration::from_secs(8);
/// How often a batch is tried when each time another writer was first. One more finds what that one wrote; a key that
/// stays taken without a row to be found is the fault of the request that brings it.
const RACES: u32 = 5;
/// Pause before a retry.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a request got no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    #[error("the lane's queue is full")]
    Full,
    #[error("the card changed while it was looked at")]
    Stale,
    #[error("the switch has stopped waiting for it")]
    TooLate,
    #[error("the database could not be used")]
    Unavailable,
    #[error("no batch with this request can be committed")]
    Refused,
}

/// A request queued for a lane, with the way back for its receipt.
#[derive(Debug)]
pub(super) struct QueuedRequest {
    pub prepared: PreparedRequest,
    pub reply: oneshot::Sender<Result<Committed, LaneError>>,
    pub since: Instant,
    /// After this moment it is not decided; `None` for what has to be decided however late.
    pub decide_by: Option<Instant>,
}

/// Settings and counters that all lanes share.
#[derive(Clone, Debug)]
pub(super) struct LaneSettings {
    pub pool: Pool,
    pub ids: Arc<Ids>,
    pub rules: Rules,
    pub hold_days: u16,
    pub max_batch: usize,
    pub guesses: Arc<Guesses>,
}

/// One lane: its queue and its identity.
#[derive(Debug)]
pub(super) struct Lane {
    pub settings: LaneSettings,
    pub instance: JournalInstance,
    pub queue: mpsc::Receiver<QueuedRequest>,
    /// The committed head of the lane's chain, watched by the task that anchors it.
    pub head: watch::Sender<ChainHead>,
    pub progress: Arc<SharedProgress>,
}

/// What becomes of a part of a batch whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The same again, after a pause.
    Again,
    /// Its halves, the first one first.
    Halve,
    /// Its one request is refused.
    Refuse,
    /// None of its requests is decided, and none is to blame.
    GiveUp,
}

/// What to do after `fault`, the `races`th time that another writer was first. `for_long`: as long as retries may take.
const fn next(fault: Fault, races: u32, alone: bool, for_long: bool) -> Next {
    match fault {
        Fault::Machine => Next::GiveUp,
        Fault::Request => {
            if alone {
                Next::Refuse
            } else {
                Next::Halve
            }
        }
        Fault::Race if races >= RACES => {
            if alone {
                Next::Refuse
            } else {
                Next::Halve
            }
        }
        Fault::Race | Fault::Passing => {
            if for_long {
                Next::GiveUp
            } else {
                Next::Again
            }
        }
    }
}

/// An error of one attempt, and whose fault it is.
struct FailedAttempt {
    error: StoreError,
    fault: Fault,
}

impl From<StoreError> for FailedAttempt {
    fn from(error: StoreError) -> Self {
        Self { fault: error.fault(), error }
    }
}

impl Lane {
    /// Runs until every sender is gone.
    pub(super) async fn run(mut self) {
        let mut connection = None;
        let mut waiting = Vec::with_capacity(self.settings.max_batch);
        loop {
            let taken = self.queue.recv_many(&mut waiting, self.settings.max_batch).await;
            if taken == 0 {
                return;
            }
            histogram!("host_batch_size").record(taken as f64);
            for queued in &waiting {
                histogram!("host_stage_seconds", "stage" => "lane").record(queued.since.elapsed().as_secs_f64());
            }
            let batch: Vec<QueuedRequest> = std::mem::take(&mut waiting);
            self.progress.change(|progress| progress.batch_since = Some(Instant::now()));
            self.settle(&mut connection, batch).await;
            self.progress.change(|progress| progress.batch_since = None);
        }
    }

    /// Answers every request of `batch`, halving it where one of them spoils the whole. However often it is halved and
    /// tried again, it holds up the lane no longer than `RETRY_FOR`.
    async fn settle(&self, connection: &mut Option<LaneConnection>, batch: Vec<QueuedRequest>) {
        let started = Instant::now();
        let mut parts = vec![Part::of(batch)];
        while let Some(mut part) = parts.pop() {
            part.drop_late(Instant::now());
            if part.requests.is_empty() {
                continue;
            }
            let began = Instant::now();
            let FailedAttempt { error, fault } = match self.once(connection, &part.requests).await {
                Ok(batch) => {
                    histogram!("host_stage_seconds", "stage" => "commit").record(began.elapsed().as_secs_f64());
                    part.reply(batch);
                    continue;
                }
                Err(failed) => failed,
            };
            discard(connection);
            part.races += u32::from(fault == Fault::Race);
            match next(fault, part.races, part.requests.len() == 1, started.elapsed() > RETRY_FOR) {
                Next::Again => {
                    counter!("host_batch_retries_total").increment(1);
                    tracing::warn!(%error, lane = self.instance.lane, "batch is tried again");
                    tokio::time::sleep(PAUSE).await;
                    parts.push(part);
                }
                Next::Halve => {
                    let second = part.split_off_half();
                    // the first half is popped first, which keeps the order of arrival
                    parts.push(second);
                    parts.push(part);
                }
                Next::Refuse => {
                    tracing::error!(%error, lifecycle = ?part.requests[0].request.key.original, "request quarantined: its batch fails with it");
                    counter!("host_batches_failed_total", "reason" => "refused").increment(1);
                    part.fail(LaneError::Refused);
                }
                Next::GiveUp => {
                    tracing::error!(%error, requests = part.requests.len(), "batch given up");
                    counter!("host_batches_failed_total", "reason" => "unavailable").increment(1);
                    self.progress.change(|progress| progress.failure = Some((Instant::now(), error.to_string())));
                    part.fail(LaneError::Unavailable);
                }
            }
        }
    }

    async fn once(
        &self,
        connection: &mut Option<LaneConnection>,
        requests: &[PreparedRequest],
    ) -> Result<Batch, FailedAttempt> {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(self.connect().await.map_err(before_any_request)?),
        };
        let mut loaded = connection.read(&keys_of(requests)).await?;
        let LaneSettings { rules, hold_days, ids, guesses, .. } = &self.settings;
        let mut seen = guesses.batch();
        let batch = fold(requests, &mut loaded, rules, *hold_days, ids, &mut seen);
        let tries = seen.into_tries();
        connection.write(&batch.changes, &loaded).await?;
        tell(guesses.add(&tries));
        self.head.send_replace(connection.head());
        self.progress.change(|progress| {
            progress.last_commit = Some(Instant::now());
            progress.failure = None;
        });
        Ok(batch)
    }

    async fn connect(&self) -> Result<LaneConnection, StoreError> {
        let connection = LaneConnection::open(&self.settings.pool, self.instance).await?;
        gauge!("host_lane_connected", "lane" => self.instance.lane.to_string()).set(1.0);
        Ok(connection)
    }
}

/// A batch or a part of it, on its way to a commit.
struct Part {
    requests: Vec<PreparedRequest>,
    /// Who waits for each request.
    waiting: Vec<Waiting>,
    /// How often another writer was first.
    races: u32,
}

struct Waiting {
    reply: oneshot::Sender<Result<Committed, LaneError>>,
    decide_by: Option<Instant>,
}

impl Part {
    fn of(batch: Vec<QueuedRequest>) -> Self {
        let (requests, waiting) = batch
            .into_iter()
            .map(|QueuedRequest { prepared, reply, decide_by, .. }| (prepared, Waiting { reply, decide_by }))
            .unzip();
        Self { requests, waiting, races: 0 }
    }

    /// Answers those that nobody waits for any more: the switch has timed out, and reverses what it asked for.
    fn drop_late(&mut self, now: Instant) {
        let is_late = |waiting: &Waiting| waiting.decide_by.is_some_and(|end| now > end);
        if !self.waiting.iter().any(is_late) {
            return;
        }
        let (requests, waiting) = (std::mem::take(&mut self.requests), std::mem::take(&mut self.waiting));
        for (request, waiting) in requests.into_iter().zip(waiting) {
            if is_late(&waiting) {
                counter!("host_requests_too_late_total").increment(1);
                send(waiting, Err(LaneError::TooLate));
            } else {
                self.requests.push(request);
                self.waiting.push(waiting);
            }
        }
    }

    /// Takes the second half away, as a part that has raced with nobody; this one starts anew too.
    fn split_off_half(&mut self) -> Self {
        let half = self.requests.len() / 2;
        self.races = 0;
        Self { requests: self.requests.split_off(half), waiting: self.waiting.split_off(half), races: 0 }
    }

    fn reply(self, batch: Batch) {
        for (outcome, waiting) in batch.outcomes.into_iter().zip(self.waiting) {
            send(waiting, Committed::after_commit(outcome).ok_or(LaneError::Stale));
        }
    }

    fn fail(self, error: LaneError) {
        self.waiting.into_iter().for_each(|waiting| send(waiting, Err(error)));
    }
}

fn send(waiting: Waiting, answer: Result<Committed, LaneError>) {
    // the receiver is gone if the connection to the switch is; the switch's repeat will find the row
    let _ = waiting.reply.send(answer);
}

/// Tells of merchants whose printed codes are refused from now on.
fn tell(added: Added) {
    for onset in added.onsets {
        let Onset { link, merchant, failures, tries, until } = onset;
        let merchant = merchant.as_ref().map_or("unnamed", MerchantId::as_str);
        tracing::warn!(%link, merchant, failures, tries, %until, "printed codes are guessed at a merchant: its requests with one are refused");
        counter!("host_merchants_refused_total", "link" => link).increment(1);
    }
    if added.uncounted > 0 {
        counter!("host_guesses_uncounted_total").increment(added.uncounted);
    }
}

fn discard(connection: &mut Option<LaneConnection>) {
    if let Some(connection) = connection.take() {
        connection.discard();
    }
}

/// Keys of the rows that these requests need.
fn keys_of(requests: &[PreparedRequest]) -> BatchKeys {
    let mut keys = BatchKeys::default();
    for prepared in requests {
        keys.rows.extend(prepared.rows_to_load());
        keys.followers_of.extend(prepared.followers_to_load());
        keys.key_locks.extend(prepared.key_locks());
        keys.terminal_refunds.extend(prepared.terminal_refunds());
        keys.followers_anywhere_of.extend(prepared.captures_to_follow());
        let RowLocation::OurAccount { bucket, account_id, card_id, token, .. } = prepared.location else { continue };
        keys.accounts.push((bucket, account_id));
        keys.cards.push((bucket, card_id));
        if prepared.needs_credentials() {
            keys.credentials.push((bucket, card_id));
        }
        keys.tokens.extend(token.map(|(token_id, _)| (bucket, token_id)));
        if prepared.needs_holds() {
            keys.holds.push((bucket, account_id));
            let date = prepared.request.business_date;
            keys.holds_since = Some(keys.holds_since.map_or(date, |since| since.min(date)));
        }
    }
    keys.in_order()
}

/// What fails before a request was looked at is no request's fault, whatever it looks like.
fn before_any_request(error: StoreError) -> FailedAttempt {
    let fault = match error.fault() {
        Fault::Request => Fault::Machine,
        other => other,
    };
    FailedAttempt { error, fault }
}

#[cfg(test)]
mod tests {
    use ledger::journal::Kind;

    use super::*;
    use crate::sample::{self, OUR_SHOP};

    #[test]
    fn what_follows_a_failed_attempt_depends_on_whose_fault_it_was() {
        use Fault::{Machine, Passing, Race, Request};
        let cases = [
            ((Request, 0, false, false), Next::Halve, "one of them is to blame"),
            ((Request, 0, true, false), Next::Refuse, "this one is"),
            ((Request, 0, false, true), Next::Halve, "nor do the others pay for it after long"),
            ((Race, 1, false, false), Next::Again, "the winner's rows are found"),
            ((Race, RACES - 1, true, false), Next::Again, "also the fourth time"),
            ((Race, RACES, false, false), Next::Halve, "nothing is found"),
            ((Race, RACES, true, false), Next::Refuse, "this one finds nothing"),
            ((Race, 1, true, true), Next::GiveUp, "no time is left"),
            ((Passing, 0, true, false), Next::Again, "it may pass"),
            ((Passing, 0, false, true), Next::GiveUp, "it did not"),
            ((Machine, 0, false, false), Next::GiveUp, "at once"),
            ((Machine, 0, true, false), Next::GiveUp, "nobody is to blame"),
        ];
        for ((fault, races, alone, for_long), expected, meaning) in cases {
            assert_eq!(next(fault, races, alone, for_long), expected, "{fault:?}: {meaning}");
        }
    }

    #[test]
    fn what_nobody_waits_for_leaves_its_part_and_the_rest_keeps_its_order() {
        let now = Instant::now();
        let late = now.checked_sub(Duration::from_secs(1));
        let (batch, mut answers): (Vec<_>, Vec<_>) = [None, late, Some(now), late, None]
            .into_iter()
            .zip(0..)
            .map(|(decide_by, stan)| {
                let (reply, answer) = oneshot::channel();
                let prepared = sample::prepared(sample::request(OUR_SHOP, stan, Kind::Purchase, 10), 1, 1);
                (QueuedRequest { prepared, reply, since: now, decide_by }, answer)
            })
            .unzip();
        let mut part = Part::of(batch);
        part.drop_late(now);
        let left: Vec<u32> = part.requests.iter().map(|prepared| prepared.request.stan.0).collect();
        assert_eq!(left, [0, 2, 4]);
        assert_eq!(part.waiting.len(), 3);
        for at in [1, 3] {
            assert_eq!(answers[at].try_recv().unwrap().unwrap_err(), LaneError::TooLate, "{at}");
        }
        assert!(answers[0].try_recv().is_err(), "still waits");
    }
}
