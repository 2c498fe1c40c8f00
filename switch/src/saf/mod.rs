//! Store and forward: advices and reversals that a destination must get and acknowledge. Until then a message is
//! *owed*.
//!
//! advice/ and reversal/ queue messages; each is in the pending log, on the disk, before an answer that relies on it is
//! sent. core.rs has the due messages sent, and reports answers and time-outs; exchange/ reports late answers of requests. A message is sent again until it is
//! acknowledged, late or in time; meaning.rs says which answers do that. One that expires, or that its destination refuses,
//! becomes a dead letter. Messages of one card are sent one after the other, those of different cards at the same time, as
//! many as the destination's window allows. One that is never acknowledged, while its destination acknowledges others, lets
//! those of its card go first.
//!
//! | file | contents |
//! |---|---|
//! | enqueue.rs | building, journaling and queueing a message |
//! | send.rs | sending a message; acknowledgement, retry, dead letter |
//! | meaning.rs | what an answer means for its message |
//! | queue.rs | which message is sent when |

mod enqueue;
mod meaning;
mod queue;
mod send;

pub(crate) use enqueue::{Advice, NotQueued, StanSource};
pub(crate) use queue::{DeadLetterReason, Limits, SafMessage};

use crate::destination::Destinations;
use crate::event::{DestinationId, SafId};
use crate::metrics;
use crate::now::Now;
use codecs::Message;
use codecs::value::{InstitutionId, ResponseCode};
use queue::Queue;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct StoreAndForward {
    queue: Queue,
    own_acquirer: InstitutionId,
}

/// A message of store and forward as read from the pending log after a restart.
pub(crate) struct Restored {
    pub id: SafId,
    pub record: crate::record::Owed,
    /// The response code of the late answer to the request that it reverses.
    pub late: Option<ResponseCode>,
}

impl StoreAndForward {
    /// `own_acquirer` is our own id: the acquirer (DE32) of a message whose request names none.
    pub(crate) fn new(limits: Limits, own_acquirer: InstitutionId) -> Self {
        Self { queue: Queue::new(limits), own_acquirer }
    }

    /// Queues a message of before a restart. It is sent as a repeat, because it may have been sent already.
    pub(crate) fn restore(&mut self, now: Now, destinations: &Destinations, to: DestinationId, restored: Restored) {
        let Restored { id, record, late } = restored;
        let mut owed = SafMessage::of_record(to, record, late, now, self.queue.expire_after());
        owed.stan = stan_of(destinations, &owed).map(|stan| destinations.hold_stan(to, stan));
        self.queue.push(id, owed, now.mono);
        self.show_depth(destinations, to);
    }

    /// As [`Self::restore`], for a dead letter.
    pub(crate) fn restore_dead_letter(
        &mut self,
        now: Now,
        to: DestinationId,
        restored: Restored,
        why: DeadLetterReason,
    ) {
        let Restored { id, record, late } = restored;
        self.queue.push(id, SafMessage::of_record(to, record, late, now, self.queue.expire_after()), now.mono);
        self.queue.give_up(id, why, now.mono);
    }

    /// Whether new requests may be sent to a destination: not while too much is owed to it, because their reversals and
    /// advices would be owed too.
    pub(crate) fn has_room(&self, destination: DestinationId) -> bool {
        self.queue.has_room(destination)
    }

    /// Puts the age of the oldest message of each destination, and the number of its dead letters, into the metrics.
    pub(crate) fn show_ages(&self, destinations: &Destinations, now: Instant) {
        for id in destinations.ids() {
            let age = self.queue.oldest(id).map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
            metrics::owed_age(destinations.name(id), age);
            metrics::dead_letters(destinations.name(id), self.queue.dead_of(id));
        }
    }

    /// The destination is up again: its messages are due now, without waiting for their back-off.
    pub(crate) fn retry_now(&mut self, destination: DestinationId, now: Instant) {
        self.queue.retry_now(destination, now);
    }

    /// When the next message for this destination is due.
    pub(crate) fn next_ready(&self, destination: DestinationId) -> Option<Instant> {
        self.queue.next_ready(destination)
    }

    /// How many messages the destination has not acknowledged.
    pub(crate) fn depth(&self, destination: DestinationId) -> usize {
        self.queue.depth(destination)
    }

    /// How many messages no destination has acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// In the order in which they were queued.
    pub(crate) fn unacknowledged(&self) -> impl Iterator<Item = (SafId, &SafMessage)> {
        self.queue.waiting()
    }

    pub(crate) fn dead_letters(&self) -> impl Iterator<Item = (SafId, &SafMessage, DeadLetterReason)> {
        self.queue.dead()
    }

    /// DE32 of a message, or our own.
    pub(crate) fn acquirer_of(&self, message: &Message) -> InstitutionId {
        message.get::<codecs::de::Acquirer>().ok().flatten().unwrap_or(self.own_acquirer)
    }

    fn show_depth(&self, destinations: &Destinations, destination: DestinationId) {
        metrics::owed_depth(destinations.name(destination), self.queue.depth(destination));
    }
}

fn stan_of(destinations: &Destinations, owed: &SafMessage) -> Option<codecs::value::Stan> {
    destinations.read_own(&owed.message).ok()?.get::<codecs::de::Stan>().ok().flatten()
}
