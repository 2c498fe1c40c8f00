//! Reversals of originators. A terminal's 0400 and an acquirer's 0420 are acknowledged once the reversal is owed
//! durably, not when the destination answers: the originator's lane must not be blocked by a link that is down, and
//! from that moment the switch repeats it until it is acknowledged. An unknown original is acknowledged as well; the
//! destination keeps a tombstone for it.

use super::made::{Subject, owe};
use super::message::{self, Cause};
use crate::event::{DestinationId, OwedId};
use crate::intake::{Identity, Inbound, KeyClass, RecentRequest, RecentRequests, State};
use crate::metrics;
use crate::parts::Parts;
use crate::saf::{Advice, NotOwed, Numbered};
use crate::translate::{Stamps, canonical};
use crate::turn::Turn;
use codecs::mti::Class;
use codecs::value::{Opaque, ReplacementAmounts, ResponseCode};
use codecs::{DecodeError, de};
use std::sync::Arc;

pub(crate) fn take(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound) {
    let asked = match Asked::of(inbound) {
        Ok(asked) => asked,
        Err(error) => {
            tracing::warn!(%error, key = inbound.key.as_str(), "a reversal that cannot be read");
            return parts.intake.refuse(turn, &inbound.origin, ResponseCode::FORMAT_ERROR);
        }
    };
    let promised = match original_of(parts, inbound) {
        Some((identity, original)) => reverse_known(turn, parts, inbound, &identity, &original, &asked),
        None => reverse_unknown(turn, parts, inbound),
    };
    if promised.is_err() {
        // nothing is owed, so nothing is acknowledged: the sender keeps it
        return metrics::not_acknowledged();
    }
    metrics::originator_reversal();
    parts.intake.refuse_again(turn, &inbound.origin, ResponseCode::APPROVED);
    metrics::total(inbound.received, turn.now.mono);
}

/// A STAN may be shared by an authorization and a sale; DE90 tells which, else the sale is meant.
fn original_of(parts: &Parts, inbound: &Inbound) -> Option<(Identity, RecentRequest)> {
    let named = inbound.origin.message.get::<de::OriginalData>().ok().flatten().map(|o| o.mti.class());
    let classes = match named {
        Some(Class::Authorization) => [KeyClass::Authorization, KeyClass::Financial],
        _ => [KeyClass::Financial, KeyClass::Authorization],
    };
    classes.into_iter().find_map(|class| {
        let identity = Identity { key: inbound.key.clone(), class };
        parts.recents.get(&identity).cloned().map(|recent| (identity, recent))
    })
}

fn reverse_known(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    inbound: &Inbound,
    identity: &Identity,
    original: &RecentRequest,
    asked: &Asked,
) -> Result<(), NotOwed> {
    if !is_needed(original, asked) {
        return Ok(());
    }
    let approval = original.ended().and_then(|ended| ended.approval);
    // whatever was meant to stand of it, an answer that has not come cannot be forwarded any more
    let replacement = asked.replacement.filter(|_| original.state != State::UnderWay);
    let cause = Cause { reason: asked.reason, replacement, approval };
    let subject = Subject {
        request: None,
        destination: original.destination,
        card: original.card,
        key: identity.key.as_str(),
        message: &original.message,
        life_cycle: original.life_cycle(),
    };
    let Ok(message) = parts.destinations.read_own(&original.message) else {
        return reverse_unknown(turn, parts, inbound);
    };
    if message::has_effect(&message) == Ok(false) {
        // an inquiry, or a verification: there is nothing to take back
        return Ok(());
    }
    // the host's first: should the other not be promised, the originator repeats, and the host knows this one by its key
    if original.acquired && original.is_approved() && identity.class == KeyClass::Financial {
        owe_to_host(turn, parts, subject, cause, original.destination)?;
    }
    owe(turn, &mut parts.destinations, &mut parts.saf, subject, cause, Numbered::Fresh)?;
    if original.state == State::UnderWay {
        RecentRequests::end_reversed(turn, original.request);
    }
    parts.recents.reverse(identity, replacement.map(|amounts| amounts.transaction));
    Ok(())
}

/// The merchant's side of an acquired sale is taken back at the host, behind the advice that put it there.
fn owe_to_host(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    subject: Subject<'_>,
    cause: Cause,
    authorized_by: DestinationId,
) -> Result<OwedId, NotOwed> {
    let request = parts.destinations.read_own(subject.message).map_err(|_| NotOwed::Unreadable)?;
    let advice = Advice {
        destination: parts.destinations.host(),
        card: subject.card,
        key: subject.key,
        refers_to: Some(subject.key),
        life_cycle: subject.life_cycle,
        acquirer: parts.saf.acquirer_of(&request),
        business_date: turn.business_date,
        for_request: None,
    };
    let authorized_by = canonical::authorized_by(parts.destinations.name(authorized_by));
    let build = |stamps: &Stamps<'_>| {
        let mut builder = message::of(&request, stamps, cause)?;
        builder.put::<de::AuthorizedBy>(Opaque::text(&authorized_by));
        Ok(builder)
    };
    parts.saf.owe(turn, &mut parts.destinations, &advice, Numbered::Fresh, build).map(|(owed, _)| owed)
}

/// Where the switch does not remember the original, its destination may: by the card if there is one, else the host.
fn reverse_unknown(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound) -> Result<(), NotOwed> {
    metrics::unknown_original();
    tracing::info!(key = inbound.key.as_str(), "reversal of an original that is not remembered here");
    let host = Arc::clone(parts.destinations.host_dialect());
    let advice = Advice {
        destination: inbound.destination.unwrap_or(parts.destinations.host()),
        card: inbound.card_index,
        key: inbound.key.as_str(),
        refers_to: Some(inbound.key.as_str()),
        life_cycle: None,
        acquirer: inbound.acquirer,
        business_date: turn.business_date,
        for_request: None,
    };
    let message = &inbound.origin.message;
    let build = |stamps: &Stamps<'_>| message::of_unknown(message, &host, stamps);
    parts.saf.owe(turn, &mut parts.destinations, &advice, Numbered::Fresh, build).map(|_| ())
}

/// What a reversal says beside which transaction it means.
struct Asked {
    reason: ResponseCode,
    /// Only part of the amount is taken back.
    replacement: Option<ReplacementAmounts>,
}

impl Asked {
    fn of(inbound: &Inbound) -> Result<Self, DecodeError> {
        let message = &inbound.origin.message;
        // replacement amounts of zero say that nothing stands: that is a full reversal
        let replacement = message.get::<de::ReplacementAmounts>()?.filter(|amounts| amounts.transaction.0 > 0);
        let reason = message.get::<de::ResponseCode>()?.unwrap_or(ResponseCode::CUSTOMER_CANCELLED);
        Ok(Self { reason, replacement })
    }
}

/// Whether the destination has to hear of it: not if it has, or if the original never stood.
fn is_needed(original: &RecentRequest, asked: &Asked) -> bool {
    let stands = asked.replacement.map(|amounts| amounts.transaction);
    if original.reversed || (stands.is_some() && stands == original.stands) {
        metrics::repeat("reversal");
        return false;
    }
    // a time-out's own reversal covers it
    original.state == State::UnderWay || original.is_approved()
}
