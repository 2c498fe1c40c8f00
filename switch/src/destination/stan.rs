//! The STANs (DE11) of one destination: the switch's own counter on that hop.

use codecs::value::Stan;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// 1 to 999999; zero is never given.
const STANS: u32 = 999_999;

/// The counter. A number is not given again while it is held, however often the count wraps in between.
#[derive(Debug)]
pub(crate) struct Stans {
    last: Stan,
    /// When the last number that is known from before a restart was given, in milliseconds since 1970.
    last_ms: i64,
    held: Arc<Held>,
}

/// A STAN in use by a request under way or by an unacknowledged message. Dropping it gives the STAN back.
#[derive(Debug)]
pub(crate) struct HeldStan {
    stan: Stan,
    held: Arc<Held>,
}

/// One bit per number, and how many are set. Only one task takes and drops numbers; they are atomics because the core,
/// which holds them, may move between threads.
struct Held {
    bits: Box<[AtomicU64]>,
    count: AtomicU32,
}

impl Stans {
    pub(crate) fn new() -> Self {
        let bits = (0..=STANS / 64).map(|_| AtomicU64::new(0)).collect();
        Self { last: Stan(0), last_ms: i64::MIN, held: Arc::new(Held { bits, count: AtomicU32::new(0) }) }
    }

    /// The next free number; `None` when all 999999 are held.
    pub(crate) fn take(&mut self) -> Option<HeldStan> {
        if self.held.count.load(Ordering::Relaxed) >= STANS {
            return None;
        }
        loop {
            self.last = self.last.next();
            if self.held.set(self.last) {
                return Some(HeldStan { stan: self.last, held: Arc::clone(&self.held) });
            }
        }
    }

    /// Another number, for the reversal of a request, in exchange for the request's own. There always is one: if all
    /// others are held, the request's own is free now.
    pub(crate) fn exchange(&mut self, stan: HeldStan) -> HeldStan {
        let number = stan.number();
        drop(stan);
        self.take().unwrap_or_else(|| self.hold(number))
    }

    /// A number given before a restart. The counter continues after the youngest of them, in whatever order they are
    /// reported: a number used twice within one second would give two messages the same match key.
    pub(crate) fn restore_last(&mut self, stan: Stan, at_ms: i64) {
        if at_ms >= self.last_ms {
            (self.last, self.last_ms) = (stan, at_ms);
        }
    }

    /// Holds a number that was given before a restart and is still in use.
    pub(crate) fn hold(&self, stan: Stan) -> HeldStan {
        self.held.set(stan);
        HeldStan { stan, held: Arc::clone(&self.held) }
    }
}

impl HeldStan {
    pub(crate) fn number(&self) -> Stan {
        self.stan
    }
}

impl Drop for HeldStan {
    fn drop(&mut self) {
        self.held.clear(self.stan);
    }
}

impl Held {
    /// Holds a number; `false` if it was held already.
    fn set(&self, stan: Stan) -> bool {
        let Some((word, bit)) = self.bit_of(stan) else { return false };
        let is_new = word.fetch_or(bit, Ordering::Relaxed) & bit == 0;
        if is_new {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        is_new
    }

    fn clear(&self, stan: Stan) {
        let Some((word, bit)) = self.bit_of(stan) else { return };
        if word.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// `None` for a number that is no STAN, which only a damaged record can have.
    fn bit_of(&self, stan: Stan) -> Option<(&AtomicU64, u64)> {
        let word = (1..=STANS).contains(&stan.0).then_some((stan.0 / 64) as usize)?;
        Some((&self.bits[word], 1 << (stan.0 % 64)))
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} held", self.count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn number(held: Option<HeldStan>) -> Option<u32> {
        held.map(|held| held.number().0)
    }

    #[test]
    fn a_stan_is_not_reused_while_held_even_over_the_wrap() {
        let mut stans = Stans::new();
        stans.restore_last(Stan(999_998), 1);
        let last = stans.take().expect("free");
        assert_eq!(last.number(), Stan(999_999));
        let first = stans.take().expect("free");
        assert_eq!(first.number(), Stan(1));
        stans.restore_last(Stan(999_998), 1);
        let second = stans.take().expect("free");
        assert_eq!(second.number(), Stan(2), "999999 and 1 are held");
        drop(last);
        stans.restore_last(Stan(999_998), 1);
        assert_eq!(number(stans.take()), Some(999_999));
    }

    #[test]
    fn a_request_s_number_buys_another_even_when_none_is_free() {
        let mut stans = Stans::new();
        let first = stans.take().expect("free");
        assert_eq!(stans.exchange(first).number(), Stan(2));
        let mut all: Vec<HeldStan> = std::iter::from_fn(|| stans.take()).collect();
        assert_eq!(all.len(), 999_999);
        let at = all.iter().position(|held| held.number() == Stan(77)).expect("all are held");
        let exchanged = stans.exchange(all.swap_remove(at));
        assert_eq!(exchanged.number(), Stan(77));
        assert!(stans.take().is_none(), "and it is held again");
        drop(all);
        assert!(stans.take().is_some());
    }

    #[test]
    fn after_a_restart_the_count_goes_on_behind_the_youngest() {
        let mut stans = Stans::new();
        stans.restore_last(Stan(500), 10);
        stans.restore_last(Stan(3), 20);
        stans.restore_last(Stan(499), 5);
        let _held = stans.hold(Stan(4));
        assert_eq!(number(stans.take()), Some(5));
    }

    #[test]
    fn a_number_out_of_range_is_nobody_s() {
        let mut stans = Stans::new();
        let damaged = [stans.hold(Stan(0)), stans.hold(Stan(u32::MAX))];
        let all: Vec<HeldStan> = std::iter::from_fn(|| stans.take()).collect();
        assert_eq!(all.len(), 999_999);
        let [zero, _] = damaged;
        assert_eq!(stans.exchange(zero).number(), Stan(0));
    }

    proptest! {
        /// In any order of taking and dropping: no number is held twice, and none stays held that was dropped.
        #[test]
        fn no_number_is_held_twice(steps in proptest::collection::vec(proptest::option::of(0usize..8), 1..200)) {
            let mut stans = Stans::new();
            stans.restore_last(Stan(999_950), 1);
            let mut held: Vec<HeldStan> = Vec::new();
            for step in steps {
                match step {
                    Some(at) if at < held.len() => drop(held.swap_remove(at)),
                    _ => held.extend(stans.take()),
                }
                let numbers: HashSet<u32> = held.iter().map(|held| held.number().0).collect();
                prop_assert_eq!(numbers.len(), held.len());
            }
            prop_assert_eq!(stans.held.count.load(Ordering::Relaxed) as usize, held.len());
        }
    }
}
