//! The host's report about itself: help texts of its metrics, and readiness.

use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::Pool;
use hsm::{Client, ModuleState};
use metrics::{describe_counter, describe_gauge};
use telemetry::{Health, NotReady, describe_histogram};

use ledger::store::ping;

/// Gives every metric its help text.
pub fn describe() {
    describe_counter!("host_requests_total", "Messages answered, by message type and response code");
    describe_counter!("host_bad_messages_total", "Messages that could not be read, by kind of fault");
    describe_counter!(
        "host_batches_failed_total",
        "Batches that got no commit: unavailable, or refused by the database"
    );
    describe_counter!("host_batch_retries_total", "Batches that were tried again after a lost connection or busy rows");
    describe_gauge!("host_connections", "Connections from the switch");
    describe_gauge!("host_in_flight", "Messages under way");
    describe_gauge!("host_lane_waiting", "Requests that wait for a lane, by lane");
    describe_gauge!("host_lane_connected", "Lanes that have had a database connection");
    describe_histogram("host_batch_size", "Requests in a batch");
    describe_histogram(
        "host_stage_seconds",
        "Time spent by stage: facts (index and cold row), hsm (the compound verb), lane (waiting for a batch), commit (both flights and the fold), whole",
    );
}

/// The outcome of the last check of database and HSM.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<Result<(), NotReady>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Err(NotReady::new("starting")))))
    }
}

impl Readiness {
    /// The check as a function for the status server.
    #[must_use]
    pub fn check(&self) -> Health {
        let shared = Arc::clone(&self.0);
        Arc::new(move || shared.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Replaces the outcome.
    pub fn set(&self, state: Result<(), NotReady>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Checks the database and the HSM.
pub async fn look(pool: &Pool, hsm: &Client) -> Result<(), NotReady> {
    ping(pool).await.map_err(|error| NotReady::new(format_args!("Postgres: {error}")))?;
    match hsm.health().await {
        Ok(health) if health.state == ModuleState::Down => Err(NotReady::new("HSM: the module is down")),
        Ok(_) => Ok(()),
        Err(error) => Err(NotReady::new(format_args!("HSM: {error}"))),
    }
}
