//! The lanes of a host, and the submission of requests to them.
#![expect(clippy::disallowed_methods, reason = "shell: starts tasks and measures stages")]

use std::sync::Arc;
use std::time::Instant;

use deadpool_postgres::Pool;
use metrics::gauge;
use tokio::sync::{mpsc, oneshot, watch};

use crate::authorize::Rules;
use crate::batch::{Ids, PreparedRequest};
use crate::config::Config;

use lane::{Lane, LaneSettings, QueuedRequest};
use ledger::journal::ChainHead;
use ledger::store::flight::LaneInstance;
use ledger::store::{StoreError, epoch, pool};

mod committed;
mod lane;

pub use committed::Committed;
pub use lane::LaneError;

/// Settings of every lane's connection. A lane reads and writes by primary key alone; without these settings a
/// sequential scan that was planned while the journal was empty stays cached (measured: eight times the work).
const PLANS: &str =
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off -c jit=off";

/// The lanes. Each bucket belongs to one lane, so requests on one account are decided in order of arrival.
#[derive(Debug)]
pub struct Lanes {
    queues: Vec<LaneQueue>,
}

#[derive(Debug)]
struct LaneQueue {
    sender: mpsc::Sender<QueuedRequest>,
    instance: LaneInstance,
    head: watch::Receiver<ChainHead>,
}

impl Lanes {
    /// Starts the lanes on the current runtime. They end when this is dropped.
    pub async fn start(config: &Config, general: &Pool) -> Result<Self, StoreError> {
        let epoch = epoch::next(general).await?;
        let count = usize::from(config.lanes.count);
        let settings = LaneSettings {
            pool: pool(&lane_connection(config), count)?,
            ids: Arc::new(Ids::of_epoch(epoch)),
            rules: Rules { currency: config.currency(), max_pin_tries: config.pin.max_tries },
            hold_days: config.hold_days,
            max_batch: config.lanes.max_batch,
        };
        let queues = (0..i16::from(config.lanes.count))
            .map(|number| {
                let (sender, queue) = mpsc::channel(config.lanes.max_waiting);
                let (head, watched) = watch::channel(ChainHead::START);
                let chain = i32::try_from(epoch).unwrap_or(i32::MAX >> 8) << 8 | i32::from(number);
                let instance = LaneInstance { lane: number, number: chain };
                tokio::spawn(Lane { settings: settings.clone(), instance, queue, head }.run());
                LaneQueue { sender, instance, head: watched }
            })
            .collect();
        Ok(Self { queues })
    }

    /// Decides and commits one request. The answer is built from the receipt.
    pub async fn submit(&self, prepared: PreparedRequest) -> Result<Committed, LaneError> {
        let bucket = usize::from(prepared.location.bucket().unsigned_abs());
        let queue = &self.queues[bucket % self.queues.len()];
        let (reply, receipt) = oneshot::channel();
        let queued = QueuedRequest { prepared, reply, since: Instant::now() };
        queue.sender.try_send(queued).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => LaneError::Full,
            mpsc::error::TrySendError::Closed(_) => LaneError::Unavailable,
        })?;
        receipt.await.unwrap_or(Err(LaneError::Unavailable))
    }

    /// Records the depth of each queue in the metrics.
    pub fn measure(&self) {
        for queue in &self.queues {
            let waiting = queue.sender.max_capacity() - queue.sender.capacity();
            gauge!("host_lane_waiting", "lane" => queue.instance.lane.to_string()).set(waiting as f64);
        }
    }

    /// The head of each chain.
    pub fn heads(&self) -> impl Iterator<Item = (LaneInstance, ChainHead)> + '_ {
        self.queues.iter().map(|queue| (queue.instance, *queue.head.borrow()))
    }
}

fn lane_connection(config: &Config) -> tokio_postgres::Config {
    let mut connection = config.postgres();
    let given = connection.get_options().map(|options| format!("{options} ")).unwrap_or_default();
    connection.options(format!("{given}{PLANS} -c lock_timeout={}", config.lanes.lock_timeout_ms));
    connection.application_name("authhost lane");
    connection
}
