//! The lanes of a host, and the submission of requests to them.
#![expect(clippy::disallowed_methods, reason = "shell: starts tasks and measures stages")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use jiff::SignedDuration;
use metrics::gauge;
use tokio::sync::{mpsc, oneshot, watch};

use crate::authorize::Rules;
use crate::batch::{Ids, PreparedRequest};
use crate::config::{CompletionTolerance, Config, MerchantCodes};
use crate::guesses::{GuessLimits, Guesses};

use lane::{Lane, LaneSettings, QueuedRequest};
use ledger::chain::ChainHead;
use ledger::store::instance::{JournalInstance, this_user};
use ledger::store::{Connection, StoreError, epoch, pool};
use progress::SharedProgress;
use telemetry::LastingTasks;

mod committed;
mod lane;
mod progress;

pub use committed::Committed;
pub use lane::LaneError;
pub use progress::{LaneTrouble, Progress};

/// A queue has this part of its length more, for reversals and advices: the switch sends what it is owed an answer to again
/// and again, and money stays where it does not belong for as long as the queue is full of requests.
const RESERVE_PART: usize = 4;

/// The lanes. Each bucket belongs to one lane, so requests on one account are decided in order of arrival.
#[derive(Debug)]
pub struct Lanes {
    queues: Vec<LaneQueue>,
    /// Places of each queue that are for what is owed.
    reserve: usize,
    /// From a request's arrival, as long as it may take to decide it.
    decide_within: Duration,
}

#[derive(Debug)]
struct LaneQueue {
    sender: mpsc::Sender<QueuedRequest>,
    instance: JournalInstance,
    head: watch::Receiver<ChainHead>,
    progress: Arc<SharedProgress>,
}

impl Lanes {
    /// Starts the lanes on the current runtime. They end when this is dropped; one that ends sooner is lost to `tasks`.
    pub async fn start(config: &Config, general: &Pool, tasks: &LastingTasks) -> Result<Self, StoreError> {
        let epoch = epoch::next(general).await?;
        let count = usize::from(config.lanes.count);
        let settings = LaneSettings {
            pool: pool(&lane_connection(config), count)?,
            ids: Arc::new(Ids::of_epoch(epoch)),
            rules: rules(config),
            hold_days: config.hold_days,
            max_batch: config.lanes.max_batch,
            guesses: Arc::new(Guesses::new(guess_limits(&config.security_code.merchant))),
        };
        let reserve = (config.lanes.max_waiting / RESERVE_PART).max(1);
        let instances = (0..i16::from(config.lanes.count)).map(|lane| JournalInstance::of_lane(epoch, lane));
        let (client, user) = (general.get().await?, this_user());
        for instance in instances.clone() {
            instance.register(&**client, "authhost", &user).await?;
        }
        let queues = instances
            .map(|instance| {
                let (sender, queue) = mpsc::channel(config.lanes.max_waiting + reserve);
                let (head, watched) = watch::channel(ChainHead::START);
                let progress = Arc::new(SharedProgress::default());
                let lane = Lane { settings: settings.clone(), instance, queue, head, progress: Arc::clone(&progress) };
                tasks.spawn(format!("lane {}", instance.lane), lane.run());
                LaneQueue { sender, instance, head: watched, progress }
            })
            .collect();
        Ok(Self { queues, reserve, decide_within: Duration::from_millis(config.lanes.decide_within_ms) })
    }

    /// Decides and commits one request, which arrived at `arrived`. The answer is built from the receipt.
    ///
    /// A request that the switch has long stopped waiting for is not decided. What is owed (reversals and advices) is
    /// decided however late, and has a reserve of the queue that requests do not get.
    pub async fn submit(&self, prepared: PreparedRequest, arrived: Instant) -> Result<Committed, LaneError> {
        let bucket = usize::from(prepared.location.bucket().unsigned_abs());
        let queue = &self.queues[bucket % self.queues.len()];
        let (reply, receipt) = oneshot::channel();
        let is_owed = prepared.request.is_owed();
        if !is_owed && queue.sender.capacity() <= self.reserve {
            return Err(LaneError::Full);
        }
        let decide_by = (!is_owed).then(|| arrived + self.decide_within);
        let queued = QueuedRequest { prepared, reply, since: Instant::now(), decide_by };
        queue.sender.try_send(queued).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => LaneError::Full,
            mpsc::error::TrySendError::Closed(_) => LaneError::Unavailable,
        })?;
        receipt.await.unwrap_or(Err(LaneError::Unavailable))
    }

    /// Records in the metrics how many requests wait in each queue, and for how long the batch before them is under way.
    pub fn measure(&self, now: Instant) {
        for queue in &self.queues {
            let lane = queue.instance.lane.to_string();
            let waiting = queue.sender.max_capacity() - queue.sender.capacity();
            gauge!("host_lane_waiting", "lane" => lane.clone()).set(waiting as f64);
            let since = queue.progress.read().batch_since;
            let age = since.map_or(0.0, |since| now.saturating_duration_since(since).as_secs_f64());
            gauge!("host_lane_batch_age_seconds", "lane" => lane).set(age);
        }
    }

    /// Each lane's number and progress, or why it does not serve.
    pub fn progress(&self, now: Instant) -> impl Iterator<Item = (i16, Result<Progress, LaneTrouble>)> + '_ {
        self.queues.iter().map(move |queue| {
            let progress = queue.progress.read();
            let ended = queue.sender.is_closed().then_some(LaneTrouble::Ended);
            let trouble = ended.map_or_else(|| progress.check(now), Err);
            (queue.instance.lane, trouble.map(|()| progress))
        })
    }

    /// The head of each chain.
    pub fn heads(&self) -> impl Iterator<Item = (JournalInstance, ChainHead)> + '_ {
        self.queues.iter().map(|queue| (queue.instance, *queue.head.borrow()))
    }
}

/// The rules by which requests are decided.
fn rules(config: &Config) -> Rules {
    let of_categories = |of: &CompletionTolerance| {
        let percent = of.percent;
        of.merchant_categories.iter().map(move |mcc| (*mcc, percent)).collect::<Vec<_>>()
    };
    Rules {
        currency: config.currency(),
        max_pin_tries: config.pin.max_tries,
        completion_tolerance: config.completion_tolerance.iter().flat_map(of_categories).collect(),
        balance_needs_pin: config.pin.for_balance,
        max_code_tries: config.security_code.max_tries,
        max_unreferenced_refunds_minor: config.refunds.max_unreferenced_minor,
        chip_amount_free: config.chip_amount_free.iter().copied().collect(),
    }
}

fn guess_limits(config: &MerchantCodes) -> GuessLimits {
    GuessLimits {
        window: SignedDuration::from_mins(config.window_min.into()),
        max_failures: config.max_failures,
        max_failure_percent: config.max_failure_percent,
    }
}

fn lane_connection(config: &Config) -> Connection {
    let lock_timeout = format!("-c lock_timeout={}", config.lanes.lock_timeout_ms);
    config.postgres_by_key().with_options(&lock_timeout).called("authhost lane")
}
