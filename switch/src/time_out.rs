//! A request without an answer in time: 91 to the originator, and what may have been done is owed a reversal.
//!
//! The 0420 is made and promised (owed.rs) before the 91 leaves; it is repeated as 0421 until acknowledged (saf.rs).
//! A late answer does not change that: response.rs records it and forwards nothing.

use crate::core::{Core, Turn};
use crate::ending::Facts;
use crate::metrics;
use crate::owed::Subject;
use crate::request::Request;
use crate::reversal::Cause;
use crate::saf::OwedId;
use crate::store::record::Ending;
use crate::translate::answer;
use codecs::value::ResponseCode;

impl Core {
    /// Its deadline has passed.
    pub(crate) fn timed_out(&mut self, turn: &mut Turn<'_>, id: u64) {
        let Some(request) = self.requests.remove(&id) else { return };
        let _transaction = request.span.clone().entered();
        self.destination_mut(request.destination).stans.release(request.stan);
        metrics::in_flight(self.requests.len());
        if self.reversed_meanwhile(&request) {
            return;
        }
        let name = self.destination(request.destination).config.name.clone();
        metrics::timed_out(&name);
        let owed = self.owe_timed_out(turn, id, &request);
        tracing::warn!(request = id, destination = %name, owed = owed.map(|id| id.0), "no answer in time: 91");
        let Some(origin) = request.origins.first() else { return };
        let own = answer::Own {
            business_date: request.business_date,
            rrn: request.rrn,
            ..self.own(origin, ResponseCode::ISSUER_INOPERATIVE)
        };
        let answer = answer::build(&origin.message, None, own);
        let stored = answer.encode().unwrap_or_default();
        let facts = Facts { stored, ..Facts::nothing_but(Ending::TimedOut) };
        self.record_ending(turn, id, &request, facts);
        self.answer(turn, origin, &answer, ResponseCode::ISSUER_INOPERATIVE);
        for repeat in &request.origins[1..] {
            self.refuse(turn, repeat, ResponseCode::ISSUER_INOPERATIVE);
        }
    }

    /// The reversal of a request that timed out, if one is owed.
    fn owe_timed_out(&mut self, turn: &mut Turn<'_>, id: u64, request: &Request) -> Option<OwedId> {
        let identity = request.identity.as_ref()?;
        let subject = Subject {
            request: id,
            destination: request.destination,
            card: request.card,
            key: identity.key.as_str(),
            message: &request.message,
            life_cycle: "",
        };
        self.owe_reversal(turn, subject, Cause::TIMED_OUT)
    }
}
