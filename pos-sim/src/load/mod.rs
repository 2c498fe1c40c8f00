//! The open-loop load: requests leave when they are due, whatever became of the ones before, and latency counts from
//! the time they were due. Whatever had no answer is reversed until the reversal is acknowledged, so that at the end of
//! a run every exchange is decided.

mod fleet;
mod pace;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

pub use self::fleet::Fleet;
use self::fleet::{Shooter, Shot};
use self::pace::Pacer;
use self::report::Tally;
pub use self::report::{Latency, Progress, Report};
use crate::mix::Mix;
use crate::schedule::Schedule;
use crate::till::must_be_reversed;

/// How a load is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Requests per second; zero sends as fast as answers come.
    pub rate: u32,
    pub seconds: u32,
    /// At most so many requests under way at once. A request that has to wait for its turn is late, and counts as late.
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

/// How often the progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Runs a load to its end: all sent, all decided. `progress` is called about ten times a second.
///
/// # Errors
/// There is nothing to load with.
pub async fn run(fleet: Fleet, plan: &Plan, mut progress: impl FnMut(&Progress)) -> Result<Report, LoadError> {
    if !fleet.can_fire() {
        return Err(LoadError::NothingToDo);
    }
    let tally = Arc::new(Tally::new());
    let shooter = Shooter::new(fleet, plan.mix.clone(), StdRng::seed_from_u64(plan.seed));
    let started = Instant::now();
    let firing = async {
        match plan.rate {
            0 => closed_loop(shooter, plan, &tally).await,
            rate => open_loop(shooter, Schedule::new(rate, plan.seconds), plan.concurrency, &tally).await?,
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
    mut shooter: Shooter,
    schedule: Schedule,
    concurrency: usize,
    tally: &Arc<Tally>,
) -> Result<(), LoadError> {
    let turns = Arc::new(Semaphore::new(concurrency.max(1)));
    let mut pacer = Pacer::start(schedule).map_err(LoadError::Clock)?;
    let mut under_way = JoinSet::new();
    while let Some(due) = pacer.next().await {
        let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
        under_way.spawn(fire(shooter.next_shot(), due, turn, Arc::clone(tally)));
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    Ok(())
}

/// As fast as answers come: each turn fires again when it is done. Latency counts from the sending.
async fn closed_loop(mut shooter: Shooter, plan: &Plan, tally: &Arc<Tally>) {
    let until = Instant::now() + Duration::from_secs(u64::from(plan.seconds));
    let turns = Arc::new(Semaphore::new(plan.concurrency.max(1)));
    let mut under_way = JoinSet::new();
    while Instant::now() < until {
        let turn = Arc::clone(&turns).acquire_owned().await.expect("the semaphore is never closed");
        under_way.spawn(fire(shooter.next_shot(), Instant::now(), turn, Arc::clone(tally)));
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

/// One request to its decision.
async fn fire(shot: Shot, due: Instant, turn: OwnedSemaphorePermit, tally: Arc<Tally>) {
    tally.sent();
    let transaction = match shot.fire().await {
        Ok(transaction) => transaction,
        Err(error) => {
            tracing::debug!(%error, "a request of the load did not leave");
            // as slow as a till that dials: without a pause a closed port would be hammered
            tokio::time::sleep(Duration::from_millis(20)).await;
            return tally.failed();
        }
    };
    tally.ended(&transaction.exchange, due);
    // the request is over; what follows must not hold up the pace
    drop(turn);
    if let Some(why) = must_be_reversed(&transaction) {
        match shot.reverse(&transaction, why).await {
            Ok(_) => tally.reversed(),
            Err(error) => {
                tracing::warn!(%error, "a reversal of the load was not acknowledged");
                tally.undecided();
            }
        }
    }
}
