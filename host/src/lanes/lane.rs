//! A lane: one task, one connection, one batch at a time.
//!
//! A batch is the requests that queued while the one before was committed; a lane never waits for more. It takes two
//! flights (pipelined round trips to Postgres), with the decisions between them.
//!
//! A failure is never answered by a guess. If the connection is lost at COMMIT, the outcome is unknown: the same batch
//! is run again, and the idempotency keys find the rows that were committed; the rest is decided anew. A batch that the
//! database refuses is halved until the offending request is alone; it is answered 96, the others are processed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use ledger::journal::ChainHead;
use ledger::row_location::RowLocation;
use ledger::store::StoreError;
use ledger::store::flight::{BatchKeys, LaneConnection, LaneInstance};
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_postgres::error::SqlState;

use crate::authorize::Rules;
use crate::batch::{Batch, Ids, PreparedRequest, fold};

use super::Committed;

/// How long a batch is retried after a lost connection or a lock time-out. The switch times out before.
const RETRY_FOR: Duration = Duration::from_secs(8);
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
    #[error("the database refuses this request")]
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
}

/// Why an attempt at a batch failed.
#[derive(Debug)]
enum Failed {
    /// Retry unchanged: the connection was lost, rows were locked, or another host has just written one of our keys.
    Retry(StoreError),
    /// The database refuses a request of this batch.
    Refused(StoreError),
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
            self.settle(&mut connection, batch).await;
        }
    }

    /// Answers every request of `batch`, halving it where the database refuses the whole.
    async fn settle(&self, connection: &mut Option<LaneConnection>, batch: Vec<QueuedRequest>) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let (requests, replies): (Vec<PreparedRequest>, Vec<Replying>) =
                part.into_iter().map(|queued| (queued.prepared, (queued.reply, queued.since))).unzip();
            match self.attempt(connection, &requests).await {
                Ok(outcome) => reply(outcome, replies),
                Err(Failed::Retry(error)) => {
                    tracing::error!(%error, requests = requests.len(), "batch given up");
                    counter!("host_batches_failed_total", "reason" => "unavailable").increment(1);
                    replies.into_iter().for_each(|(reply, _)| drop(reply.send(Err(LaneError::Unavailable))));
                }
                Err(Failed::Refused(error)) if requests.len() == 1 => {
                    tracing::error!(%error, lifecycle = ?requests[0].request.rows.original, "request quarantined: the database refuses it");
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

    /// One batch, retried while that can help.
    async fn attempt(
        &self,
        connection: &mut Option<LaneConnection>,
        requests: &[PreparedRequest],
    ) -> Result<Batch, Failed> {
        let started = Instant::now();
        loop {
            let error = match self.once(connection, requests).await {
                Ok(batch) => {
                    histogram!("host_stage_seconds", "stage" => "commit").record(started.elapsed().as_secs_f64());
                    return Ok(batch);
                }
                Err(Failed::Retry(error)) => error,
                Err(refused) => {
                    discard(connection);
                    return Err(refused);
                }
            };
            discard(connection);
            counter!("host_batch_retries_total").increment(1);
            if started.elapsed() > RETRY_FOR {
                return Err(Failed::Retry(error));
            }
            tracing::warn!(%error, lane = self.instance.lane, "batch is tried again");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn once(
        &self,
        connection: &mut Option<LaneConnection>,
        requests: &[PreparedRequest],
    ) -> Result<Batch, Failed> {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(self.connect().await.map_err(Failed::Retry)?),
        };
        let mut loaded = connection.read(&keys_of(requests)).await.map_err(judge)?;
        let batch = fold(requests, &mut loaded, self.settings.rules, self.settings.hold_days, &self.settings.ids);
        connection.write(&batch.changes, &loaded).await.map_err(judge)?;
        self.head.send_replace(connection.head());
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

/// Whether a retry of the same batch can help.
fn judge(error: StoreError) -> Failed {
    let StoreError::Postgres(postgres) = &error else { return Failed::Retry(error) };
    let Some(code) = postgres.code() else {
        // no answer from the server: the connection is lost, or was never made
        return Failed::Retry(error);
    };
    let again = [
        // another host wrote one of our keys first: the retry finds its row
        SqlState::UNIQUE_VIOLATION,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    if again.contains(code) || code.code().starts_with("08") { Failed::Retry(error) } else { Failed::Refused(error) }
}
