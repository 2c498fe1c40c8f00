//! Readiness: whether the database and the HSM can be used, and the lanes serve.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use hsm::{Client, ModuleState};
use telemetry::{NotReady, Ready};

use ledger::store::ping;

use crate::lanes::{LaneTrouble, Lanes, Progress};

/// An outcome that is older says nothing about this moment: the next check hangs, or nobody makes it.
const HOLDS_FOR: Duration = Duration::from_secs(10);

/// The outcome of the last check of database and HSM, and when it was made.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<(Instant, Result<(), NotReady>)>>);

impl Readiness {
    /// Not ready until the first check, which is due at `now`.
    #[must_use]
    pub fn starting(now: Instant) -> Self {
        Self(Arc::new(Mutex::new((now, Err(NotReady::new("starting"))))))
    }

    /// Replaces the outcome.
    pub fn set(&self, checked: Instant, outcome: Result<(), NotReady>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (checked, outcome);
    }

    /// Whether the host can do its work: its database, its HSM, and each lane.
    pub fn check(&self, lanes: &Lanes, now: Instant) -> Result<Ready, NotReady> {
        let (checked, outcome) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        dependencies(checked, outcome, now)?;
        of_lanes(lanes.progress(now), now)
    }
}

fn dependencies(checked: Instant, outcome: Result<(), NotReady>, now: Instant) -> Result<(), NotReady> {
    let age = now.saturating_duration_since(checked);
    if age > HOLDS_FOR {
        let seconds = age.as_secs();
        return Err(NotReady::new(format_args!("database and HSM were last checked {seconds} s ago: a check hangs")));
    }
    outcome
}

/// Ready if every lane is; tells of each.
fn of_lanes(
    lanes: impl Iterator<Item = (i16, Result<Progress, LaneTrouble>)>,
    now: Instant,
) -> Result<Ready, NotReady> {
    let mut told = String::new();
    for (lane, progress) in lanes {
        let progress = progress.map_err(|trouble| NotReady::new(format_args!("lane {lane}: {trouble}")))?;
        let separator = if told.is_empty() { "" } else { "\n" };
        // a String takes everything
        let _ = write!(told, "{separator}lane {lane}: {}", progress.at(now));
    }
    Ok(Ready::telling(told))
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant has no other origin")]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_that_nobody_renews_is_none() {
        let start = Instant::now();
        let at = |seconds| dependencies(start, Ok(()), start + Duration::from_secs(seconds));
        assert_eq!(at(10), Ok(()));
        assert!(at(11).is_err_and(|error| error.to_string().contains("11 s ago")));
    }

    #[test]
    fn every_lane_is_told_of_and_one_in_trouble_is_enough() {
        let now = Instant::now();
        let idle = || Ok(Progress::default());
        let words = "lane 0: no commit yet, no batch under way\nlane 1: no commit yet, no batch under way";
        assert_eq!(of_lanes([(0, idle()), (1, idle())].into_iter(), now), Ok(Ready::telling(words)));
        let trouble = of_lanes([(0, idle()), (1, Err(LaneTrouble::Ended))].into_iter(), now);
        assert_eq!(trouble, Err(NotReady::new("lane 1: its task has ended")));
    }
}
