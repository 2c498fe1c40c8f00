//! A request without an answer in time: its originator gets 91, its destination gets a reversal.
//!
//! The 0420 (reversal/made.rs) is in store and forward, and on the disk, before the 91 is sent; if it cannot be queued,
//! no 91 is sent. It is repeated as 0421 until acknowledged (saf/). A late answer does not change that: response.rs
//! records it and forwards nothing.

use super::in_flight::{InFlight, Request};
use crate::destination::HeldStan;
use crate::event::RequestId;
use crate::intake::EndedRequest;
use crate::metrics;
use crate::parts::Parts;
use crate::record::Ending;
use crate::reversal::{self, Covered, ToReverse};
use crate::saf::NotQueued;
use crate::translate::answer;
use crate::turn::Turn;
use codecs::value::ResponseCode;

impl InFlight {
    /// The deadline has passed.
    pub(super) fn time_out(self, turn: &mut Turn<'_>, parts: &mut Parts, id: RequestId) {
        let _transaction = self.request.span.clone().entered();
        if self.request.is_reversed(&parts.recents) {
            return;
        }
        metrics::timed_out(parts.destinations.name(self.request.destination));
        tracing::warn!(request = id.0, "no answer in time");
        self.end_without_outcome(turn, parts, id, ResponseCode::ISSUER_INOPERATIVE);
    }

    /// The request never left the switch, so that nothing has to be reversed.
    pub(super) fn end_unsent(self, turn: &mut Turn<'_>, parts: &mut Parts, id: RequestId) {
        let _transaction = self.request.span.clone().entered();
        if self.request.is_reversed(&parts.recents) {
            return;
        }
        metrics::not_sent("not-read", parts.destinations.name(self.request.destination));
        self.request.answer_covered(turn, parts, id, &Covered::never_sent(), ResponseCode::ISSUER_INOPERATIVE);
    }

    /// Ends a request whose outcome is unknown: its reversal is queued, then its originator gets `code`, 91 if there was no
    /// answer. If the reversal cannot be queued, there is no answer either: the originator reverses the request, and the
    /// pending log keeps it open for the next start.
    pub(super) fn end_without_outcome(self, turn: &mut Turn<'_>, parts: &mut Parts, id: RequestId, code: ResponseCode) {
        let Self { request, stan } = self;
        match secure(turn, parts, id, &request, stan) {
            Ok(covered) => request.answer_covered(turn, parts, id, &covered, code),
            Err(error) => tracing::error!(request = id.0, %error, "no answer: its reversal could not be promised"),
        }
    }
}

/// Has its reversal queued, unless it is a reconciliation: totals change nothing.
fn secure(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    id: RequestId,
    request: &Request,
    stan: HeldStan,
) -> Result<Covered, NotQueued> {
    let subject = request.identity.as_ref().map(|identity| ToReverse {
        request: Some(id),
        destination: request.destination,
        card: request.card,
        key: identity.named(),
        message: &request.message,
        life_cycle: None,
    });
    reversal::cover(turn, &mut parts.destinations, &mut parts.saf, subject, stan)
}

impl Request {
    fn answer_covered(
        &self,
        turn: &mut Turn<'_>,
        parts: &mut Parts,
        id: RequestId,
        covered: &Covered,
        code: ResponseCode,
    ) {
        tracing::warn!(request = id.0, owed = covered.by().map(|id| id.0), %code, "the outcome is not known");
        let Some((origin, repeats)) = self.origins.split_first() else { return };
        let own = answer::SwitchElements {
            business_date: self.business_date,
            rrn: self.rrn,
            ..parts.intake.switch_elements(turn, origin, code)
        };
        let answer = answer::build(&origin.message, None, own);
        if let Some(identity) = &self.identity {
            let stored = parts.intake.stored(origin, &answer);
            let ending = if code == ResponseCode::ISSUER_INOPERATIVE { Ending::TimedOut } else { Ending::Declined };
            let ended = EndedRequest { code, ..EndedRequest::without_decision(ending, stored) };
            parts.recents.end(turn, id, identity, ended);
        }
        parts.intake.answer(turn, origin, &answer, code);
        for repeat in repeats {
            parts.intake.answer_code(turn, repeat, code);
        }
    }
}
