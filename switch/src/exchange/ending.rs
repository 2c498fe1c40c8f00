//! A request ends by its destination's answer: the answer goes to the originator and is kept for repeats. If a foreign
//! issuer approved a sale, the advice to the host is queued first.

use super::in_flight::{InFlight, Request};
use crate::advice::{self, AcquiredSale};
use crate::event::{Effect, RequestId};
use crate::intake::{EndedRequest, RecentRequests};
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::parts::Parts;
use crate::record::Ending;
use crate::saf::NotQueued;
use crate::translate::{Contradiction, Outcome, answer};
use crate::turn::Turn;
use codecs::Message;
use codecs::value::{Minor, ResponseCode};

impl InFlight {
    /// Ends the request with the answer of its destination, which came in time.
    pub(super) fn end_by_answer(
        self,
        turn: &mut Turn<'_>,
        parts: &mut Parts,
        id: RequestId,
        decided: &Message,
        outcome: &Outcome,
    ) {
        let Self { request, stan } = self;
        let _transaction = request.span.clone().entered();
        metrics::stage("upstream", request.sent, turn.now.mono);
        if request.is_reversed(&parts.recents) {
            metrics::answered_after_reversal();
            tracing::info!(request = id.0, code = %outcome.code, "the originator reversed before this answer came");
            return;
        }
        if let Some(what) = request.contradiction(outcome) {
            let destination = parts.destinations.name(request.destination);
            metrics::alarm("answer-contradicts", destination);
            tracing::error!(request = id.0, destination, code = %outcome.code, what = what.as_str(), "an answer that cannot be: the request is reversed and declined");
            return Self { request, stan }.end_without_outcome(turn, parts, id, ResponseCode::DO_NOT_HONOUR);
        }
        let life_cycle = life_cycle(turn, &request, outcome);
        if enqueue_to_host(turn, parts, &request, outcome, life_cycle.as_ref()).is_err() {
            // without the advice the merchant would never be paid, so the sale is reversed at the issuer
            return Self { request, stan }.end_without_outcome(turn, parts, id, ResponseCode::ISSUER_INOPERATIVE);
        }
        drop(stan);
        request.answer(turn, parts, id, decided, outcome, life_cycle);
        metrics::total(request.received, turn.now.mono);
        tracing::debug!(request = id.0, code = %outcome.code, "answered");
    }
}

impl Request {
    /// Whether the originator's reversal was accepted while the request was under way.
    pub(super) fn is_reversed(&self, recents: &RecentRequests) -> bool {
        let recent = self.identity.as_ref().and_then(|identity| recents.get(identity));
        recent.is_some_and(|recent| recent.reversed)
    }

    /// What in an answer contradicts the request. Totals are not compared here.
    fn contradiction(&self, outcome: &Outcome) -> Option<Contradiction> {
        self.identity.as_ref()?;
        outcome.contradiction(self.amount, self.currency)
    }

    /// Sends the destination's decision to the originator, and to each repeat that waits for it.
    fn answer(
        &self,
        turn: &mut Turn<'_>,
        parts: &mut Parts,
        id: RequestId,
        decided: &Message,
        outcome: &Outcome,
        life_cycle: Option<LifeCycleId>,
    ) {
        let Some((origin, repeats)) = self.origins.split_first() else { return };
        let own = answer::SwitchElements {
            business_date: self.business_date,
            rrn: self.rrn,
            life_cycle: life_cycle.as_ref(),
            ..parts.intake.switch_elements(turn, origin, outcome.code)
        };
        let answer = answer::build(&origin.message, Some(decided), own);
        let stored = parts.intake.stored(origin, &answer);
        if let Some(identity) = &self.identity {
            let ended = EndedRequest {
                ending: if outcome.code.is_approval() { Ending::Approved } else { Ending::Declined },
                code: outcome.code,
                answer: stored.clone(),
                life_cycle,
                approval: outcome.approval.filter(|code| !code.as_str().is_empty()),
                approved: outcome.amount.unwrap_or(Minor::ZERO),
            };
            parts.recents.end(turn, id, identity, ended);
            if parts.intake.outlives_power(origin) {
                turn.push(Effect::Promise);
            }
        }
        parts.intake.answer(turn, origin, &answer, outcome.code);
        for repeat in repeats {
            match &stored {
                Some(stored) => parts.intake.repeat_answer(turn, repeat, stored),
                None => parts.intake.answer_code_after_sync(turn, repeat, ResponseCode::ISSUER_INOPERATIVE),
            }
        }
    }
}

/// Queues the advice to the host for a sale that a foreign issuer approved.
fn enqueue_to_host(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    request: &Request,
    outcome: &Outcome,
    life_cycle: Option<&LifeCycleId>,
) -> Result<(), NotQueued> {
    let Some(identity) = request.identity.as_ref().filter(|_| request.acquired && outcome.code.is_approval()) else {
        return Ok(());
    };
    let sale = AcquiredSale {
        identity,
        card: request.card,
        destination: request.destination,
        business_date: request.business_date,
        message: &request.message,
        outcome,
        life_cycle,
    };
    advice::enqueue_acquired(turn, &mut parts.destinations, &mut parts.saf, sale)
}

/// The life-cycle id of the host's answer; for an acquired transaction, which the host has not seen, a new one.
fn life_cycle(turn: &mut Turn<'_>, request: &Request, outcome: &Outcome) -> Option<LifeCycleId> {
    let ours = request.acquired && outcome.code.is_approval();
    outcome.life_cycle.clone().or_else(|| ours.then(|| turn.numbers.life_cycle_id()))
}
