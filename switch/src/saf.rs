//! Store and forward: what is owed, offered again until its destination acknowledges it.
//!
//! Messages of one card go to a destination one after the other, in the order in which they became owed; those of
//! different cards do not wait for each other. Pure: it says what to offer when, and is told what came of it.

use crate::destination::HeldStan;
use crate::event::{DestinationId, OwedId, RequestId};
use crate::identity::CardIndex;
use bytes::Bytes;
use codecs::value::ResponseCode;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// One owed message.
#[derive(Debug)]
pub struct Entry {
    pub destination: DestinationId,
    pub card: CardIndex,
    pub since_ms: i64,
    /// For the operator's list.
    pub key: String,
    /// In the host's dialect, complete but for its repeat mark.
    pub message: Bytes,
    /// Held until it is acknowledged or given up.
    pub stan: Option<HeldStan>,
    /// Offers so far. What was read back from the log counts as offered: it may have been.
    pub attempts: u32,
    /// The request whose time-out it answers for.
    pub for_request: Option<RequestId>,
    /// What that request was answered after all, too late.
    pub late: Option<ResponseCode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Another message of its card goes first.
    Behind,
    Ready {
        at: Instant,
    },
    UnderWay,
}

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub first_retry: Duration,
    pub longest_retry: Duration,
    pub expire_after_ms: i64,
    /// Under way at once per destination.
    pub window: usize,
}

/// Why a message is on the dead-letter list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    Expired,
    /// The destination cannot read it, and will not the next time.
    Refused,
}

#[derive(Debug)]
pub struct Saf {
    entries: BTreeMap<OwedId, (Entry, Place)>,
    /// Per destination and card, oldest first; the head alone is ready or under way.
    cards: HashMap<(DestinationId, CardIndex), VecDeque<OwedId>>,
    ready: HashMap<DestinationId, BTreeSet<(Instant, OwedId)>>,
    under_way: HashMap<DestinationId, usize>,
    dead: BTreeMap<OwedId, (Entry, GivenUp)>,
    /// How many are owed, by destination.
    depth: HashMap<DestinationId, usize>,
    by_request: HashMap<RequestId, OwedId>,
    limits: Limits,
}

impl Saf {
    pub fn new(limits: Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            cards: HashMap::new(),
            ready: HashMap::new(),
            under_way: HashMap::new(),
            dead: BTreeMap::new(),
            depth: HashMap::new(),
            by_request: HashMap::new(),
            limits,
        }
    }

    /// A message became owed. It is offered at once unless another of its card goes first.
    pub fn owe(&mut self, id: OwedId, entry: Entry, now: Instant) {
        let card = (entry.destination, entry.card);
        let queue = self.cards.entry(card).or_default();
        let first = queue.is_empty();
        queue.push_back(id);
        *self.depth.entry(entry.destination).or_default() += 1;
        if let Some(request) = entry.for_request {
            self.by_request.insert(request, id);
        }
        self.entries.insert(id, (entry, Place::Behind));
        if first {
            self.make_ready(id, now);
        }
    }

    /// The next message to offer to a destination that is up, marked as under way. Call until `None`.
    pub fn offer(&mut self, destination: DestinationId, now: Instant) -> Option<(OwedId, &Entry)> {
        if self.under_way.get(&destination).is_some_and(|n| *n >= self.limits.window) {
            return None;
        }
        let ready = self.ready.get_mut(&destination)?;
        let &(at, id) = ready.first().filter(|(at, _)| *at <= now)?;
        ready.remove(&(at, id));
        *self.under_way.entry(destination).or_default() += 1;
        let (entry, place) = self.entries.get_mut(&id)?;
        *place = Place::UnderWay;
        Some((id, entry))
    }

    /// The offer went out; its answer or its time-out follows.
    pub fn offered(&mut self, id: OwedId) {
        if let Some((entry, _)) = self.entries.get_mut(&id) {
            entry.attempts = entry.attempts.saturating_add(1);
        }
    }

    /// Acknowledged, late or in time. The next of its card becomes ready.
    pub fn settle(&mut self, id: OwedId, now: Instant) -> Option<Entry> {
        let (entry, place) = self.entries.remove(&id)?;
        self.leave(id, &entry, place);
        *self.depth.entry(entry.destination).or_insert(1) -= 1;
        if let Some(request) = entry.for_request {
            self.by_request.remove(&request);
        }
        let card = (entry.destination, entry.card);
        if let Some(queue) = self.cards.get_mut(&card) {
            queue.retain(|other| *other != id);
            match queue.front() {
                Some(next) => {
                    let next = *next;
                    self.make_ready(next, now);
                }
                None => _ = self.cards.remove(&card),
            }
        }
        Some(entry)
    }

    /// The offer came to nothing: time-out, no connection, or "not now". `jitter` in 0..=1.
    pub fn retry(&mut self, id: OwedId, now: Instant, jitter: f64) {
        let Some((entry, Place::UnderWay)) = self.entries.get(&id) else { return };
        let failures = entry.attempts.saturating_sub(1);
        let wait = link::backoff::wait(self.limits.first_retry, self.limits.longest_retry, failures, jitter);
        *self.under_way.entry(entry.destination).or_insert(1) -= 1;
        self.make_ready(id, now + wait);
    }

    /// Takes a message off the queue and puts it on the dead-letter list.
    pub fn give_up(&mut self, id: OwedId, why: GivenUp, now: Instant) {
        if let Some(mut entry) = self.settle(id, now) {
            entry.stan = None;
            self.dead.insert(id, (entry, why));
        }
    }

    /// Messages that are too old to be offered again, other than those under way right now.
    pub fn expired(&self, now_ms: i64) -> Vec<OwedId> {
        let old = |entry: &Entry| now_ms - entry.since_ms > self.limits.expire_after_ms;
        let waiting = self.entries.iter().filter(|(_, (_, place))| *place != Place::UnderWay);
        waiting.filter(|(_, (entry, _))| old(entry)).map(|(id, _)| *id).collect()
    }

    /// When `offer` has something to give for this destination.
    pub fn next_ready(&self, destination: DestinationId) -> Option<Instant> {
        if self.under_way.get(&destination).is_some_and(|n| *n >= self.limits.window) {
            return None;
        }
        self.ready.get(&destination)?.first().map(|(at, _)| *at)
    }

    /// The destination is up again: what waits for it need not wait for its back-off.
    pub fn hurry(&mut self, destination: DestinationId, now: Instant) {
        let Some(ready) = self.ready.get_mut(&destination) else { return };
        let waiting: Vec<OwedId> = std::mem::take(ready).into_iter().map(|(_, id)| id).collect();
        waiting.into_iter().for_each(|id| self.make_ready(id, now));
    }

    /// Records a late answer with the reversal that is owed for its request.
    pub fn note_late(&mut self, request: RequestId, code: ResponseCode) -> Option<OwedId> {
        let id = *self.by_request.get(&request)?;
        let (entry, _) = self.entries.get_mut(&id)?;
        entry.late = Some(code);
        Some(id)
    }

    pub fn get(&self, id: OwedId) -> Option<&Entry> {
        self.entries.get(&id).map(|(entry, _)| entry)
    }

    pub fn entries(&self) -> impl Iterator<Item = (OwedId, &Entry)> {
        self.entries.iter().map(|(id, (entry, _))| (*id, entry))
    }

    pub fn dead(&self) -> impl Iterator<Item = (OwedId, &Entry, GivenUp)> {
        self.dead.iter().map(|(id, (entry, why))| (*id, entry, *why))
    }

    /// How many are owed to a destination.
    pub fn depth(&self, destination: DestinationId) -> usize {
        self.depth.get(&destination).copied().unwrap_or(0)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    fn make_ready(&mut self, id: OwedId, at: Instant) {
        if let Some((entry, place)) = self.entries.get_mut(&id) {
            *place = Place::Ready { at };
            self.ready.entry(entry.destination).or_default().insert((at, id));
        }
    }

    fn leave(&mut self, id: OwedId, entry: &Entry, place: Place) {
        match place {
            Place::UnderWay => *self.under_way.entry(entry.destination).or_insert(1) -= 1,
            Place::Ready { at } => _ = self.ready.entry(entry.destination).or_default().remove(&(at, id)),
            Place::Behind => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: DestinationId = DestinationId(0);
    const LIMITS: Limits = Limits {
        first_retry: Duration::from_secs(1),
        longest_retry: Duration::from_secs(8),
        expire_after_ms: 60_000,
        window: 3,
    };

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "the test supplies the clock")]
        Instant::now()
    }

    fn entry(card: u8) -> Entry {
        let (key, message) = (String::new(), Bytes::new());
        let card = CardIndex([card; 16]);
        Entry {
            destination: HOST,
            card,
            since_ms: 0,
            key,
            message,
            stan: None,
            attempts: 0,
            for_request: None,
            late: None,
        }
    }

    fn offers(saf: &mut Saf, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| {
            let id = saf.offer(HOST, now).map(|(id, _)| id)?;
            saf.offered(id);
            Some(id.0)
        })
        .collect()
    }

    #[test]
    fn one_card_waits_for_itself_and_others_do_not() {
        let t0 = start();
        let mut saf = Saf::new(LIMITS);
        for (id, card) in [(1, 7), (2, 7), (3, 8), (4, 7)] {
            saf.owe(OwedId(id), entry(card), t0);
        }
        assert_eq!(offers(&mut saf, t0), [1, 3]);
        saf.settle(OwedId(1), t0);
        assert_eq!(offers(&mut saf, t0), [2]);
        saf.retry(OwedId(2), t0, 1.0);
        assert_eq!(offers(&mut saf, t0), [0u64; 0], "4 does not overtake 2");
        assert_eq!(saf.next_ready(HOST), Some(t0 + Duration::from_secs(1)));
        assert_eq!(offers(&mut saf, t0 + Duration::from_secs(1)), [2]);
        saf.retry(OwedId(2), t0, 1.0);
        assert_eq!(saf.next_ready(HOST), Some(t0 + Duration::from_secs(2)), "the wait doubles");
        saf.hurry(HOST, t0);
        assert_eq!(offers(&mut saf, t0), [2]);
    }

    #[test]
    fn what_is_too_old_is_listed_and_lets_the_next_go() {
        let t0 = start();
        let mut saf = Saf::new(LIMITS);
        saf.owe(OwedId(1), entry(7), t0);
        saf.owe(OwedId(2), Entry { since_ms: 50_000, ..entry(7) }, t0);
        assert!(saf.expired(60_000).is_empty());
        assert_eq!(saf.expired(60_001), [OwedId(1)]);
        saf.give_up(OwedId(1), GivenUp::Expired, t0);
        assert_eq!(saf.dead().map(|(id, _, why)| (id.0, why)).collect::<Vec<_>>(), [(1, GivenUp::Expired)]);
        assert_eq!(offers(&mut saf, t0), [2]);
    }

    proptest! {
        /// Whatever is offered, retried and settled: the window holds, cards keep their order, nothing is lost.
        #[test]
        fn order_window_and_completeness(steps in proptest::collection::vec((0u8..4, 0u8..4), 0..200)) {
            let mut now = start();
            let mut saf = Saf::new(LIMITS);
            let (mut next, mut under_way, mut open) = (0u64, Vec::<u64>::new(), BTreeMap::<u64, u8>::new());
            for (kind, card) in steps {
                match kind {
                    0 => { next += 1; saf.owe(OwedId(next), entry(card), now); open.insert(next, card); }
                    1 => for id in offers(&mut saf, now) {
                        let card = open[&id];
                        prop_assert_eq!(open.iter().find(|(_, c)| **c == card).map(|(id, _)| *id), Some(id), "not the oldest");
                        under_way.push(id);
                    },
                    2 => if !under_way.is_empty() {
                        let id = under_way.remove(usize::from(card) % under_way.len());
                        saf.settle(OwedId(id), now);
                        open.remove(&id);
                    },
                    _ => if !under_way.is_empty() {
                        let id = under_way.remove(usize::from(card) % under_way.len());
                        saf.retry(OwedId(id), now, 0.5);
                        now += Duration::from_secs(1);
                    },
                }
                prop_assert!(under_way.len() <= LIMITS.window);
                prop_assert_eq!(saf.len(), open.len());
            }
            while !open.is_empty() {
                now += Duration::from_secs(10);
                under_way.extend(offers(&mut saf, now));
                prop_assert!(!under_way.is_empty(), "something waits for ever");
                for id in under_way.drain(..) { saf.settle(OwedId(id), now); open.remove(&id); }
            }
        }
    }
}
