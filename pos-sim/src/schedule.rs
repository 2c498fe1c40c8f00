//! The time at which each request of an open-loop run is due.
//!
//! The schedule is arithmetic on nanoseconds since the start, without a clock: request *i* is due at `i / rate`, however the
//! earlier requests ended. A late sender catches up; the due times never move.

/// Nanoseconds since the start of the run.
pub type Nanos = u64;

/// An even pace for a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    per_second: u32,
    requests: u64,
}

impl Schedule {
    /// # Panics
    /// If the rate is zero: a closed loop has no schedule.
    #[must_use]
    pub fn new(per_second: u32, seconds: u32) -> Self {
        assert!(per_second > 0, "an open loop has a rate");
        Self { per_second, requests: u64::from(per_second) * u64::from(seconds) }
    }

    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// When request `index` is due; `None` behind the last one.
    #[must_use]
    pub fn due(&self, index: u64) -> Option<Nanos> {
        (index < self.requests).then(|| {
            let (whole, part) = (index / u64::from(self.per_second), index % u64::from(self.per_second));
            // split, so that neither long runs overflow nor odd rates drift
            whole * 1_000_000_000 + part * 1_000_000_000 / u64::from(self.per_second)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_its_place_and_rounding_does_not_drift() {
        for rate in [1, 3, 7, 999, 12_345] {
            let schedule = Schedule::new(rate, 5);
            assert_eq!(schedule.requests(), u64::from(rate) * 5);
            let due: Vec<Nanos> = (0..).map_while(|i| schedule.due(i)).collect();
            assert_eq!(due.len() as u64, schedule.requests());
            assert!(due.windows(2).all(|pair| pair[0] < pair[1]));
            for second in 0..5 {
                assert_eq!(due[(second * rate) as usize], u64::from(second) * 1_000_000_000);
            }
        }
    }

    #[test]
    fn a_month_at_full_pace_does_not_overflow() {
        let schedule = Schedule::new(20_000, 31 * 86_400);
        assert_eq!(schedule.due(schedule.requests() - 20_000), Some((31 * 86_400 - 1) * 1_000_000_000));
        assert_eq!(schedule.due(schedule.requests()), None);
    }
}
