//! The queue of store and forward: which message is sent when.
//!
//! Messages of one card go to a destination one after the other, in the order in which they were queued; those of
//! different cards do not wait for each other. The queue has no clock and sends nothing: it gives the next message, and
//! its caller reports acknowledgements and failed attempts.

use crate::destination::HeldStan;
use crate::event::{DestinationId, RequestId, SafId};
use crate::intake::CardIndex;
use crate::now::Now;
use crate::record::Owed;
use bytes::Bytes;
use codecs::value::ResponseCode;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A message of store and forward: it is sent until its destination acknowledges it.
#[derive(Debug)]
pub(crate) struct SafMessage {
    pub destination: DestinationId,
    pub card: CardIndex,
    /// When it was queued, in milliseconds since 1970, for the operator's list.
    pub since_ms: i64,
    /// When it was queued, by the clock that nobody sets. Of before a restart: as far back as the other clock says.
    pub queued: Instant,
    /// For the operator's list.
    pub key: String,
    /// In the host's dialect, complete; an attempt after the first changes its MTI to a repeat's.
    pub message: Bytes,
    /// Held until the message is acknowledged or becomes a dead letter.
    pub stan: Option<HeldStan>,
    /// Attempts so far. A message read from the pending log counts one, because it may have been sent.
    pub attempts: u32,
    /// When the attempt before this one ended without an acknowledgement.
    pub failed: Option<Instant>,
    /// How often that has happened although the destination dealt with others meanwhile.
    pub passed_over: u32,
    /// The timed-out request that it reverses.
    pub for_request: Option<RequestId>,
    /// The response code of the late answer to that request.
    pub late: Option<ResponseCode>,
    /// Since when the destination has answered that it has no original for it.
    pub not_found_since: Option<Instant>,
    /// It has let the other messages of its card go first.
    pub stepped_aside: bool,
}

impl SafMessage {
    /// From its record in the pending log. It may have been sent before the restart, so it is sent as a repeat.
    /// The clock may have been set while the switch was down, so no age is believed that would make it expire before it is
    /// sent once more.
    pub(super) fn of_record(
        destination: DestinationId,
        record: Owed,
        late: Option<ResponseCode>,
        now: Now,
        expire_after: Duration,
    ) -> Self {
        let age = u64::try_from(now.wall_ms - record.since_ms).map_or(Duration::ZERO, Duration::from_millis);
        let age = age.min(expire_after.saturating_sub(AFTER_RESTART));
        Self {
            destination,
            card: CardIndex(record.card),
            since_ms: record.since_ms,
            queued: now.mono.checked_sub(age).unwrap_or(now.mono),
            key: record.key,
            message: record.message.into(),
            stan: None,
            attempts: 1,
            failed: None,
            passed_over: 0,
            for_request: None,
            late,
            not_found_since: None,
            stepped_aside: false,
        }
    }
}

/// How long a message of before a restart is sent at least.
const AFTER_RESTART: Duration = Duration::from_secs(3_600);

/// The state of a message in the queue of its card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Another message of its card goes first.
    Behind,
    Ready {
        at: Instant,
    },
    UnderWay,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub first_retry: Duration,
    pub longest_retry: Duration,
    /// A message that is older becomes a dead letter.
    pub expire_after: Duration,
    /// For how long a reversal is sent again to a destination that has no original for it.
    pub not_found_for: Duration,
    /// A message that was not acknowledged so many times, while its destination dealt with others, lets the others of its card
    /// go first.
    pub step_aside_after: u32,
    /// Messages under way at once per destination.
    pub window: usize,
    /// Messages of one destination; beyond that requests to it are refused.
    pub most: usize,
}

/// Why a message is on the dead-letter list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeadLetterReason {
    Expired,
    /// The destination's answer says that it does not take it, or the message cannot be built for it: a retry would not
    /// help.
    Refused,
    /// The destination has no original for the reversal.
    OriginalNotFound,
}

impl DeadLetterReason {
    /// Each with its number in the pending log, which never changes, and its word on the operator's list.
    const ALL: [(Self, u8, &str); 3] = [
        (Self::Expired, 0, "expired"),
        (Self::Refused, 1, "refused"),
        (Self::OriginalNotFound, 2, "original-not-found"),
    ];

    fn row(self) -> (Self, u8, &'static str) {
        *Self::ALL.iter().find(|(reason, ..)| *reason == self).expect("every reason has a row")
    }

    pub(super) fn number(self) -> u8 {
        self.row().1
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.row().2
    }

    /// A number that a later version wrote counts as `Refused`.
    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL.iter().find(|(_, known, _)| *known == number).map_or(Self::Refused, |(reason, ..)| *reason)
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<SafId, (SafMessage, Position)>,
    /// Per destination and card, oldest first; only the first is ready or under way.
    cards: HashMap<(DestinationId, CardIndex), VecDeque<SafId>>,
    ready: HashMap<DestinationId, BTreeSet<(Instant, SafId)>>,
    under_way: HashMap<DestinationId, usize>,
    dead: BTreeMap<SafId, (SafMessage, DeadLetterReason)>,
    /// How many messages are unacknowledged, by destination.
    depth: HashMap<DestinationId, usize>,
    by_request: HashMap<RequestId, SafId>,
    /// When each destination last dealt with a message, of this queue or another.
    served: HashMap<DestinationId, Instant>,
    limits: Limits,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            waiting: BTreeMap::new(),
            cards: HashMap::new(),
            ready: HashMap::new(),
            under_way: HashMap::new(),
            dead: BTreeMap::new(),
            depth: HashMap::new(),
            by_request: HashMap::new(),
            served: HashMap::new(),
            limits,
        }
    }

    /// Queues a message. It is due at once unless another of its card goes first.
    pub(super) fn push(&mut self, id: SafId, owed: SafMessage, now: Instant) {
        let card = (owed.destination, owed.card);
        let of_card = self.cards.entry(card).or_default();
        let first = of_card.is_empty();
        of_card.push_back(id);
        *self.depth.entry(owed.destination).or_default() += 1;
        if let Some(request) = owed.for_request {
            self.by_request.insert(request, id);
        }
        self.waiting.insert(id, (owed, Position::Behind));
        if first {
            self.make_ready(id, now);
        }
    }

    /// The next message that is due for a destination, marked as under way. Call until `None`.
    pub(super) fn next_due(&mut self, destination: DestinationId, now: Instant) -> Option<(SafId, &SafMessage)> {
        if self.under_way.get(&destination).is_some_and(|n| *n >= self.limits.window) {
            return None;
        }
        let ready = self.ready.get_mut(&destination)?;
        let &(at, id) = ready.first().filter(|(at, _)| *at <= now)?;
        ready.remove(&(at, id));
        *self.under_way.entry(destination).or_default() += 1;
        let (owed, position) = self.waiting.get_mut(&id)?;
        *position = Position::UnderWay;
        Some((id, owed))
    }

    /// The message was sent; its answer or its time-out follows.
    pub(super) fn sent(&mut self, id: SafId) {
        if let Some((owed, _)) = self.waiting.get_mut(&id) {
            owed.attempts = owed.attempts.saturating_add(1);
        }
    }

    /// The destination has acknowledged a message.
    pub(super) fn acknowledged(&mut self, id: SafId, now: Instant) -> Option<SafMessage> {
        let message = self.remove(id, now)?;
        self.served(message.destination, now);
        Some(message)
    }

    /// The destination has dealt with a message of whatever kind.
    pub(super) fn served(&mut self, destination: DestinationId, now: Instant) {
        self.served.insert(destination, now);
    }

    /// Removes a message from the queue: acknowledged, late or in time, or given up. If it was the first of
    /// its card, the next becomes ready.
    pub(super) fn remove(&mut self, id: SafId, now: Instant) -> Option<SafMessage> {
        let (owed, position) = self.waiting.remove(&id)?;
        self.leave(id, &owed, position);
        *self.depth.entry(owed.destination).or_insert(1) -= 1;
        if let Some(request) = owed.for_request {
            self.by_request.remove(&request);
        }
        let card = (owed.destination, owed.card);
        if let Some(queue) = self.cards.get_mut(&card) {
            let was_first = queue.front() == Some(&id);
            queue.retain(|other| *other != id);
            match queue.front().copied() {
                Some(next) if was_first => self.make_ready(next, now),
                // the first of the card is ready or under way as before
                Some(_) => {}
                None => _ = self.cards.remove(&card),
            }
        }
        Some(owed)
    }

    /// The attempt failed: time-out, no connection, or "not now". The next follows after a back-off. `jitter` in 0..=1. Tells
    /// whether the message now lets the others of its card go first: its destination goes on dealing with others, so it is this
    /// one that it cannot take.
    pub(super) fn retry(&mut self, id: SafId, now: Instant, jitter: f64) -> bool {
        let Some((owed, Position::UnderWay)) = self.waiting.get_mut(&id) else { return false };
        let (destination, card) = (owed.destination, (owed.destination, owed.card));
        let failures = owed.attempts.saturating_sub(1);
        let served = self.served.get(&destination);
        if owed.failed.replace(now).is_some_and(|before| served.is_some_and(|at| *at >= before)) {
            owed.passed_over += 1;
        }
        let steps_aside = !owed.stepped_aside && owed.passed_over >= self.limits.step_aside_after;
        let wait = link::backoff::wait(self.limits.first_retry, self.limits.longest_retry, failures, jitter);
        *self.under_way.entry(destination).or_insert(1) -= 1;
        self.make_ready(id, now + wait);
        if steps_aside {
            self.step_aside(id, card, now);
        }
        steps_aside
    }

    fn step_aside(&mut self, id: SafId, card: (DestinationId, CardIndex), now: Instant) {
        if let Some((owed, _)) = self.waiting.get_mut(&id) {
            owed.stepped_aside = true;
        }
        let Some(queue) = self.cards.get_mut(&card) else { return };
        queue.retain(|other| *other != id);
        match queue.front().copied() {
            Some(next) => self.make_ready(next, now),
            None => _ = self.cards.remove(&card),
        }
    }

    /// Notes that the destination has no original for a reversal; tells whether that has lasted long enough.
    pub(super) fn original_not_found(&mut self, id: SafId, now: Instant) -> bool {
        let Some((owed, _)) = self.waiting.get_mut(&id) else { return false };
        let since = *owed.not_found_since.get_or_insert(now);
        now.saturating_duration_since(since) >= self.limits.not_found_for
    }

    /// Moves a message from the queue to the dead-letter list.
    pub(super) fn give_up(&mut self, id: SafId, why: DeadLetterReason, now: Instant) {
        if let Some(mut owed) = self.remove(id, now) {
            owed.stan = None;
            self.dead.insert(id, (owed, why));
        }
    }

    /// Messages that are older than `expire_after`, except those under way. They are numbered in the order in which they were
    /// queued, so that the younger ones are not looked at.
    pub(super) fn expired(&self, now: Instant) -> Vec<SafId> {
        let old = |owed: &SafMessage| now.saturating_duration_since(owed.queued) > self.limits.expire_after;
        let oldest = self.waiting.iter().take_while(|(_, (owed, _))| old(owed));
        oldest.filter(|(_, (_, position))| *position != Position::UnderWay).map(|(id, _)| *id).collect()
    }

    /// When the oldest message of a destination was queued.
    pub(super) fn oldest(&self, destination: DestinationId) -> Option<Instant> {
        if self.depth(destination) == 0 {
            return None;
        }
        self.waiting.values().find(|(owed, _)| owed.destination == destination).map(|(owed, _)| owed.queued)
    }

    /// Whether messages for new requests to a destination can still be queued. Reversals and advices are queued beyond that.
    pub(super) fn has_room(&self, destination: DestinationId) -> bool {
        self.depth(destination) < self.limits.most
    }

    /// When `next_due` next has a message for this destination.
    pub(super) fn next_ready(&self, destination: DestinationId) -> Option<Instant> {
        if self.under_way.get(&destination).is_some_and(|n| *n >= self.limits.window) {
            return None;
        }
        self.ready.get(&destination)?.first().map(|(at, _)| *at)
    }

    /// The destination is up again: its messages that wait for their back-off are due now.
    pub(super) fn retry_now(&mut self, destination: DestinationId, now: Instant) {
        let Some(ready) = self.ready.get_mut(&destination) else { return };
        let waiting: Vec<SafId> = std::mem::take(ready).into_iter().map(|(_, id)| id).collect();
        waiting.into_iter().for_each(|id| self.make_ready(id, now));
    }

    /// Records the late answer to a request with its reversal.
    pub(super) fn note_late(&mut self, request: RequestId, code: ResponseCode) -> Option<SafId> {
        let id = *self.by_request.get(&request)?;
        let (owed, _) = self.waiting.get_mut(&id)?;
        owed.late = Some(code);
        Some(id)
    }

    pub(super) fn get(&self, id: SafId) -> Option<&SafMessage> {
        self.waiting.get(&id).map(|(owed, _)| owed)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = (SafId, &SafMessage)> {
        self.waiting.iter().map(|(id, (owed, _))| (*id, owed))
    }

    pub(super) fn dead(&self) -> impl Iterator<Item = (SafId, &SafMessage, DeadLetterReason)> {
        self.dead.iter().map(|(id, (owed, why))| (*id, owed, *why))
    }

    /// How many messages a destination has not acknowledged.
    pub(super) fn depth(&self, destination: DestinationId) -> usize {
        self.depth.get(&destination).copied().unwrap_or(0)
    }

    /// How many messages of a destination became dead letters.
    pub(super) fn dead_of(&self, destination: DestinationId) -> usize {
        self.dead.values().filter(|(owed, _)| owed.destination == destination).count()
    }

    pub(super) fn expire_after(&self) -> Duration {
        self.limits.expire_after
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn make_ready(&mut self, id: SafId, at: Instant) {
        if let Some((owed, position)) = self.waiting.get_mut(&id) {
            *position = Position::Ready { at };
            self.ready.entry(owed.destination).or_default().insert((at, id));
        }
    }

    fn leave(&mut self, id: SafId, owed: &SafMessage, position: Position) {
        match position {
            Position::UnderWay => *self.under_way.entry(owed.destination).or_insert(1) -= 1,
            Position::Ready { at } => _ = self.ready.entry(owed.destination).or_default().remove(&(at, id)),
            Position::Behind => {}
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
        expire_after: Duration::from_secs(60),
        not_found_for: Duration::from_secs(300),
        step_aside_after: 3,
        window: 3,
        most: 1_000,
    };

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "the test supplies the clock")]
        Instant::now()
    }

    fn owed(card: u8, queued: Instant) -> SafMessage {
        let (key, message) = (String::new(), Bytes::new());
        let card = CardIndex([card; 16]);
        SafMessage {
            destination: HOST,
            card,
            since_ms: 0,
            queued,
            key,
            message,
            stan: None,
            attempts: 0,
            failed: None,
            passed_over: 0,
            for_request: None,
            late: None,
            not_found_since: None,
            stepped_aside: false,
        }
    }

    fn offers(queue: &mut Queue, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| {
            let id = queue.next_due(HOST, now).map(|(id, _)| id)?;
            queue.sent(id);
            Some(id.0)
        })
        .collect()
    }

    #[test]
    fn one_card_waits_for_itself_and_others_do_not() {
        let t0 = start();
        let mut queue = Queue::new(LIMITS);
        for (id, card) in [(1, 7), (2, 7), (3, 8), (4, 7)] {
            queue.push(SafId(id), owed(card, t0), t0);
        }
        assert_eq!(offers(&mut queue, t0), [1, 3]);
        queue.remove(SafId(1), t0);
        assert_eq!(offers(&mut queue, t0), [2]);
        queue.retry(SafId(2), t0, 1.0);
        assert_eq!(offers(&mut queue, t0), [0u64; 0], "4 does not overtake 2");
        assert_eq!(queue.next_ready(HOST), Some(t0 + Duration::from_secs(1)));
        assert_eq!(offers(&mut queue, t0 + Duration::from_secs(1)), [2]);
        queue.retry(SafId(2), t0, 1.0);
        assert_eq!(queue.next_ready(HOST), Some(t0 + Duration::from_secs(2)), "the wait doubles");
        queue.retry_now(HOST, t0);
        assert_eq!(offers(&mut queue, t0), [2]);
    }

    #[test]
    fn what_is_too_old_is_listed_and_lets_the_next_go() {
        let t0 = start();
        let mut queue = Queue::new(LIMITS);
        let after = |ms| t0 + Duration::from_millis(ms);
        queue.push(SafId(1), owed(7, t0), t0);
        queue.push(SafId(2), owed(7, after(50_000)), t0);
        assert!(queue.expired(after(60_000)).is_empty());
        assert_eq!(queue.expired(after(60_001)), [SafId(1)]);
        queue.give_up(SafId(1), DeadLetterReason::Expired, t0);
        assert_eq!(queue.dead().map(|(id, _, why)| (id.0, why)).collect::<Vec<_>>(), [(1, DeadLetterReason::Expired)]);
        assert_eq!(offers(&mut queue, t0), [2]);
    }

    /// Both are too old, and the first is under way: the second is given up, and the first is not sent again.
    #[test]
    fn a_message_given_up_behind_one_under_way_does_not_make_that_one_due() {
        let t0 = start();
        let mut queue = Queue::new(LIMITS);
        queue.push(SafId(1), owed(7, t0), t0);
        queue.push(SafId(2), owed(7, t0), t0);
        assert_eq!(offers(&mut queue, t0), [1]);
        assert_eq!(queue.expired(t0 + Duration::from_millis(60_001)), [SafId(2)]);
        queue.give_up(SafId(2), DeadLetterReason::Expired, t0);
        assert_eq!(queue.next_ready(HOST), None);
        assert_eq!(offers(&mut queue, t0), [0u64; 0]);
    }

    /// One that its destination cannot take does not hold up its card for days; one that waits for a destination that answers
    /// nobody does.
    #[test]
    fn a_message_that_is_never_acknowledged_steps_aside_if_others_are() {
        for others_are_served in [true, false] {
            let mut now = start();
            let mut queue = Queue::new(LIMITS);
            queue.served(HOST, now);
            now += Duration::from_secs(1);
            queue.push(SafId(1), owed(7, now), now);
            queue.push(SafId(2), owed(7, now), now);
            let mut stepped = Vec::new();
            for _ in 0..4 {
                assert_eq!(offers(&mut queue, now), [1]);
                if others_are_served {
                    queue.served(HOST, now);
                }
                stepped.push(queue.retry(SafId(1), now, 1.0));
                now += Duration::from_secs(60);
            }
            assert_eq!(stepped, [false, false, false, others_are_served]);
            let next = if others_are_served { vec![2, 1] } else { vec![1] };
            assert_eq!(offers(&mut queue, now), next, "it goes on being sent, beside its card's next");
            queue.remove(SafId(1), now);
            offers(&mut queue, now);
            queue.remove(SafId(2), now);
            assert_eq!((queue.len(), queue.cards.len(), queue.depth(HOST)), (0, 0, 0));
        }
    }

    proptest! {
        /// In any order of attempts, retries, acknowledgements and messages given up: the window holds and stays as wide as
        /// it was, cards keep their order, nothing is sent twice at once, nothing is lost.
        #[test]
        fn order_window_and_completeness(steps in proptest::collection::vec((0u8..5, 0u8..4), 0..200)) {
            let mut now = start();
            let mut queue = Queue::new(LIMITS);
            let (mut next, mut under_way, mut open) = (0u64, Vec::<u64>::new(), BTreeMap::<u64, u8>::new());
            for (kind, card) in steps {
                match kind {
                    0 => { next += 1; queue.push(SafId(next), owed(card, now), now); open.insert(next, card); }
                    1 => for id in offers(&mut queue, now) {
                        let card = open[&id];
                        prop_assert_eq!(open.iter().find(|(_, c)| **c == card).map(|(id, _)| *id), Some(id), "not the oldest");
                        prop_assert!(!under_way.contains(&id), "under way already");
                        under_way.push(id);
                    },
                    2 => if !under_way.is_empty() {
                        let id = under_way.remove(usize::from(card) % under_way.len());
                        queue.remove(SafId(id), now);
                        open.remove(&id);
                    },
                    // the youngest that is not under way: it may be behind one of its card that is
                    3 => if let Some(id) = open.keys().rev().find(|id| !under_way.contains(id)).copied() {
                        queue.give_up(SafId(id), DeadLetterReason::Expired, now);
                        open.remove(&id);
                    },
                    _ => if !under_way.is_empty() {
                        let id = under_way.remove(usize::from(card) % under_way.len());
                        queue.retry(SafId(id), now, 0.5);
                        now += Duration::from_secs(1);
                    },
                }
                prop_assert!(under_way.len() <= LIMITS.window);
                prop_assert_eq!(queue.len(), open.len());
            }
            while !open.is_empty() {
                now += Duration::from_secs(10);
                under_way.extend(offers(&mut queue, now));
                prop_assert!(!under_way.is_empty(), "something waits for ever");
                for id in under_way.drain(..) { queue.remove(SafId(id), now); open.remove(&id); }
            }
            for card in 0..10 {
                queue.push(SafId(1_000 + u64::from(card)), owed(card, now), now);
            }
            prop_assert_eq!(offers(&mut queue, now).len(), LIMITS.window, "the window is as wide as it was");
        }
    }
}
