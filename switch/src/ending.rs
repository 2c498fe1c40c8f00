//! How a request ends by its answer, and what is kept of it.

use crate::core::Core;
use crate::event::{Arrival, Effect, RequestId};
use crate::intake::{EndedRequest, RecentRequest};
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::store::Record;
use crate::store::record::{Ended, Ending};
use crate::translate::{Outcome, answer};
use crate::turn::Turn;
use crate::under_way::{Request, UnderWay};
use bytes::Bytes;
use codecs::value::{Minor, ResponseCode};
use codecs::{Builder, Message};

impl Core {
    /// The destination answered in time.
    pub(crate) fn conclude(&mut self, turn: &mut Turn<'_>, id: RequestId, decided: &Message, outcome: &Outcome) {
        let Some(UnderWay { request, stan }) = self.requests.remove(&id) else { return };
        let _transaction = request.span.clone().entered();
        metrics::in_flight(self.requests.len());
        metrics::stage("upstream", request.sent, turn.now.mono);
        if self.reversed_meanwhile(&request) {
            metrics::answered_after_reversal();
            tracing::info!(request = id.0, code = %outcome.code, "the originator reversed before this answer came");
            return;
        }
        let ending = if outcome.code.is_approval() { Ending::Approved } else { Ending::Declined };
        let life_cycle = life_cycle(turn, &request, outcome);
        let is_acquired = ending == Ending::Approved && request.acquired;
        if is_acquired && self.owe_acquired(turn, &request, outcome, life_cycle.as_ref()).is_err() {
            // the merchant would never be paid for it: it must not stand at the issuer either
            return self.end_undecided(turn, id, &request, stan);
        }
        drop(stan);
        let Some(origin) = request.origins.first() else { return };
        let own = answer::Own {
            business_date: request.business_date,
            rrn: request.rrn,
            life_cycle: life_cycle.as_ref(),
            ..self.parts.intake.own(turn, origin, outcome.code)
        };
        let answer = answer::build(&origin.message, Some(decided), own);
        let stored = self.stored(origin, &answer);
        let ended = EndedRequest {
            ending,
            answer: stored.clone(),
            life_cycle,
            approval: outcome.approval.filter(|code| !code.as_str().is_empty()),
            approved: outcome.amount.unwrap_or(Minor::ZERO),
        };
        self.record_ending(turn, id, &request, ended);
        self.parts.intake.answer(turn, origin, &answer, outcome.code);
        for repeat in &request.origins[1..] {
            match &stored {
                Some(stored) => self.parts.intake.answer_again(turn, repeat, stored),
                None => self.parts.intake.refuse_again(turn, repeat, ResponseCode::ISSUER_INOPERATIVE),
            }
        }
        metrics::total(request.received, turn.now.mono);
        tracing::debug!(request = id.0, code = %outcome.code, "answered");
    }

    /// A reversal by the originator was promised while the request was under way.
    pub(crate) fn reversed_meanwhile(&self, request: &Request) -> bool {
        let recent = request.identity.as_ref().and_then(|identity| self.parts.recents.get(identity));
        recent.is_some_and(|recent| recent.reversed)
    }

    /// An answer for the repeats of its request; `None` if it does not fit the originator's dialect.
    pub(crate) fn stored(&self, origin: &Arrival, answer: &Builder) -> Option<Bytes> {
        let listener = self.parts.intake.name(origin.listener);
        let stored = answer.encode();
        stored.inspect_err(|error| tracing::error!(listener, %error, "an answer cannot be kept for repeats")).ok()
    }

    /// Journals and remembers how a request ended.
    pub(crate) fn record_ending(&mut self, turn: &mut Turn<'_>, id: RequestId, request: &Request, ended: EndedRequest) {
        let Some(identity) = &request.identity else { return };
        let ending = ended.ending;
        match self.parts.recents.end(identity, ended).and_then(RecentRequest::ended).cloned() {
            Some(ended) => self.journal_ended(turn, id, &ended),
            // forgotten already: still, it must not look unanswered after a restart
            None => turn.push(Effect::Journal(Record::Ended(Ended::without_answer(id.0, ending)))),
        }
    }
}

/// The host gives each authorization its id; an acquired one, which it has not seen, gets ours.
fn life_cycle(turn: &mut Turn<'_>, request: &Request, outcome: &Outcome) -> Option<LifeCycleId> {
    let ours = request.acquired && outcome.code.is_approval();
    outcome.life_cycle.clone().or_else(|| ours.then(|| turn.numbers.life_cycle_id()))
}
