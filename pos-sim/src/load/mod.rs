//! The open-loop load: each request is sent when it is due, however the earlier ones ended, and latency counts from the time it was
//! due. A request without an answer is reversed until the reversal is acknowledged, so that at the end of a run every exchange
//! is decided.

mod pace;
mod participants;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use self::pace::Pacer;
pub use self::participants::Participants;
use self::participants::{DrawnRequest, RequestDraw};
use self::report::Tally;
pub use self::report::{Latency, Progress, Report};
use crate::mix::Mix;
use crate::schedule::Schedule;
use crate::till::must_be_reversed;

/// Settings of a load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Requests per second; zero sends as fast as answers come.
    pub rate: u32,
    pub seconds: u32,
    /// At most so many requests under way at once. The time that a request waits for another to end counts as latency.
    pub concurrency: usize,
    pub mix: Mix,
    /// Draws cards, amounts and kinds.
    pub seed: u64,
}

/// Why a load could not be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("a load needs at least one till and one card")]
    NothingToDo,
    #[error("the pace could not be kept: {0}")]
    Clock(std::io::Error),
}

/// How often the progress is reported.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Runs a load to its end: all sent, all decided. `progress` is called about ten times a second.
///
/// # Errors
/// There is no card or no till.
pub async fn run(
    participants: Participants,
    plan: &Plan,
    mut progress: impl FnMut(&Progress),
) -> Result<Report, LoadError> {
    if !participants.can_send() {
        return Err(LoadError::NothingToDo);
    }
    let tally = Arc::new(Tally::new());
    let draw = RequestDraw::new(participants, plan.mix.clone(), StdRng::seed_from_u64(plan.seed));
    let started = Instant::now();
    let firing = async {
        match plan.rate {
            0 => closed_loop(draw, plan, &tally).await,
            rate => open_loop(draw, Schedule::new(rate, plan.seconds), plan.concurrency, &tally).await?,
        }
        Ok(())
    };
    tokio::pin!(firing);
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            fired = &mut firing => { fired?; break }
            _ = tick.tick() => progress(&tally.progress(started.elapsed())),
        }
    }
    progress(&tally.progress(started.elapsed()));
    Ok(tally.report(Duration::from_secs(u64::from(plan.seconds))))
}

async fn open_loop(
    mut draw: RequestDraw,
    schedule: Schedule,
    concurrency: usize,
    tally: &Arc<Tally>,
) -> Result<(), LoadError> {
    let turns = Arc::new(Semaphore::new(concurrency.max(1)));
    let mut pacer = Pacer::start(schedule).map_err(LoadError::Clock)?;
    let mut under_way = JoinSet::new();
    while let Some(due) = pacer.next().await {
        let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
        under_way.spawn(send(draw.next_request(), due, turn, Arc::clone(tally)));
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    Ok(())
}

/// Sends as fast as answers come: a request is sent whenever another has ended. Latency counts from the sending.
async fn closed_loop(mut draw: RequestDraw, plan: &Plan, tally: &Arc<Tally>) {
    let until = Instant::now() + Duration::from_secs(u64::from(plan.seconds));
    let turns = Arc::new(Semaphore::new(plan.concurrency.max(1)));
    let mut under_way = JoinSet::new();
    while Instant::now() < until {
        let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
        under_way.spawn(send(draw.next_request(), Instant::now(), turn, Arc::clone(tally)));
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

/// Sends one request and waits until it is decided.
async fn send(request: DrawnRequest, due: Instant, turn: OwnedSemaphorePermit, tally: Arc<Tally>) {
    tally.sent();
    let transaction = match request.send().await {
        Ok(transaction) => transaction,
        Err(error) => {
            tracing::debug!(%error, "a request of the load did not leave");
            // without a pause a closed port would be dialled in a busy loop
            tokio::time::sleep(Duration::from_millis(20)).await;
            return tally.failed();
        }
    };
    tally.ended(&transaction.exchange, due);
    // the request has ended; its reversal must not delay other requests
    drop(turn);
    if let Some(why) = must_be_reversed(&transaction) {
        match request.reverse(&transaction, why).await {
            Ok(_) => tally.reversed(),
            Err(error) => {
                tracing::warn!(%error, "a reversal of the load was not acknowledged");
                tally.undecided();
            }
        }
    }
}
