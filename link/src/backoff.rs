//! Back-off: the wait before a retry.

use std::time::Duration;

/// Waits that double from `first` up to `longest`; jitter spreads them, so that many peers do not retry at the same
/// instant.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempt: 0 }
    }

    /// The next wait. `jitter` in 0..=1 places it between half the nominal wait and all of it.
    pub fn next(&mut self, jitter: f64) -> Duration {
        let wait = wait(self.first, self.longest, self.attempt, jitter);
        self.attempt = self.attempt.saturating_add(1);
        wait
    }

    /// To be called once the peer works again: the next wait is the first one.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

/// The wait after `attempt` failures (0 = the first), for callers that keep the count themselves.
pub fn wait(first: Duration, longest: Duration, attempt: u32, jitter: f64) -> Duration {
    let nominal = first.saturating_mul(1u32.checked_shl(attempt.min(31)).unwrap_or(u32::MAX)).min(longest);
    nominal.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_doubles_up_to_the_longest_and_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500));
        let waits: Vec<_> = (0..5).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 50, "without jitter it is half the nominal wait");
    }

    proptest! {
        #[test]
        fn it_stays_between_half_and_all_of_the_nominal_wait(attempt in 0u32..100, jitter in -1.0f64..2.0) {
            let (first, longest) = (Duration::from_millis(10), Duration::from_secs(60));
            let nominal = Duration::from_millis(10u64.saturating_mul(1 << attempt.min(40))).min(longest);
            let wait = wait(first, longest, attempt, jitter);
            prop_assert!(wait >= nominal.mul_f64(0.499) && wait <= nominal);
        }
    }
}
