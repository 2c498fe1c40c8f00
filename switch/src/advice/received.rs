//! Advices of originators: completions of pre-authorizations, and sales decided offline. An advice reports what has
//! happened already, so it is acknowledged as soon as it is in store and forward and on the disk, whatever its
//! destination answers later.

use crate::event::DestinationId;
use crate::intake::{CardIndex, EndedRequest, Identity, Inbound, RecentRequest, Reference, State, Verdict};
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::parts::Parts;
use crate::record::Ending;
use crate::saf::{Advice, NotQueued, StanSource};
use crate::translate::{Stamps, answer, canonical, strip};
use crate::turn::Turn;
use bytes::Bytes;
use codecs::originator::{KeyClass, KeyText};
use codecs::value::{InstitutionId, Minor, Opaque, ResponseCode, Rrn, Stan};
use codecs::{Builder, Message, de};
use std::sync::Arc;

pub(crate) fn handle(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound, class: KeyClass) {
    let identity = Identity::of_advice(inbound.key.clone(), class);
    match parts.recents.judge(&identity, inbound.content) {
        Verdict::New if parts.recents.was_reversed_early(&identity, inbound.transmitted()) => {
            // what it reports was taken back before: together they move nothing
            metrics::repeat("reversed-before-it-came");
            parts.intake.answer_code_after_sync(turn, &inbound.origin, ResponseCode::APPROVED);
        }
        Verdict::New => beside_request(turn, parts, inbound, identity),
        Verdict::Stored(stored) => {
            metrics::repeat("stored-answer");
            parts.intake.repeat_answer(turn, &inbound.origin, &stored);
        }
        Verdict::UnderWay(_) | Verdict::Repeat91 | Verdict::Recalled(_) => {
            metrics::repeat("acknowledged");
            parts.intake.answer_code_after_sync(turn, &inbound.origin, ResponseCode::APPROVED);
        }
        Verdict::OtherContent => tell_the_host(turn, parts, inbound),
    }
}

/// An advice that was not seen before. There may be a request with its key, which the terminal has given up, or decided
/// itself after a decline: what the advice reports has happened all the same.
fn beside_request(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound, identity: Identity) {
    let request = parts.recents.get(&Identity { advice: false, ..identity.clone() });
    let Some(request) = request else { return promise(turn, parts, inbound, identity) };
    if !request.has_content(inbound.content) {
        return tell_the_host(turn, parts, inbound);
    }
    if request.is_approved() && !request.reversed {
        // it reports what its destination knows
        metrics::repeat("acknowledged");
        return parts.intake.answer_code_after_sync(turn, &inbound.origin, ResponseCode::APPROVED);
    }
    if request.state == State::UnderWay && !parts.destinations.is_host(request.destination) {
        // a foreign issuer might take both; the sender repeats it, and the request has ended then
        return metrics::not_acknowledged();
    }
    promise(turn, parts, inbound, identity);
}

/// An advice with the key of another message and other content. 94 is for requests: this is acknowledged, and the host keeps
/// it as an exception.
fn tell_the_host(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound) {
    let listener = parts.intake.name(inbound.origin.listener);
    metrics::alarm("advice-other-content", listener);
    tracing::error!(listener, key = inbound.key.as_str(), "an advice with a known key and another card or amount");
    let resolved = resolve(turn, parts, inbound);
    let authorized_by =
        resolved.acquired.then(|| canonical::authorized_by(parts.destinations.name(resolved.destination)));
    let host = parts.destinations.host();
    match enqueue(turn, parts, inbound, &resolved, host, authorized_by.as_deref()) {
        Ok(_) => parts.intake.answer_code(turn, &inbound.origin, ResponseCode::APPROVED),
        Err(_) => metrics::not_acknowledged(),
    }
}

/// The destination of an advice, the authorization that it completes, and the values that follow from both.
struct ResolvedAdvice {
    destination: DestinationId,
    acquired: bool,
    /// Assigned by the switch where the originator sent none.
    rrn: Option<Rrn>,
    original: Option<(Identity, RecentRequest)>,
    life_cycle: Option<LifeCycleId>,
    card: CardIndex,
}

/// Queues a new advice for its destination, and for the host too if a foreign issuer authorized it; then acknowledges
/// it.
fn promise(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound, identity: Identity) {
    let resolved = resolve(turn, parts, inbound);
    let promised = enqueue_all(turn, parts, inbound, &resolved);
    match promised {
        Ok(message) => acknowledge(turn, parts, inbound, identity, resolved, message),
        // not everything is queued, so nothing is acknowledged: the sender repeats it
        Err(_) => metrics::not_acknowledged(),
    }
}

fn resolve(turn: &mut Turn<'_>, parts: &Parts, inbound: &Inbound) -> ResolvedAdvice {
    let original = original_of(parts, inbound);
    let of_original = original.as_ref().map(|(_, recent)| recent);
    let destination = inbound.destination.or(of_original.map(|recent| recent.destination));
    let destination = destination.unwrap_or(parts.destinations.host());
    let acquired = parts.is_acquired(inbound, destination);
    let rrn = inbound.assigned_rrn(turn);
    let life_cycle = life_cycle_of(turn, inbound, of_original, acquired);
    let card = match (&inbound.card, of_original) {
        (None, Some(original)) => original.card,
        _ => inbound.card_index,
    };
    ResolvedAdvice { destination, acquired, rrn, original, life_cycle, card }
}

/// Queues an advice for each of its destinations. Gives the message for its own destination.
fn enqueue_all(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    inbound: &Inbound,
    resolved: &ResolvedAdvice,
) -> Result<Bytes, NotQueued> {
    let destination = resolved.destination;
    // the host's first: if the other cannot be queued, the sender repeats, and the host recognizes this one by its key
    if resolved.acquired {
        let authorized_by = canonical::authorized_by(parts.destinations.name(destination));
        enqueue(turn, parts, inbound, resolved, parts.destinations.host(), Some(&authorized_by))?;
    }
    enqueue(turn, parts, inbound, resolved, destination, None)
}

/// Whether the authorization that an advice names is remembered.
pub(crate) fn knows_original(parts: &Parts, inbound: &Inbound) -> bool {
    original_of(parts, inbound).is_some()
}

/// The authorization that a completion names: by its retrieval reference number (DE37), or by DE90. An approval code in the
/// completion must be that authorization's: two may stand under one reference number, and the host tells them apart.
fn original_of(parts: &Parts, inbound: &Inbound) -> Option<(Identity, RecentRequest)> {
    let message = &inbound.origin.message;
    let (link, terminal) = (inbound.key.link(), parts.intake.reference_terminal(&inbound.key));
    let by_rrn = message.get::<de::Rrn>().ok().flatten();
    let told = message.get::<de::ApprovalCode>().ok().flatten().filter(|code| !code.as_str().is_empty());
    let fits = |(identity, recent): &(&Identity, &RecentRequest)| {
        let given = recent.ended().and_then(|ended| ended.approval);
        let same_terminal = identity.key.terminal() == inbound.key.terminal();
        let same_code = told.is_none() || given.is_none() || told == given;
        same_terminal && same_code && !identity.advice && identity.key != inbound.key
    };
    let last = |reference| parts.recents.referred(reference).filter(fits).last();
    let by_rrn = by_rrn.as_ref().map(|rrn| Reference::Rrn { link, terminal, rrn: rrn.as_str() });
    let by_stan = message.get::<de::OriginalData>().ok().flatten();
    let by_stan = by_stan.map(|original| Reference::Stan { link, terminal, stan: original.stan.0 });
    let (identity, recent) = by_rrn.and_then(last).or_else(|| by_stan.and_then(last))?;
    Some((identity.clone(), recent.clone()))
}

fn life_cycle_of(
    turn: &mut Turn<'_>,
    inbound: &Inbound,
    original: Option<&RecentRequest>,
    acquired: bool,
) -> Option<LifeCycleId> {
    let sent = inbound.origin.message.get::<de::LifeCycleId>().ok().flatten();
    let sent = sent.and_then(|id| id.as_str().and_then(LifeCycleId::claimed));
    let of_original = original.and_then(RecentRequest::life_cycle).cloned();
    sent.or(of_original).or_else(|| acquired.then(|| turn.numbers.life_cycle_id()))
}

/// Queues the advice for one destination.
fn enqueue(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    inbound: &Inbound,
    resolved: &ResolvedAdvice,
    destination: DestinationId,
    authorized_by: Option<&str>,
) -> Result<Bytes, NotQueued> {
    let original = resolved.original.as_ref();
    let advice = Advice {
        destination,
        card: resolved.card,
        key: KeyText { key: inbound.key.as_str(), class: None },
        refers_to: original.map(|(identity, _)| identity.named()),
        life_cycle: resolved.life_cycle.as_ref(),
        acquirer: inbound.acquirer,
        business_date: turn.business_date,
        for_request: None,
    };
    let host = Arc::clone(parts.destinations.host_dialect());
    let original = original.and_then(|(_, recent)| parts.destinations.read_own(&recent.message).ok());
    let merchant_type = inbound.terminal.as_ref().map(|terminal| terminal.mcc);
    let message = &inbound.origin.message;
    let build = |stamps: &Stamps<'_>| {
        let stamps = Stamps { rrn: resolved.rrn, merchant_type, ..stamps.clone() };
        let forwarded = canonical::forward(message, &host, message.mti(), &stamps, None)?;
        let mut builder = strip::without_sensitive(&Message::decode(&host, forwarded.encode()?)?);
        complete_from(&mut builder, original.as_ref());
        builder.put_some::<de::AuthorizedBy>(authorized_by.map(Opaque::text));
        if !builder.has::<de::ResponseCode>() {
            builder.put::<de::ResponseCode>(ResponseCode::APPROVED);
        }
        Ok(builder)
    };
    parts.saf.enqueue(turn, &mut parts.destinations, &advice, StanSource::Next, build).map(|(_, message)| message)
}

/// Answers 00, and keeps the advice for its repeats and reversals.
fn acknowledge(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    inbound: &Inbound,
    identity: Identity,
    resolved: ResolvedAdvice,
    message: Bytes,
) {
    let origin = &inbound.origin;
    let own = answer::SwitchElements {
        rrn: resolved.rrn,
        life_cycle: resolved.life_cycle.as_ref(),
        ..parts.intake.switch_elements(turn, origin, ResponseCode::APPROVED)
    };
    let mut answer = answer::build(&origin.message, None, own);
    answer.copy::<de::ApprovalCode>(&origin.message);
    let request = turn.numbers.next_request();
    let approval = origin.message.get::<de::ApprovalCode>().ok().flatten();
    let ended = EndedRequest {
        ending: Ending::Approved,
        code: ResponseCode::APPROVED,
        answer: parts.intake.stored(origin, &answer),
        life_cycle: resolved.life_cycle,
        approval: approval.filter(|code| !code.as_str().is_empty()),
        approved: inbound.amount.unwrap_or(Minor::ZERO),
    };
    let destination = resolved.destination;
    let sent_stan = parts.destinations.read_own(&message).ok().and_then(|message| message.get::<de::Stan>().ok()?);
    let recent = RecentRequest {
        sent_stan: sent_stan.unwrap_or(Stan(0)),
        acquired: resolved.acquired,
        transmitted: inbound.transmitted(),
        message,
        ..RecentRequest::new(request, inbound.content, resolved.card, destination, turn.now.wall_ms)
    };
    parts.recents.begin(turn, parts.destinations.name(destination), identity.clone(), recent);
    parts.refer(inbound, &identity, resolved.rrn);
    parts.recents.end(turn, request, &identity, ended);
    parts.intake.answer(turn, origin, &answer, ResponseCode::APPROVED);
    metrics::total(inbound.received, turn.now.mono);
}

/// Puts card, expiry and card sequence of the authorization into a completion without PAN, and its data into DE90.
fn complete_from(builder: &mut Builder, original: Option<&Message>) {
    let Some(original) = original else { return };
    if !builder.has::<de::Pan>() {
        builder.copy::<de::Pan>(original).copy::<de::Expiry>(original).copy::<de::CardSequence>(original);
    }
    let stan: Option<Stan> = original.get::<de::Stan>().ok().flatten();
    let acquirer: Option<InstitutionId> = original.get::<de::Acquirer>().ok().flatten();
    if let Some(stan) = stan {
        builder.put::<de::OriginalData>(codecs::value::OriginalData {
            mti: original.mti(),
            stan,
            transmitted: original.get::<de::TransmissionTime>().ok().flatten(),
            acquirer,
            forwarder: None,
        });
    }
}
