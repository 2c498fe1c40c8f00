//! Counts and latencies of a load, while it runs and at its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::exchange::Exchange;

/// Progress of a running load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    pub elapsed: Duration,
    pub sent: u64,
    pub answered: u64,
    pub approved: u64,
    pub declined: u64,
    pub timeouts: u64,
    pub errors: u64,
    pub reversed: u64,
}

/// A load's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub sent: u64,
    pub answered: u64,
    pub approved: u64,
    pub declined: u64,
    /// Unanswered in time, or their connection was lost.
    pub timeouts: u64,
    /// Not sent: no connection could be made.
    pub errors: u64,
    /// Answers per second, from the first due time to the last answer.
    pub tps: f64,
    pub latency_us: Latency,
    /// Of the unanswered: reversed, with the reversal acknowledged.
    pub reversed: u64,
    /// Of the unanswered: the reversal was not acknowledged.
    pub undecided: u64,
}

/// Time from when a request was due to its answer, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    sent: AtomicU64,
    answered: AtomicU64,
    approved: AtomicU64,
    timeouts: AtomicU64,
    errors: AtomicU64,
    reversed: AtomicU64,
    undecided: AtomicU64,
    last_answer_us: AtomicU64,
    latency: Mutex<Histogram<u64>>,
}

/// Latencies up to ten minutes, to three digits.
const LONGEST_US: u64 = 600_000_000;

impl Tally {
    pub(super) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds and precision are in range");
        Self {
            started: Instant::now(),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            approved: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            reversed: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
            last_answer_us: AtomicU64::new(0),
            latency: Mutex::new(latency),
        }
    }

    pub(super) fn sent(&self) {
        add(&self.sent);
    }

    pub(super) fn failed(&self) {
        add(&self.errors);
    }

    pub(super) fn reversed(&self) {
        add(&self.reversed);
    }

    pub(super) fn undecided(&self) {
        add(&self.undecided);
    }

    pub(super) fn ended(&self, exchange: &Exchange, due: Instant) {
        if exchange.answer().is_none() {
            return add(&self.timeouts);
        }
        add(&self.answered);
        if exchange.approved() {
            add(&self.approved);
        }
        let ended = exchange.ended();
        self.last_answer_us.fetch_max(micros(ended.saturating_duration_since(self.started)), Ordering::Relaxed);
        let latency = micros(ended.saturating_duration_since(due)).clamp(1, LONGEST_US);
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(latency);
    }

    pub(super) fn progress(&self, elapsed: Duration) -> Progress {
        let (answered, approved) = (get(&self.answered), get(&self.approved));
        Progress {
            elapsed,
            sent: get(&self.sent),
            answered,
            approved,
            declined: answered.saturating_sub(approved),
            timeouts: get(&self.timeouts),
            errors: get(&self.errors),
            reversed: get(&self.reversed),
        }
    }

    pub(super) fn report(&self, planned: Duration) -> Report {
        let (answered, approved) = (get(&self.answered), get(&self.approved));
        let took = Duration::from_micros(get(&self.last_answer_us)).max(planned);
        let latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        Report {
            sent: get(&self.sent),
            answered,
            approved,
            declined: answered.saturating_sub(approved),
            timeouts: get(&self.timeouts),
            errors: get(&self.errors),
            tps: (answered as f64 / took.as_secs_f64() * 10.0).round() / 10.0,
            latency_us: Latency {
                p50: latency.value_at_quantile(0.5),
                p90: latency.value_at_quantile(0.9),
                p99: latency.value_at_quantile(0.99),
                p999: latency.value_at_quantile(0.999),
                max: latency.max(),
            },
            reversed: get(&self.reversed),
            undecided: get(&self.undecided),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
