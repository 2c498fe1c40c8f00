//! A request without an answer in time: 91 to the originator, and what may have been done is owed a reversal.
//!
//! The 0420 is made and promised (owed.rs) before the 91 leaves, and without that promise no 91 does; it is repeated as 0421 until acknowledged (saf.rs).
//! A late answer does not change that: response.rs records it and forwards nothing.

use crate::core::Core;
use crate::destination::HeldStan;
use crate::event::RequestId;
use crate::intake::EndedRequest;
use crate::metrics;
use crate::reversal::{self, Covered, Subject};
use crate::saf::NotOwed;
use crate::store::record::Ending;
use crate::translate::answer;
use crate::turn::Turn;
use crate::under_way::{Request, UnderWay};
use codecs::value::ResponseCode;

impl Core {
    /// Its deadline has passed.
    pub(crate) fn timed_out(&mut self, turn: &mut Turn<'_>, id: RequestId) {
        let Some(UnderWay { request, stan }) = self.requests.remove(&id) else { return };
        let _transaction = request.span.clone().entered();
        metrics::in_flight(self.requests.len());
        if self.reversed_meanwhile(&request) {
            return;
        }
        metrics::timed_out(self.parts.destinations.name(request.destination));
        tracing::warn!(request = id.0, "no answer in time");
        self.end_undecided(turn, id, &request, stan);
    }

    /// Nobody may rely on its outcome. What it may have left behind is taken care of, then it is answered 91; where
    /// that cannot be promised there is no answer either: the originator reverses it, and the journal keeps it open for
    /// the next start.
    pub(crate) fn end_undecided(&mut self, turn: &mut Turn<'_>, id: RequestId, request: &Request, stan: HeldStan) {
        match self.cover_request(turn, id, request, stan) {
            Ok(covered) => self.answer_undecided(turn, id, request, &covered),
            Err(error) => tracing::error!(request = id.0, %error, "no answer: its reversal could not be promised"),
        }
    }

    fn cover_request(
        &mut self,
        turn: &mut Turn<'_>,
        id: RequestId,
        request: &Request,
        stan: HeldStan,
    ) -> Result<Covered, NotOwed> {
        let Some(identity) = &request.identity else {
            return Ok(Covered::without_effect());
        };
        let subject = Subject {
            request: Some(id),
            destination: request.destination,
            card: request.card,
            key: identity.key.as_str(),
            message: &request.message,
            life_cycle: None,
        };
        reversal::cover(turn, &mut self.parts.destinations, &mut self.parts.saf, subject, stan)
    }

    fn answer_undecided(&mut self, turn: &mut Turn<'_>, id: RequestId, request: &Request, covered: &Covered) {
        tracing::warn!(request = id.0, owed = covered.by().map(|id| id.0), "91: the outcome is not known");
        let Some(origin) = request.origins.first() else { return };
        let own = answer::Own {
            business_date: request.business_date,
            rrn: request.rrn,
            ..self.parts.intake.own(turn, origin, ResponseCode::ISSUER_INOPERATIVE)
        };
        let answer = answer::build(&origin.message, None, own);
        let ended = EndedRequest::undecided(Ending::TimedOut, self.stored(origin, &answer));
        self.record_ending(turn, id, request, ended);
        self.parts.intake.answer(turn, origin, &answer, ResponseCode::ISSUER_INOPERATIVE);
        for repeat in &request.origins[1..] {
            self.parts.intake.refuse(turn, repeat, ResponseCode::ISSUER_INOPERATIVE);
        }
    }
}
