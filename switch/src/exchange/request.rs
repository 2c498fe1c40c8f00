//! An online request: a repeat is answered as its original was, a new request is sent under the switch's own STAN. It
//! ends in ending.rs or time_out.rs.

use super::in_flight::{InFlight, Request};
use super::{Exchange, outbound};
use crate::destination::PendingMessage;
use crate::event::{Arrival, Effect, RequestId};
use crate::intake::{EndedRequest, Identity, Inbound, RecalledAnswer, RecentRequest, State, Verdict};
use crate::metrics;
use crate::parts::Parts;
use crate::record::Ending;
use crate::translate::answer;
use crate::turn::Turn;
use codecs::de;
use codecs::originator::KeyClass;
use codecs::value::{Minor, PinBlock, ResponseCode};

/// How many arrivals may wait for one answer: the original and its repeats.
const ORIGINS_PER_REQUEST: usize = 16;

impl Exchange {
    /// Takes a request that passed its checks; `pin` is its PIN block under the destination's key.
    pub(crate) fn request(
        &mut self,
        turn: &mut Turn<'_>,
        parts: &mut Parts,
        inbound: Inbound,
        class: KeyClass,
        pin: Option<PinBlock>,
    ) {
        let identity = Identity::of_request(inbound.key.clone(), class);
        match parts.recents.judge(&identity, inbound.content) {
            Verdict::New => self.forward(turn, parts, inbound, identity, pin),
            Verdict::UnderWay(original) => {
                metrics::repeat("under-way");
                self.join(original, inbound.origin);
            }
            Verdict::Stored(stored) => {
                metrics::repeat("stored-answer");
                parts.intake.repeat_answer(turn, &inbound.origin, &stored);
            }
            Verdict::Recalled(recalled) => {
                metrics::repeat("recalled-answer");
                answer_again(turn, parts, &inbound.origin, recalled);
            }
            Verdict::Repeat91 => {
                metrics::repeat("timed-out-or-reversed");
                parts.intake.answer_code_after_sync(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
            }
            Verdict::OtherContent => {
                metrics::repeat("other-content");
                tracing::warn!(key = inbound.key.as_str(), "same key with another card, amount, currency or type");
                parts.intake.answer_code(turn, &inbound.origin, ResponseCode::DUPLICATE);
            }
        }
    }

    /// A repeat of a request under way waits for the same answer; beyond the limit it is dropped.
    fn join(&mut self, original: RequestId, origin: Arrival) {
        if let Some(InFlight { request, .. }) = self.requests.get_mut(&original)
            && request.origins.len() < ORIGINS_PER_REQUEST
        {
            request.origins.push(origin);
        }
    }

    fn forward(
        &mut self,
        turn: &mut Turn<'_>,
        parts: &mut Parts,
        inbound: Inbound,
        identity: Identity,
        pin: Option<PinBlock>,
    ) {
        let origin = &inbound.origin;
        let Some(destination) = inbound.destination else {
            return parts.intake.answer_code(turn, origin, ResponseCode::NO_ROUTE);
        };
        if parts.recents.was_reversed_early(&identity, inbound.transmitted()) {
            metrics::repeat("reversed-before-it-came");
            return parts.intake.answer_code_after_sync(turn, origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        if self.draining {
            // not kept: after the restart its repeat counts as a new request
            metrics::not_sent("ending", parts.destinations.name(destination));
            return parts.intake.answer_code(turn, origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        if self.disk_is_low {
            metrics::not_sent("disk-low", parts.destinations.name(destination));
            return parts.intake.answer_code(turn, origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        if !parts.saf.has_room(destination) {
            metrics::not_sent("too-much-owed", parts.destinations.name(destination));
            return parts.intake.answer_code(turn, origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        let Some(connection) = parts.destinations.choose_link(destination) else {
            metrics::not_sent("link-down", parts.destinations.name(destination));
            return end_unsent(turn, parts, &inbound, identity);
        };
        let outbound = match outbound::make(turn, &mut parts.destinations, &inbound, destination, pin) {
            Ok(outbound) => outbound,
            Err(code) => return parts.intake.answer_code(turn, &inbound.origin, code),
        };
        let request = turn.numbers.next_request();
        if parts.destinations.await_answer(turn, destination, outbound.key, PendingMessage::Request(request)).is_err() {
            // max_in_flight is reached: refused before anything is sent or kept
            metrics::not_sent("full", parts.destinations.name(destination));
            return parts.intake.answer_code(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        let acquired = parts.is_acquired(&inbound, destination);
        let recent = RecentRequest::new(request, inbound.content, inbound.card_index, destination, turn.now.wall_ms);
        let transmitted = inbound.transmitted();
        let (message, sent_stan) = (outbound.stripped.clone(), outbound.stan.number());
        let recent = RecentRequest { acquired, transmitted, message, sent_stan, ..recent };
        parts.recents.begin(turn, parts.destinations.name(destination), identity.clone(), recent);
        parts.refer(&inbound, &identity, outbound.rrn);
        if acquired && parts.intake.outlives_power(&inbound.origin) {
            // a foreign issuer is told of a reversal only by who knows that it was asked
            turn.push(Effect::Promise);
        }
        metrics::sent(parts.destinations.name(destination), inbound.received, turn.now.mono);
        let (body, key) = (outbound.wire, Some(outbound.key));
        turn.push(Effect::Send { destination, connection, body, key });
        let (business_date, currency) = (turn.business_date, inbound.currency());
        let under_way = Request {
            identity: Some(identity),
            origins: vec![inbound.origin],
            destination,
            received: inbound.received,
            sent: turn.now.mono,
            business_date,
            rrn: outbound.rrn,
            acquired,
            amount: inbound.amount,
            currency,
            card: inbound.card_index,
            message: outbound.stripped,
            span: inbound.span,
        };
        self.requests.insert(request, InFlight { request: under_way, stan: outbound.stan });
        metrics::in_flight(self.requests.len());
    }
}

/// Answers a repeat with what the fingerprint of its original has of the answer: outcome, approval code and amount.
fn answer_again(turn: &mut Turn<'_>, parts: &mut Parts, origin: &Arrival, recalled: RecalledAnswer) {
    let RecalledAnswer { code, approval, approved, rrn } = recalled;
    let own = answer::SwitchElements { rrn, ..parts.intake.switch_elements(turn, origin, code) };
    let mut answer = answer::build(&origin.message, None, own);
    answer.put_some::<de::ApprovalCode>(approval);
    answer.put_some::<de::Amount>(Some(approved).filter(|approved| *approved > Minor::ZERO));
    parts.intake.answer(turn, origin, &answer, code);
}

/// Answers 91 to a request that cannot be sent, and keeps that answer for its repeats. Nothing was sent, so nothing has
/// to be reversed.
fn end_unsent(turn: &mut Turn<'_>, parts: &mut Parts, inbound: &Inbound, identity: Identity) {
    let origin = &inbound.origin;
    let answer = answer::build(
        &origin.message,
        None,
        parts.intake.switch_elements(turn, origin, ResponseCode::ISSUER_INOPERATIVE),
    );
    let Some(destination) = inbound.destination else { return };
    let request = turn.numbers.next_request();
    if let Some(stored) = parts.intake.stored(origin, &answer) {
        let recent = RecentRequest::new(request, inbound.content, inbound.card_index, destination, turn.now.wall_ms);
        let state = State::Ended(EndedRequest::without_decision(Ending::Declined, Some(stored)));
        parts.recents.insert(identity, RecentRequest { state, ..recent });
    }
    parts.intake.answer(turn, origin, &answer, ResponseCode::ISSUER_INOPERATIVE);
}
