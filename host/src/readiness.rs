//! Readiness: whether the database and the HSM can be used.

use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::Pool;
use hsm::{Client, ModuleState};
use telemetry::{Health, NotReady};

use ledger::store::ping;

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
pub async fn check_dependencies(pool: &Pool, hsm: &Client) -> Result<(), NotReady> {
    ping(pool).await.map_err(|error| NotReady::new(format_args!("Postgres: {error}")))?;
    match hsm.health().await {
        Ok(health) if health.state == ModuleState::Down => Err(NotReady::new("HSM: the module is down")),
        Ok(_) => Ok(()),
        Err(error) => Err(NotReady::new(format_args!("HSM: {error}"))),
    }
}
