//! The requests of a link that await an answer, and the latest ones that timed out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Instant;

/// The match of an arriving answer. A request ends by `Matched` or by its expiry, never by both.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<T> {
    Matched(T),
    /// The request had timed out: `expire` gave its token before, and this is a copy of it.
    Late(T),
    /// No such request is known: never sent, answered already, or forgotten.
    Unmatched,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a request with this key is under way")]
    Duplicate,
    #[error("as many requests are under way as may be")]
    Full,
}

/// A request under way: its deadline, its number in the order of sending, and its token, which the caller gets back when
/// the request ends.
#[derive(Debug)]
struct WaitingRequest<T> {
    deadline: Instant,
    sequence: u64,
    token: T,
}

/// Requests under way on one link, by match key.
#[derive(Debug)]
pub struct Mux<K, T> {
    waiting: HashMap<K, WaitingRequest<T>>,
    /// In order of deadline; the sequence keeps equal deadlines apart and in the order of sending.
    deadlines: BTreeSet<(Instant, u64)>,
    keys: HashMap<u64, K>,
    timed_out: HashMap<K, (u64, T)>,
    /// Oldest first. An entry whose sequence is no longer in `timed_out` is skipped when its turn comes.
    timed_out_order: VecDeque<(u64, K)>,
    sequence: u64,
    limit: usize,
    timed_out_limit: usize,
}

impl<K: Clone + Eq + Hash, T: Clone> Mux<K, T> {
    /// At most `limit` requests await an answer at once; the last `timed_out_limit` that timed out are remembered.
    pub fn new(limit: usize, timed_out_limit: usize) -> Self {
        Self {
            waiting: HashMap::new(),
            deadlines: BTreeSet::new(),
            keys: HashMap::new(),
            timed_out: HashMap::new(),
            timed_out_order: VecDeque::new(),
            sequence: 0,
            limit,
            timed_out_limit,
        }
    }

    /// Remembers `token` until an answer with `key` arrives or `deadline` passes. The key of a request that timed out
    /// may be used again: a repeat carries it, and an answer to either ends the repeat.
    pub fn expect(&mut self, key: K, deadline: Instant, token: T) -> Result<(), Refused> {
        if self.waiting.contains_key(&key) {
            return Err(Refused::Duplicate);
        }
        if self.waiting.len() >= self.limit {
            return Err(Refused::Full);
        }
        self.timed_out.remove(&key);
        self.sequence += 1;
        let sequence = self.sequence;
        self.deadlines.insert((deadline, sequence));
        self.keys.insert(sequence, key.clone());
        self.waiting.insert(key, WaitingRequest { deadline, sequence, token });
        Ok(())
    }

    /// An answer arrived. The caller records late and unmatched answers, and forwards neither.
    pub fn answer(&mut self, key: &K) -> Answer<T> {
        if let Some(ended) = self.waiting.remove(key) {
            self.deadlines.remove(&(ended.deadline, ended.sequence));
            self.keys.remove(&ended.sequence);
            return Answer::Matched(ended.token);
        }
        match self.timed_out.remove(key) {
            Some((_, token)) => Answer::Late(token),
            None => Answer::Unmatched,
        }
    }

    /// When `expire` next has a request.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one request whose deadline is not after `now`, the longest overdue first; call until `None`.
    pub fn expire(&mut self, now: Instant) -> Option<(K, T)> {
        let &(deadline, sequence) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now)?;
        self.deadlines.remove(&(deadline, sequence));
        let key = self.keys.remove(&sequence)?;
        let ended = self.waiting.remove(&key)?;
        self.remember_timed_out(sequence, key.clone(), ended.token.clone());
        Some((key, ended.token))
    }

    /// Removes a request that could not be sent.
    pub fn withdraw(&mut self, key: &K) -> Option<T> {
        match self.answer(key) {
            Answer::Matched(token) => Some(token),
            Answer::Late(_) | Answer::Unmatched => None,
        }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn remember_timed_out(&mut self, sequence: u64, key: K, token: T) {
        self.timed_out.insert(key.clone(), (sequence, token));
        self.timed_out_order.push_back((sequence, key));
        while self.timed_out_order.len() > self.timed_out_limit {
            let Some((oldest, key)) = self.timed_out_order.pop_front() else { break };
            if self.timed_out.get(&key).is_some_and(|(sequence, _)| *sequence == oldest) {
                self.timed_out.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "the test supplies the clock")]
        Instant::now()
    }

    #[test]
    fn a_request_ends_by_its_answer_or_by_its_deadline() {
        let (t0, s) = (start(), Duration::from_secs);
        let mut mux = Mux::new(2, 8);
        assert_eq!(mux.expect(1, t0 + s(5), "a"), Ok(()));
        assert_eq!(mux.expect(1, t0 + s(9), "b"), Err(Refused::Duplicate));
        assert_eq!(mux.expect(2, t0 + s(3), "c"), Ok(()));
        assert_eq!(mux.expect(3, t0 + s(3), "d"), Err(Refused::Full));
        assert_eq!(mux.next_deadline(), Some(t0 + s(3)));
        assert_eq!(mux.expire(t0 + s(2)), None);
        assert_eq!(mux.expire(t0 + s(3)), Some((2, "c")));
        assert_eq!(mux.expire(t0 + s(3)), None);
        assert_eq!(mux.answer(&2), Answer::Late("c"));
        assert_eq!(mux.answer(&2), Answer::Unmatched, "a late answer is told once");
        assert_eq!(mux.answer(&1), Answer::Matched("a"));
        assert_eq!(mux.answer(&1), Answer::Unmatched);
        assert_eq!(mux.next_deadline(), None);
    }

    #[test]
    fn a_repeat_takes_the_key_of_its_timed_out_original() {
        let t0 = start();
        let mut mux = Mux::new(4, 8);
        mux.expect(7, t0, "first").expect("free");
        assert_eq!(mux.expire(t0), Some((7, "first")));
        mux.expect(7, t0 + Duration::from_secs(1), "again").expect("free again");
        assert_eq!(mux.answer(&7), Answer::Matched("again"));
        assert_eq!(mux.answer(&7), Answer::Unmatched);
    }

    #[test]
    fn only_so_many_timed_out_requests_are_remembered() {
        let t0 = start();
        let mut mux = Mux::new(8, 2);
        for key in 1..=3 {
            mux.expect(key, t0, key).expect("room");
        }
        while mux.expire(t0).is_some() {}
        assert_eq!(mux.answer(&1), Answer::Unmatched, "the oldest is forgotten");
        assert_eq!(mux.answer(&2), Answer::Late(2));
        assert_eq!(mux.answer(&3), Answer::Late(3));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Expect(u8, u8),
        Answer(u8),
        Advance(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0u8..12, 1u8..20).prop_map(|(key, after)| Step::Expect(key, after)),
            (0u8..12).prop_map(Step::Answer),
            (0u8..8).prop_map(Step::Advance),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        /// In any order of sending, answers and time: one ending for each request, none before its time, none lost.
        #[test]
        fn each_request_ends_exactly_once(steps in steps()) {
            let mut now = start();
            let mut mux = Mux::new(8, 4);
            let mut open: HashMap<u32, Instant> = HashMap::new();
            let mut token = 0u32;
            for step in steps {
                match step {
                    Step::Expect(key, after) => {
                        token += 1;
                        let deadline = now + Duration::from_secs(after.into());
                        if mux.expect(key, deadline, token).is_ok() {
                            open.insert(token, deadline);
                        }
                    }
                    Step::Answer(key) => {
                        if let Answer::Matched(token) = mux.answer(&key) {
                            prop_assert!(open.remove(&token).is_some(), "ended twice");
                        }
                    }
                    Step::Advance(seconds) => {
                        now += Duration::from_secs(seconds.into());
                        while let Some((_, token)) = mux.expire(now) {
                            let deadline = open.remove(&token);
                            prop_assert!(deadline.is_some_and(|d| d <= now), "ended twice or early");
                        }
                        prop_assert!(open.values().all(|d| *d > now), "overdue and not given out");
                    }
                }
                prop_assert_eq!(mux.len(), open.len());
                prop_assert_eq!(mux.next_deadline(), open.values().min().copied());
            }
        }
    }
}
