//! Reversals of originators. A terminal's 0400 and an acquirer's 0420 are acknowledged once the reversal is in store
//! and forward and on the disk, not when the destination answers: a link that is down must not hold up the originator,
//! and the switch repeats the reversal until the destination acknowledges it. original.rs finds what it reverses.

use super::made::{ToReverse, enqueue};
use super::message::{self, ReversalCause};
use super::original::{self, Original};
use crate::event::{DestinationId, SafId};
use crate::intake::{EarlyReversal, Identity, Inbound, RecentRequest, RecentRequests, State};
use crate::metrics;
use crate::parts::Parts;
use crate::saf::{Advice, NotQueued, StanSource};
use crate::translate::{Stamps, canonical};
use crate::turn::Turn;
use codecs::originator::{KeyClass, KeyText};
use codecs::value::{Minor, Opaque, ReplacementAmounts, ResponseCode};
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
    let promised = match original::of(parts, inbound) {
        Original::Found(identity, original) => reverse_known(turn, parts, inbound, &identity, &original, &details),
        Original::Unknown => reverse_unknown(turn, parts, inbound, &details),
        Original::Ambiguous => reverse_ambiguous(turn, parts, inbound),
    };
    if promised.is_err() {
        // not everything is queued, so nothing is acknowledged: the sender repeats it
        return metrics::not_acknowledged();
    }
    metrics::originator_reversal();
    parts.intake.answer_code_after_sync(turn, &inbound.origin, ResponseCode::APPROVED);
    metrics::total(inbound.received, turn.now.mono);
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
    let Ok(message) = parts.destinations.read_own(&original.message) else {
        return reverse_unknown(turn, parts, inbound, details);
    };
    if message::has_effect(&message) == Ok(false) {
        // an inquiry or an account verification: there is nothing to reverse
        return Ok(());
    }
    let approval = original.ended().and_then(|ended| ended.approval);
    // a request under way is reversed in full, even by a partial reversal: its answer will not be forwarded
    let replacement = details.replacement.filter(|_| original.state != State::UnderWay);
    let named = Some(&inbound.origin.message);
    let cause = ReversalCause { reason: details.reason, replacement, approval, named };
    let subject = ToReverse {
        request: None,
        destination: original.destination,
        card: original.card,
        key: identity.named(),
        message: &original.message,
        life_cycle: original.life_cycle(),
    };
    let differs = differs(inbound, original, &message);
    let is_at_host = original.acquired && original.is_approved() && identity.class == KeyClass::Financial;
    // the host's first: if the other cannot be queued, the originator repeats, and the host recognizes this one's key
    if is_at_host {
        enqueue_to_host(turn, parts, &message, subject, cause)?;
    }
    if differs {
        // it moves nothing, and what it is meant for may still come; the host keeps it as an exception
        let listener = parts.intake.name(inbound.origin.listener);
        metrics::alarm("reversal-differs", listener);
        tracing::error!(listener, key = identity.key.as_str(), "a reversal with another amount, currency or card");
        if !parts.destinations.is_host(original.destination) {
            return Ok(());
        }
    }
    enqueue(turn, &mut parts.destinations, &mut parts.saf, subject, cause, StanSource::Next)?;
    if differs {
        return Ok(());
    }
    if original.state == State::UnderWay {
        RecentRequests::end_reversed(turn, original.request);
    }
    parts.recents.reverse(turn, identity, replacement.map(|amounts| amounts.transaction));
    Ok(())
}

/// Whether a reversal says other things of its original than that says itself. Its amount may be the requested or the
/// approved one; what it does not say it does not contradict.
fn differs(inbound: &Inbound, original: &RecentRequest, request: &Message) -> bool {
    let message = &inbound.origin.message;
    let requested = request.get::<de::Amount>().ok().flatten();
    let approved = original.ended().map(|ended| ended.approved).filter(|approved| *approved > Minor::ZERO);
    let named = inbound.amount.filter(|amount| *amount > Minor::ZERO);
    let amount = named.is_some() && named != requested && named != approved;
    let currency = message.get::<de::Currency>().ok().flatten();
    let currency = currency.is_some() && currency != request.get::<de::Currency>().ok().flatten();
    let card = inbound.card.is_some() && !original.has_card(inbound.card_index);
    amount || currency || card
}

/// Queues the reversal of an acquired sale for the host, which posted the merchant's side; it follows the advice of the
/// sale.
fn enqueue_to_host(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    request: &Message,
    subject: ToReverse<'_>,
    cause: ReversalCause<'_>,
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

/// An original that is not kept here. It may come yet, so a full reversal is remembered. The host gets it too: it knows
/// more originals than this, and keeps a tombstone. A foreign issuer gets none: it was sent nothing that the reversal
/// could name.
fn reverse_unknown(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    inbound: &Inbound,
    details: &ReversalDetails,
) -> Result<(), NotQueued> {
    let original = inbound.origin.message.get::<de::OriginalData>().ok().flatten();
    let reversal = EarlyReversal {
        key: inbound.key.clone(),
        class: original::class_named(inbound),
        transmitted: original.and_then(|original| original.transmitted),
        at_ms: turn.now.wall_ms,
    };
    if parts.recents.knows_early(&reversal) {
        metrics::repeat("reversal");
        return Ok(());
    }
    metrics::unknown_original();
    let destination = inbound.destination.unwrap_or(parts.destinations.host());
    let is_host = parts.destinations.is_host(destination);
    tracing::info!(key = inbound.key.as_str(), is_host, "reversal of an original that is not remembered here");
    if is_host {
        enqueue_unknown(turn, parts, inbound, destination)?;
    } else {
        metrics::alarm("reversal-unknown-original", parts.intake.name(inbound.origin.listener));
    }
    // of what the host authorizes it knows itself what a partial reversal leaves
    if details.replacement.is_none() || !is_host {
        parts.recents.reversed_early(turn, reversal);
    }
    Ok(())
}

/// Several originals answer to what the reversal says: nothing moves here. The host has its own way to tell them apart, or
/// keeps it.
fn reverse_ambiguous(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound) -> Result<(), NotQueued> {
    let listener = parts.intake.name(inbound.origin.listener);
    metrics::alarm("reversal-ambiguous", listener);
    tracing::error!(listener, key = inbound.key.as_str(), "a reversal that several requests answer to");
    enqueue_unknown(turn, parts, inbound, parts.destinations.host())
}

/// Queues the originator's own reversal.
fn enqueue_unknown(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    inbound: &Inbound,
    destination: DestinationId,
) -> Result<(), NotQueued> {
    let host = Arc::clone(parts.destinations.host_dialect());
    // a reversal of a terminal names no class
    let named = KeyText { key: inbound.key.as_str(), class: original::class_named(inbound) };
    let advice = Advice {
        destination,
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
