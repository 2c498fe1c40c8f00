//! How a lane's work goes on, for readiness: told by the lane once a batch, and judged by anyone at any moment.

use std::fmt::{self, Display};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A batch that is under way for so long has a lane that stands still: it is retried for a shorter time.
const STANDS_STILL_AFTER: Duration = Duration::from_secs(10);
/// For so long a batch that was given up shows, unless another is committed meanwhile. An idle lane has nothing to commit.
const FAILURE_SHOWS_FOR: Duration = Duration::from_secs(10);

/// What a lane did last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When the batch under way was taken from the queue; it has the oldest requests that the lane holds.
    pub batch_since: Option<Instant>,
    pub last_commit: Option<Instant>,
    /// When a batch was given up since the last commit, and why.
    pub failure: Option<(Instant, String)>,
}

/// Why a lane does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneTrouble {
    #[error("its task has ended")]
    Ended,
    #[error("its batch is under way for {} s", .0.as_secs())]
    StandsStill(Duration),
    #[error("its last batch was given up: {0}")]
    GivenUp(String),
}

impl Progress {
    /// Whether the lane serves, at `now`.
    pub fn check(&self, now: Instant) -> Result<(), LaneTrouble> {
        let age = |since: Instant| now.saturating_duration_since(since);
        if let Some(since) = self.batch_since.filter(|since| age(*since) >= STANDS_STILL_AFTER) {
            return Err(LaneTrouble::StandsStill(age(since)));
        }
        match &self.failure {
            Some((at, why)) if age(*at) < FAILURE_SHOWS_FOR => Err(LaneTrouble::GivenUp(why.clone())),
            _ => Ok(()),
        }
    }

    /// The progress in words, at `now`.
    pub fn at(&self, now: Instant) -> impl Display + '_ {
        ProgressAt { progress: self, now }
    }
}

struct ProgressAt<'a> {
    progress: &'a Progress,
    now: Instant,
}

impl Display for ProgressAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = |since: Instant| self.now.saturating_duration_since(since).as_secs_f64();
        match self.progress.last_commit {
            Some(at) => write!(f, "last commit {:.1} s ago", age(at))?,
            None => f.write_str("no commit yet")?,
        }
        match self.progress.batch_since {
            Some(since) => write!(f, ", a batch under way for {:.1} s", age(since)),
            None => f.write_str(", no batch under way"),
        }
    }
}

/// The progress as its lane shares it. Locked twice a batch, never for longer than a copy.
#[derive(Debug, Default)]
pub(super) struct SharedProgress(Mutex<Progress>);

impl SharedProgress {
    pub(super) fn read(&self) -> Progress {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_serves_unless_it_stands_still_or_has_just_given_up() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let given_up = || Some((start, "disk full".to_owned()));
        let idle = Progress::default();
        let busy = Progress { batch_since: Some(start), ..Progress::default() };
        let failed = Progress { failure: given_up(), ..Progress::default() };
        let cases = [
            (&idle, 1_000, Ok(()), "nothing to do is no trouble"),
            (&busy, 9, Ok(()), "retries take their time"),
            (&busy, 10, Err(LaneTrouble::StandsStill(Duration::from_secs(10))), "stuck"),
            (&failed, 9, Err(LaneTrouble::GivenUp("disk full".into())), "just now"),
            (&failed, 10, Ok(()), "an idle lane is not out of service for ever"),
        ];
        for (progress, seconds, expected, meaning) in cases {
            assert_eq!(progress.check(after(seconds)), expected, "{meaning}");
        }
    }

    #[test]
    fn progress_is_told_in_words() {
        let start = Instant::now();
        let now = start + Duration::from_millis(2_500);
        assert_eq!(Progress::default().at(now).to_string(), "no commit yet, no batch under way");
        let busy = Progress { batch_since: Some(now), last_commit: Some(start), failure: None };
        assert_eq!(busy.at(now).to_string(), "last commit 2.5 s ago, a batch under way for 0.0 s");
    }
}
