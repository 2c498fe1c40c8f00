//! Reversals of originators. A terminal's 0400 and an acquirer's 0420 are acknowledged once the reversal is in store
//! and forward and on the disk, not when the destination answers: a link that is down must not hold up the originator,
//! and the switch repeats the reversal until the destination acknowledges it. The reversal of an unknown original is
//! treated alike; the destination keeps a tombstone for it.

use super::made::{ToReverse, enqueue};
use super::message::{self, ReversalCause};
use crate::event::SafId;
use crate::intake::{Identity, Inbound, RecentRequest, RecentRequests, State};
use crate::metrics;
use crate::parts::Parts;
use crate::saf::{Advice, NotQueued, StanSource};
use crate::translate::{Stamps, canonical};
use crate::turn::Turn;
use codecs::mti::Class;
use codecs::originator::{KeyClass, KeyText};
use codecs::value::{Opaque, ReplacementAmounts, ResponseCode};
use codecs::{DecodeError, Message, de};
use std::sync::Arc;

pub(crate) fn handle(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound) {
    let details = match ReversalDetails::of(inbound) {
        Ok(details) => details,
        Err(error) => {
            tracing::warn!(%error, key = inbound.key.as_str(), "a reversal that cannot be read");
            return parts.intake.answer_code(turn, &inbound.origin, ResponseCode::FORMAT_ERROR);
        }
    };
    let promised = match original_of(parts, inbound) {
        Some((identity, original)) => reverse_known(turn, parts, inbound, &identity, &original, &details),
        None => reverse_unknown(turn, parts, inbound),
    };
    if promised.is_err() {
        // not everything is queued, so nothing is acknowledged: the sender repeats it
        return metrics::not_acknowledged();
    }
    metrics::originator_reversal();
    parts.intake.answer_code_after_sync(turn, &inbound.origin, ResponseCode::APPROVED);
    metrics::total(inbound.received, turn.now.mono);
}

/// The original of a reversal, by its key. An authorization and a sale may share that key: the one of the class in DE90
/// is preferred, without DE90 the sale.
fn original_of(parts: &Parts, inbound: &Inbound) -> Option<(Identity, RecentRequest)> {
    let classes = match class_named(inbound) {
        Some(Class::Authorization) => [KeyClass::Authorization, KeyClass::Financial],
        _ => [KeyClass::Financial, KeyClass::Authorization],
    };
    classes.into_iter().find_map(|class| {
        let identity = Identity { key: inbound.key.clone(), class };
        parts.recents.get(&identity).cloned().map(|recent| (identity, recent))
    })
}

/// The class of the original that a reversal names in DE90.
fn class_named(inbound: &Inbound) -> Option<Class> {
    inbound.origin.message.get::<de::OriginalData>().ok().flatten().map(|original| original.mti.class())
}

fn reverse_known(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    inbound: &Inbound,
    identity: &Identity,
    original: &RecentRequest,
    details: &ReversalDetails,
) -> Result<(), NotQueued> {
    if !is_needed(original, details) {
        return Ok(());
    }
    let approval = original.ended().and_then(|ended| ended.approval);
    // a request under way is reversed in full, even by a partial reversal: its answer will not be forwarded
    let replacement = details.replacement.filter(|_| original.state != State::UnderWay);
    let cause = ReversalCause { reason: details.reason, replacement, approval };
    let subject = ToReverse {
        request: None,
        destination: original.destination,
        card: original.card,
        key: identity.named(),
        message: &original.message,
        life_cycle: original.life_cycle(),
    };
    let Ok(message) = parts.destinations.read_own(&original.message) else {
        return reverse_unknown(turn, parts, inbound);
    };
    if message::has_effect(&message) == Ok(false) {
        // an inquiry or an account verification: there is nothing to reverse
        return Ok(());
    }
    // the host's first: if the other cannot be queued, the originator repeats, and the host recognizes this one's key
    if original.acquired && original.is_approved() && identity.class == KeyClass::Financial {
        enqueue_to_host(turn, parts, &message, subject, cause)?;
    }
    enqueue(turn, &mut parts.destinations, &mut parts.saf, subject, cause, StanSource::Next)?;
    if original.state == State::UnderWay {
        RecentRequests::end_reversed(turn, original.request);
    }
    parts.recents.reverse(identity, replacement.map(|amounts| amounts.transaction));
    Ok(())
}

/// Queues the reversal of an acquired sale for the host, which posted the merchant's side; it follows the advice of the
/// sale.
fn enqueue_to_host(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    request: &Message,
    subject: ToReverse<'_>,
    cause: ReversalCause,
) -> Result<SafId, NotQueued> {
    let advice = Advice {
        destination: parts.destinations.host(),
        card: subject.card,
        key: subject.key,
        refers_to: Some(subject.key),
        life_cycle: subject.life_cycle,
        acquirer: parts.saf.acquirer_of(request),
        business_date: turn.business_date,
        for_request: None,
    };
    let authorized_by = canonical::authorized_by(parts.destinations.name(subject.destination));
    let build = |stamps: &Stamps<'_>| {
        let mut builder = message::of(request, stamps, cause)?;
        builder.put::<de::AuthorizedBy>(Opaque::text(&authorized_by));
        Ok(builder)
    };
    parts.saf.enqueue(turn, &mut parts.destinations, &advice, StanSource::Next, build).map(|(owed, _)| owed)
}

/// Queues the reversal of an original that is not kept here: for the card's destination, or without a card for the
/// host.
fn reverse_unknown(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound) -> Result<(), NotQueued> {
    metrics::unknown_original();
    tracing::info!(key = inbound.key.as_str(), "reversal of an original that is not remembered here");
    let host = Arc::clone(parts.destinations.host_dialect());
    // a reversal of a terminal names no class
    let named = KeyText { key: inbound.key.as_str(), class: class_named(inbound).and_then(KeyClass::of) };
    let advice = Advice {
        destination: inbound.destination.unwrap_or(parts.destinations.host()),
        card: inbound.card_index,
        key: named,
        refers_to: Some(named),
        life_cycle: None,
        acquirer: inbound.acquirer,
        business_date: turn.business_date,
        for_request: None,
    };
    let message = &inbound.origin.message;
    let build = |stamps: &Stamps<'_>| message::of_unknown(message, &host, stamps);
    parts.saf.enqueue(turn, &mut parts.destinations, &advice, StanSource::Next, build).map(|_| ())
}

/// The reason and the amounts of an originator's reversal.
struct ReversalDetails {
    reason: ResponseCode,
    /// `Some` in a partial reversal.
    replacement: Option<ReplacementAmounts>,
}

impl ReversalDetails {
    fn of(inbound: &Inbound) -> Result<Self, DecodeError> {
        let message = &inbound.origin.message;
        // replacement amounts of zero: a full reversal
        let replacement = message.get::<de::ReplacementAmounts>()?.filter(|amounts| amounts.transaction.0 > 0);
        let reason = message.get::<de::ResponseCode>()?.unwrap_or(ResponseCode::CUSTOMER_CANCELLED);
        Ok(Self { reason, replacement })
    }
}

/// Whether the destination needs this reversal: not if it was sent the same before, or if the original was not
/// approved.
fn is_needed(original: &RecentRequest, details: &ReversalDetails) -> bool {
    let remaining = details.replacement.map(|amounts| amounts.transaction);
    if original.reversed || (remaining.is_some() && remaining == original.remaining) {
        metrics::repeat("reversal");
        return false;
    }
    // a request that timed out is reversed already
    original.state == State::UnderWay || original.is_approved()
}
