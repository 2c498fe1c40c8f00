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

use deadpool_postgres::Pool;
use ledger::journal::ChainHead;
use ledger::row_location::RowLocation;
use ledger::store::flight::{BatchKeys, LaneConnection, LaneInstance};
use ledger::store::{Fault, StoreError};
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, oneshot, watch};

use crate::authorize::Rules;
use crate::batch::{Batch, Ids, PreparedRequest, fold};

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
}

/// Settings and counters that all lanes share.
#[derive(Clone, Debug)]
pub(super) struct LaneSettings {
    pub pool: Pool,
    pub ids: Arc<Ids>,
    pub rules: Rules,
    pub hold_days: u16,
    pub max_batch: usize,
}

/// One lane: its queue and its identity.
#[derive(Debug)]
pub(super) struct Lane {
    pub settings: LaneSettings,
    pub instance: LaneInstance,
    pub queue: mpsc::Receiver<QueuedRequest>,
    /// The committed head of the lane's chain, watched by the task that anchors it.
    pub head: watch::Sender<ChainHead>,
    pub progress: Arc<SharedProgress>,
}

/// Why a batch got no commit.
#[derive(Debug)]
enum Failed {
    /// The fault of no request: retried for as long as that helps, or the machine's.
    Unavailable(StoreError),
    /// The fault of a request of this batch.
    Refused(StoreError),
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

    /// Answers every request of `batch`, halving it where one of them spoils the whole.
    async fn settle(&self, connection: &mut Option<LaneConnection>, batch: Vec<QueuedRequest>) {
        let started = Instant::now();
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let (requests, replies): (Vec<PreparedRequest>, Vec<Replying>) =
                part.into_iter().map(|queued| (queued.prepared, (queued.reply, queued.since))).unzip();
            match self.attempt(connection, &requests, started).await {
                Ok(outcome) => reply(outcome, replies),
                Err(Failed::Unavailable(error)) => {
                    tracing::error!(%error, requests = requests.len(), "batch given up");
                    counter!("host_batches_failed_total", "reason" => "unavailable").increment(1);
                    self.progress.change(|progress| progress.failure = Some((Instant::now(), error.to_string())));
                    replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(LaneError::Unavailable))));
                }
                Err(Failed::Refused(error)) if requests.len() == 1 => {
                    tracing::error!(%error, lifecycle = ?requests[0].request.rows.original, "request quarantined: its batch fails with it");
                    counter!("host_batches_failed_total", "reason" => "refused").increment(1);
                    replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(LaneError::Refused))));
                }
                Err(Failed::Refused(_)) => {
                    let mut first: Vec<QueuedRequest> = requests
                        .into_iter()
                        .zip(replies)
                        .map(|(prepared, (reply, since))| QueuedRequest { prepared, reply, since })
                        .collect();
                    let second = first.split_off(first.len() / 2);
                    // the first half is popped first, which keeps the order of arrival
                    parts.push(second);
                    parts.push(first);
                }
            }
        }
    }

    /// One batch or part of it, retried while that can help. `started` is when the batch began, not the part: however
    /// often it is halved, it holds up the lane no longer.
    async fn attempt(
        &self,
        connection: &mut Option<LaneConnection>,
        requests: &[PreparedRequest],
        started: Instant,
    ) -> Result<Batch, Failed> {
        let began = Instant::now();
        let mut races = 0;
        loop {
            let FailedAttempt { error, fault } = match self.once(connection, requests).await {
                Ok(batch) => {
                    histogram!("host_stage_seconds", "stage" => "commit").record(began.elapsed().as_secs_f64());
                    return Ok(batch);
                }
                Err(failed) => failed,
            };
            discard(connection);
            races += u32::from(fault == Fault::Race);
            match fault {
                Fault::Request => return Err(Failed::Refused(error)),
                Fault::Race if races == RACES => return Err(Failed::Refused(error)),
                Fault::Machine => return Err(Failed::Unavailable(error)),
                Fault::Race | Fault::Passing if started.elapsed() > RETRY_FOR => {
                    return Err(Failed::Unavailable(error));
                }
                Fault::Race | Fault::Passing => {}
            }
            counter!("host_batch_retries_total").increment(1);
            tracing::warn!(%error, lane = self.instance.lane, "batch is tried again");
            tokio::time::sleep(PAUSE).await;
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
        let batch = fold(requests, &mut loaded, self.settings.rules, self.settings.hold_days, &self.settings.ids);
        connection.write(&batch.changes, &loaded).await?;
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

type Replying = (oneshot::Sender<Result<Committed, LaneError>>, Instant);

fn reply(batch: Batch, replies: Vec<Replying>) {
    for (outcome, (reply, _)) in batch.outcomes.into_iter().zip(replies) {
        // the receiver is gone if the connection to the switch is; the switch's repeat will find the row
        let _ = reply.send(Committed::after_commit(outcome).ok_or(LaneError::Stale));
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
        keys.rows.extend(prepared.keys_to_load());
        let RowLocation::OurAccount { bucket, account_id, card_id, token, .. } = prepared.location else { continue };
        keys.accounts.push((bucket, account_id));
        keys.cards.push((bucket, card_id));
        keys.tokens.extend(token.map(|(token_id, _)| (bucket, token_id)));
        if prepared.needs_holds() {
            keys.holds.push((bucket, account_id));
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
