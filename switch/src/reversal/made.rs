//! The switch's own reversal of a request that ends without a usable outcome: no answer came in time, or an acquired sale
//! was approved and its advice to the host cannot be queued. The reversal is in store and forward before the originator
//! gets 91.

use super::message::{self, ReversalCause};
use crate::destination::{Destinations, HeldStan};
use crate::event::{DestinationId, RequestId, SafId};
use crate::intake::CardIndex;
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::saf::{Advice, NotQueued, StanSource, StoreAndForward};
use crate::translate::Stamps;
use crate::turn::Turn;
use bytes::Bytes;
use codecs::Message;
use codecs::originator::KeyText;

/// The transaction to be reversed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToReverse<'s> {
    /// The request whose late answer is recorded with the reversal.
    pub request: Option<RequestId>,
    pub destination: DestinationId,
    pub card: CardIndex,
    pub key: KeyText<'s>,
    /// The request as forwarded, in the host's dialect, without sensitive elements.
    pub message: &'s Bytes,
    pub life_cycle: Option<&'s LifeCycleId>,
}

/// Proof that a request without an answer leaves nothing behind at its destination: its reversal is in store and
/// forward, or the request changes nothing there, or it was never sent. Made in this file only; the 91 to such a request requires it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Covered(Option<SafId>);

impl Covered {
    /// For a request that never left the switch.
    pub(crate) fn never_sent() -> Self {
        Self(None)
    }

    /// The reversal, if one is needed.
    pub(crate) fn by(&self) -> Option<SafId> {
        self.0
    }
}

/// Queues the reversal of a request that ends without a usable outcome – no answer, or an approval that the host cannot be
/// sent –, under a STAN in exchange for the request's own. `None` is a request that nothing can be reversed of: totals.
///
/// # Errors
/// The reversal cannot be queued: no answer that relies on it may be sent.
pub(crate) fn cover(
    turn: &mut Turn<'_>,
    destinations: &mut Destinations,
    saf: &mut StoreAndForward,
    subject: Option<ToReverse<'_>>,
    stan: HeldStan,
) -> Result<Covered, NotQueued> {
    let Some(subject) = subject else { return Ok(Covered(None)) };
    enqueue(turn, destinations, saf, subject, ReversalCause::TIMED_OUT, StanSource::Replacing(stan)).map(Covered)
}

/// Reads a request as it was forwarded, to make a message to `to` from it; `None` if it changes nothing at its destination.
///
/// # Errors
/// The stored request is damaged: logged here.
pub(crate) fn read_with_effect(
    destinations: &Destinations,
    request: &Bytes,
    to: DestinationId,
    key: &str,
) -> Result<Option<Message>, NotQueued> {
    let read = destinations.read_own(request);
    match read.and_then(|request| Ok(message::has_effect(&request)?.then_some(request))) {
        Ok(request) => Ok(request),
        Err(_) => Err(NotQueued::Unreadable.logged(destinations, to, key)),
    }
}

/// Queues the reversal of a request; `None` if the request changes nothing at its destination.
pub(super) fn enqueue(
    turn: &mut Turn<'_>,
    destinations: &mut Destinations,
    saf: &mut StoreAndForward,
    subject: ToReverse<'_>,
    cause: ReversalCause<'_>,
    numbered: StanSource,
) -> Result<Option<SafId>, NotQueued> {
    let request = read_with_effect(destinations, subject.message, subject.destination, subject.key.key)?;
    let Some(request) = request else { return Ok(None) };
    let advice = Advice {
        destination: subject.destination,
        card: subject.card,
        key: subject.key,
        refers_to: Some(subject.key),
        life_cycle: subject.life_cycle,
        acquirer: saf.acquirer_of(&request),
        business_date: turn.business_date,
        for_request: subject.request,
    };
    let build = |stamps: &Stamps<'_>| Ok(message::of(&request, stamps, cause)?);
    let (owed, _) = saf.enqueue(turn, destinations, &advice, numbered, build)?;
    metrics::reversal_owed();
    Ok(Some(owed))
}
