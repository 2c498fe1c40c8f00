//! The numbers that the switch assigns: to requests, to messages of store and forward, to calls of the HSM; retrieval
//! reference numbers; and the random generator for life-cycle ids and jitter. STANs are counted per destination
//! (destination/stan.rs).

use crate::event::{RequestId, SafId, Ticket};
use crate::life_cycle::LifeCycleId;
use crate::now::utc;
use codecs::value::Rrn;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

#[derive(Debug)]
pub(crate) struct Numbers {
    last_request: u64,
    last_owed: u64,
    last_ticket: u64,
    rrns: Rrns,
    random: SmallRng,
}

impl Numbers {
    /// `seed` is that of the random generator for life-cycle ids and jitter.
    pub(crate) fn new(seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        Self { last_request: 0, last_owed: 0, last_ticket: 0, rrns: Rrns::default(), random }
    }

    pub(crate) fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    pub(crate) fn next_saf(&mut self) -> SafId {
        self.last_owed += 1;
        SafId(self.last_owed)
    }

    pub(crate) fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    /// A retrieval reference number for a message of one of our own terminals.
    pub(crate) fn next_rrn(&mut self, wall_ms: i64) -> Rrn {
        self.rrns.next(wall_ms)
    }

    pub(crate) fn life_cycle_id(&mut self) -> LifeCycleId {
        LifeCycleId::random(&mut self.random)
    }

    /// A random number in 0..1, which spreads the waits of a back-off.
    pub(crate) fn jitter(&mut self) -> f64 {
        self.random.random()
    }

    /// A request of before a restart: its number is not given again.
    pub(crate) fn restore_request(&mut self, request: RequestId) {
        self.last_request = self.last_request.max(request.0);
    }

    /// A message of store and forward of before a restart.
    pub(crate) fn restore_saf(&mut self, owed: SafId) {
        self.last_owed = self.last_owed.max(owed.0);
    }

    /// A reference number given before a restart.
    pub(crate) fn restore_rrn(&mut self, rrn: &Rrn) {
        self.rrns.seen(rrn);
    }
}

/// Retrieval reference numbers of our own terminals: year digit, day of year, eight digits that rise over the day.
///
/// The eight digits follow the milliseconds of the day, so that a restart does not give a number twice.
#[derive(Debug, Default)]
struct Rrns {
    last: u64,
}

impl Rrns {
    fn next(&mut self, wall_ms: i64) -> Rrn {
        let at = utc(wall_ms);
        let day = (at.year() % 10) as u64 * 1000 + at.day_of_year() as u64;
        let ms_of_day = wall_ms.rem_euclid(86_400_000) as u64;
        let by_clock = day * 100_000_000 + ms_of_day;
        let new_decade = day < 1_000 && self.last >= 9_000 * 100_000_000;
        self.last = if new_decade { by_clock } else { by_clock.max(self.last + 1) };
        Rrn::new(&format!("{:012}", self.last % 1_000_000_000_000)).expect("twelve digits")
    }

    /// A number given before a restart.
    fn seen(&mut self, rrn: &Rrn) {
        if let Ok(number) = rrn.as_str().parse::<u64>() {
            self.last = self.last.max(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_numbers_rise_whatever_the_clock_does() {
        let mut rrns = Rrns::default();
        // 2026-11-20 is day 324
        let noon = 1_795_176_000_000;
        assert_eq!(rrns.next(noon).as_str(), "632443200000");
        assert_eq!(rrns.next(noon).as_str(), "632443200001");
        assert_eq!(rrns.next(noon - 5_000).as_str(), "632443200002");
        assert_eq!(rrns.next(noon + 10).as_str(), "632443200010");
        let mut after_restart = Rrns::default();
        after_restart.seen(&Rrn::new("632443200010").expect("digits"));
        assert_eq!(after_restart.next(noon).as_str(), "632443200011");
    }
}
