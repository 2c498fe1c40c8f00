//! Faults of the foreign issuer, made on purpose: on order, or at random from a seed.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A fault in sending the answer to a request that was decided as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It leaves late.
    DelayAnswer(Duration),
    /// It never leaves.
    SwallowAnswer,
}

/// Rates of random faults, in thousandths of the requests.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRates {
    pub seed: u64,
    pub delayed_per_mille: u32,
    pub delay_ms: u64,
    pub swallowed_per_mille: u32,
}

/// The faults to come.
#[derive(Debug)]
pub struct Faults {
    ordered: VecDeque<Fault>,
    reversals_to_ignore: u32,
    rates: FaultRates,
    rng: StdRng,
}

impl Faults {
    #[must_use]
    pub fn new(rates: FaultRates) -> Self {
        let rng = StdRng::seed_from_u64(rates.seed);
        Self { ordered: VecDeque::new(), reversals_to_ignore: 0, rates, rng }
    }

    /// Orders a fault for the next request that has none yet.
    pub fn order(&mut self, fault: Fault) {
        self.ordered.push_back(fault);
    }

    /// Leaves the next so many reversals unanswered and undone.
    pub fn ignore_reversals(&mut self, how_many: u32) {
        self.reversals_to_ignore = how_many;
    }

    /// The fault for the current request, if any.
    pub fn for_request(&mut self) -> Option<Fault> {
        if let Some(fault) = self.ordered.pop_front() {
            return Some(fault);
        }
        let rates = self.rates;
        if rates.delayed_per_mille + rates.swallowed_per_mille == 0 {
            return None;
        }
        let draw = self.rng.random_range(0..1000);
        if draw < rates.swallowed_per_mille {
            Some(Fault::SwallowAnswer)
        } else if draw < rates.swallowed_per_mille + rates.delayed_per_mille {
            Some(Fault::DelayAnswer(Duration::from_millis(rates.delay_ms)))
        } else {
            None
        }
    }

    /// Whether the current reversal is to be ignored.
    pub fn ignores_reversal(&mut self) -> bool {
        let ignores = self.reversals_to_ignore > 0;
        self.reversals_to_ignore = self.reversals_to_ignore.saturating_sub(1);
        ignores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_faults_come_first_and_once() {
        let mut faults = Faults::new(FaultRates::default());
        faults.order(Fault::SwallowAnswer);
        faults.ignore_reversals(2);
        assert_eq!(faults.for_request(), Some(Fault::SwallowAnswer));
        assert_eq!(faults.for_request(), None);
        assert_eq!([(); 3].map(|()| faults.ignores_reversal()), [true, true, false]);
    }

    #[test]
    fn the_same_seed_gives_the_same_day() {
        let rates = FaultRates { seed: 42, delayed_per_mille: 100, delay_ms: 9000, swallowed_per_mille: 100 };
        let day = || {
            let mut faults = Faults::new(rates);
            (0..2000).map(|_| faults.for_request()).collect::<Vec<_>>()
        };
        assert_eq!(day(), day());
        let faulty = day().iter().flatten().count();
        assert!((300..500).contains(&faulty), "{faulty} of 2000");
    }
}
