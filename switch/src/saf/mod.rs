//! Store and forward: messages that a destination must get and acknowledge. Each is in the pending log before anything
//! that relies on it leaves, and is offered until the destination acknowledges it.
//!
//! | file | question |
//! |---|---|
//! | owe.rs | how a message is promised |
//! | offer.rs | how it is offered, and how that ends |
//! | queue.rs | which message is offered when |

mod offer;
mod owe;
mod queue;

pub(crate) use owe::{Advice, NotOwed, Numbered};
pub(crate) use queue::{DeadLetterReason, Limits, OwedMessage};

use crate::destination::Destinations;
use crate::event::{DestinationId, OwedId};
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

/// A message as the pending log has it after a restart.
pub(crate) struct Restored {
    pub id: OwedId,
    pub record: crate::record::Owed,
    /// What the request that it reverses was answered after its time-out.
    pub late: Option<ResponseCode>,
}

impl StoreAndForward {
    /// `own_acquirer` is ours: the acquirer (DE32) of a message whose request names none.
    pub(crate) fn new(limits: Limits, own_acquirer: InstitutionId) -> Self {
        Self { queue: Queue::new(limits), own_acquirer }
    }

    /// Takes a message of before a restart: it is offered as a repeat, because it may have been offered already.
    pub(crate) fn restore(&mut self, now: Now, destinations: &Destinations, to: DestinationId, restored: Restored) {
        let Restored { id, record, late } = restored;
        let mut owed = OwedMessage::of_record(to, record, late);
        owed.stan = stan_of(destinations, &owed).map(|stan| destinations.hold_stan(to, stan));
        self.queue.owe(id, owed, now.mono);
        self.show_depth(destinations, to);
    }

    /// As [`Self::restore`], for one that was given up.
    pub(crate) fn restore_dead_letter(&mut self, now: Now, to: DestinationId, restored: Restored) {
        let Restored { id, record, late } = restored;
        self.queue.owe(id, OwedMessage::of_record(to, record, late), now.mono);
        self.queue.give_up(id, DeadLetterReason::Expired, now.mono);
    }

    /// The destination is up again: its messages do not wait for their back-off.
    pub(crate) fn hurry(&mut self, destination: DestinationId, now: Instant) {
        self.queue.hurry(destination, now);
    }

    /// When a message for this destination can be offered.
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

    /// In the order in which they became owed.
    pub(crate) fn unacknowledged(&self) -> impl Iterator<Item = (OwedId, &OwedMessage)> {
        self.queue.waiting()
    }

    pub(crate) fn dead_letters(&self) -> impl Iterator<Item = (OwedId, &OwedMessage, DeadLetterReason)> {
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

fn stan_of(destinations: &Destinations, owed: &OwedMessage) -> Option<codecs::value::Stan> {
    destinations.read_own(&owed.message).ok()?.get::<codecs::de::Stan>().ok().flatten()
}
