//! Printed codes guessed at a merchant: one code over many numbers, which no card's own counter notices. Pure but for its
//! lock, which nothing waits under; the time is that of the requests.
//!
//! A merchant's requests come through every lane, because lanes go by card. So the lanes share what they have seen, in
//! memory: per host, and forgotten at its restart. Merchants without a failure take no place in it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use codecs::value::MerchantId;
use jiff::{SignedDuration, Timestamp};

use crate::authorize::CodeTry;
use crate::request::Request;

/// Merchants that are counted at once; about 6 MB. Further ones are not counted until the window of one of these ends.
const MAX_MERCHANTS: usize = 65_536;

/// How many wrong printed codes a merchant may send on a link before all its printed codes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessLimits {
    /// A window begins with the first failure after the window before.
    pub window: SignedDuration,
    /// As many failures in a window, and
    pub max_failures: u32,
    /// more than this share of the requests with a code: a large merchant's customers mistype too.
    pub max_failure_percent: u8,
}

/// A link of the switch and a merchant on it.
type Acceptor<'a> = (&'a str, Option<MerchantId>);

/// What was tried at one merchant since its window began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    ends_at: Timestamp,
    failures: u32,
    tries: u32,
    /// Too many failed. It stays so until the window ends, whatever a try says that was under way meanwhile.
    refuses: bool,
}

impl Window {
    /// The window after a try: a try that does not fail opens none.
    fn after(window: Option<Self>, (at, outcome): (Timestamp, CodeTry), limits: &GuessLimits) -> Option<Self> {
        let failed = u32::from(outcome == CodeTry::Failed);
        let open = window.filter(|window| at < window.ends_at);
        let new = || Self {
            ends_at: at.saturating_add(limits.window).unwrap_or(Timestamp::MAX),
            failures: 0,
            tries: 0,
            refuses: false,
        };
        let mut window = open.or_else(|| (outcome == CodeTry::Failed).then(new))?;
        window.failures = window.failures.saturating_add(failed);
        window.tries = window.tries.saturating_add(1);
        let share = u64::from(window.tries) * u64::from(limits.max_failure_percent);
        window.refuses |= window.failures >= limits.max_failures && u64::from(window.failures) * 100 > share;
        Some(window)
    }
}

/// The windows of all merchants, which the lanes of a host share.
#[derive(Debug)]
pub struct Guesses {
    limits: GuessLimits,
    windows: Mutex<Windows>,
}

#[derive(Debug)]
struct Windows {
    by_link: HashMap<String, HashMap<Option<MerchantId>, Window>>,
    merchants: usize,
    max_merchants: usize,
    /// Before this moment no window ends, as far as was looked.
    none_ends_before: Timestamp,
}

/// A merchant whose printed codes are refused from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onset {
    pub link: String,
    pub merchant: Option<MerchantId>,
    pub failures: u32,
    pub tries: u32,
    pub until: Timestamp,
}

/// What came of the tries of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Each merchant that is refused since, once.
    pub onsets: Vec<Onset>,
    /// Failures that found no place.
    pub uncounted: u64,
}

impl Guesses {
    /// Nothing was tried yet.
    #[must_use]
    pub fn new(limits: GuessLimits) -> Self {
        Self::of_at_most(MAX_MERCHANTS, limits)
    }

    fn of_at_most(max_merchants: usize, limits: GuessLimits) -> Self {
        let windows =
            Windows { by_link: HashMap::new(), merchants: 0, max_merchants, none_ends_before: Timestamp::MIN };
        Self { limits, windows: Mutex::new(windows) }
    }

    /// What the requests of one batch see. Nothing of it counts until it is [added](Self::add).
    #[must_use]
    pub fn batch(&self) -> BatchGuesses<'_> {
        BatchGuesses { shared: self, seen: HashMap::new(), tries: Vec::new() }
    }

    /// Counts the tries of a batch that is committed: their outcomes are about to be told.
    pub fn add(&self, tries: &[Try<'_>]) -> Added {
        let mut added = Added::default();
        if tries.is_empty() {
            return added;
        }
        let mut windows = self.lock();
        for (acceptor, at, outcome) in tries {
            let before = windows.of(*acceptor);
            let Some(after) = Window::after(before, (*at, *outcome), &self.limits) else { continue };
            if !windows.put(*acceptor, after, *at) {
                added.uncounted += 1;
                continue;
            }
            let refused_before = before.is_some_and(|before| before.refuses && *at < before.ends_at);
            if after.refuses && !refused_before {
                added.onsets.push(Onset {
                    link: acceptor.0.to_owned(),
                    merchant: acceptor.1,
                    failures: after.failures,
                    tries: after.tries,
                    until: after.ends_at,
                });
            }
        }
        added
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Windows {
    fn of(&self, (link, merchant): Acceptor<'_>) -> Option<Window> {
        self.by_link.get(link)?.get(&merchant).copied()
    }

    /// Replaces a merchant's window; `false` if there is no place for another merchant.
    fn put(&mut self, (link, merchant): Acceptor<'_>, window: Window, now: Timestamp) -> bool {
        if let Some(known) = self.by_link.get_mut(link).and_then(|merchants| merchants.get_mut(&merchant)) {
            *known = window;
            return true;
        }
        if self.merchants >= self.max_merchants && !self.make_room(now) {
            return false;
        }
        self.none_ends_before = self.none_ends_before.min(window.ends_at);
        self.merchants += 1;
        let of_link = match self.by_link.get_mut(link) {
            Some(merchants) => merchants,
            None => self.by_link.entry(link.to_owned()).or_default(),
        };
        of_link.insert(merchant, window);
        true
    }

    /// Forgets the windows that have ended. All are looked at only when one of them may have.
    fn make_room(&mut self, now: Timestamp) -> bool {
        if now < self.none_ends_before {
            return false;
        }
        for merchants in self.by_link.values_mut() {
            merchants.retain(|_, window| now < window.ends_at);
        }
        let left = || self.by_link.values().flat_map(HashMap::values);
        self.none_ends_before = left().map(|window| window.ends_at).min().unwrap_or(Timestamp::MAX);
        self.merchants = left().count();
        self.merchants < self.max_merchants
    }
}

/// A merchant, when its request came, and what its printed code proved to be.
pub type Try<'a> = (Acceptor<'a>, Timestamp, CodeTry);

/// What was tried at the merchants of a batch, the requests before in the batch included. Empty, and without a lock, as
/// long as no request of the batch carries a printed code.
#[derive(Debug)]
pub struct BatchGuesses<'a> {
    shared: &'a Guesses,
    seen: HashMap<Acceptor<'a>, Option<Window>>,
    tries: Vec<Try<'a>>,
}

impl<'a> BatchGuesses<'a> {
    /// Whether the printed code of a request that came at this time is refused, right or wrong.
    pub fn refuse(&mut self, request: &'a Request, at: Timestamp) -> bool {
        self.window(acceptor(request)).is_some_and(|window| window.refuses && at < window.ends_at)
    }

    /// Notes what the printed code of a request proved to be.
    pub fn note(&mut self, request: &'a Request, at: Timestamp, outcome: CodeTry) {
        let limits = self.shared.limits;
        let window = self.window(acceptor(request));
        *window = Window::after(*window, (at, outcome), &limits);
        self.tries.push((acceptor(request), at, outcome));
    }

    /// The tries of the batch, in order.
    #[must_use]
    pub fn into_tries(self) -> Vec<Try<'a>> {
        self.tries
    }

    fn window(&mut self, of: Acceptor<'a>) -> &mut Option<Window> {
        match self.seen.entry(of) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(new) => new.insert(self.shared.lock().of(of)),
        }
    }
}

fn acceptor(request: &Request) -> Acceptor<'_> {
    (&request.link, request.merchant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use CodeTry::{Failed, Passed};

    const LIMITS: GuessLimits =
        GuessLimits { window: SignedDuration::from_mins(10), max_failures: 4, max_failure_percent: 50 };

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn shop(name: &str) -> Acceptor<'_> {
        ("terminals", MerchantId::new(name))
    }

    /// The minutes of the tries at one merchant after which it is refused.
    fn refused_after(tries: &[(i64, CodeTry)]) -> Vec<i64> {
        let guesses = Guesses::new(LIMITS);
        let onset = |(minute, outcome): &(i64, CodeTry)| {
            let added = guesses.add(&[(shop("A"), at(*minute), *outcome)]);
            added.onsets.first().map(|_| *minute)
        };
        tries.iter().filter_map(onset).collect()
    }

    #[test]
    fn it_takes_both_a_number_and_a_share_of_failures() {
        let failures = |minutes: std::ops::Range<i64>| minutes.map(|minute| (minute, Failed));
        let none: [i64; 0] = [];
        for (tries, expected, meaning) in [
            (failures(0..3).collect::<Vec<_>>(), none.to_vec(), "too few"),
            (failures(0..4).collect(), vec![3], "as many as may be"),
            (failures(0..9).collect(), vec![3], "once for a window"),
            (failures(0..13).collect(), vec![3], "the window ends with its tenth minute"),
            (failures(0..14).collect(), vec![3, 13], "and four more begin the next"),
            (failures(0..3).chain([(10, Failed), (11, Failed)]).collect(), none.to_vec(), "in two windows"),
            (
                (0..4).flat_map(|minute| [(minute, Failed), (minute, Passed)]).collect(),
                vec![3],
                "four of seven before the eighth",
            ),
            (
                (0..4).flat_map(|minute| [(minute, Failed), (minute, Passed), (minute, Passed)]).collect(),
                none.to_vec(),
                "four of ten",
            ),
            (
                [(0, Passed); 9].into_iter().chain(failures(0..4)).collect(),
                vec![3],
                "what went well before the first failure is in no window",
            ),
        ] {
            assert_eq!(refused_after(&tries), expected, "{meaning}: {tries:?}");
        }
    }

    #[test]
    fn a_merchant_that_is_refused_stays_so_until_its_window_ends() {
        let guesses = Guesses::new(LIMITS);
        guesses.add(&[(shop("A"), at(0), Failed); 4]);
        // decided by another lane before it saw the failures
        guesses.add(&[(shop("A"), at(1), Passed); 90]);
        let refused = |name, minute| {
            let request = crate::sample::request(&format!("terminals|T|{name}"), 1, ledger::journal::Kind::Purchase, 1);
            guesses.batch().refuse(&request, at(minute))
        };
        for (name, minute, expected) in [("A", 0, true), ("A", 9, true), ("A", 10, false), ("B", 1, false)] {
            assert_eq!(refused(name, minute), expected, "{name} {minute}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_windows_that_have_ended_make_room() {
        let guesses = Guesses::of_at_most(2, LIMITS);
        let fail = |name, minute| guesses.add(&[(shop(name), at(minute), Failed)]).uncounted;
        assert_eq!((fail("A", 0), fail("B", 5), fail("C", 6), fail("A", 7)), (0, 0, 1, 0));
        assert_eq!(fail("C", 10), 0, "A's window has ended");
        assert_eq!((fail("D", 11), fail("A", 14), fail("A", 15)), (1, 1, 0), "then B's");
        assert_eq!(guesses.lock().merchants, 2);
        guesses.add(&[(shop("E"), at(90), Passed)]);
        assert_eq!(guesses.lock().of(shop("E")), None, "a merchant without a failure takes no place");
    }
}
