//! How a request ends by its answer, and what is kept of it.

use crate::core::Core;
use crate::duplicates::State;
use crate::event::{Effect, RequestId};
use crate::metrics;
use crate::store::Record;
use crate::store::record::{Ended, Ending};
use crate::trace;
use crate::translate::{Outcome, answer};
use crate::turn::Turn;
use crate::under_way::{Request, UnderWay};
use bytes::Bytes;
use codecs::Message;

/// How a request ended, for the journal and for its repeats.
pub(crate) struct Facts {
    pub ending: Ending,
    /// The answer, in the originator's dialect.
    pub stored: Bytes,
    pub life_cycle: String,
    pub approval: String,
    pub approved_minor: i64,
}

impl Facts {
    /// For an ending without an answer of the destination.
    pub fn nothing_but(ending: Ending) -> Self {
        let (life_cycle, approval) = (String::new(), String::new());
        Self { ending, stored: Bytes::new(), life_cycle, approval, approved_minor: 0 }
    }
}

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
        let life_cycle = self.life_cycle(&request, outcome);
        let is_acquired = ending == Ending::Approved && request.acquired;
        if is_acquired && self.owe_acquired(turn, &request, outcome, &life_cycle).is_err() {
            // the merchant would never be paid for it: it must not stand at the issuer either
            return self.end_undecided(turn, id, &request, stan);
        }
        drop(stan);
        let Some(origin) = request.origins.first() else { return };
        let own = answer::Own {
            business_date: request.business_date,
            rrn: request.rrn,
            life_cycle: (!life_cycle.is_empty()).then_some(life_cycle.as_str()),
            ..self.own(origin, outcome.code)
        };
        let answer = answer::build(&origin.message, Some(decided), own);
        let approved_minor = outcome.amount.map_or(0, |amount| amount.0);
        let approval = outcome.approval.map_or(String::new(), |code| code.as_str().to_owned());
        let stored = answer.encode().unwrap_or_default();
        let facts = Facts { ending, stored: stored.clone(), life_cycle, approval, approved_minor };
        self.record_ending(turn, id, &request, facts);
        self.answer(turn, origin, &answer, outcome.code);
        for repeat in &request.origins[1..] {
            self.answer_again(turn, repeat, &stored);
        }
        metrics::total(request.received, turn.now.mono);
        tracing::debug!(request = id.0, code = %outcome.code, "answered");
    }

    /// A reversal by the originator was promised while the request was under way.
    pub(crate) fn reversed_meanwhile(&self, request: &Request) -> bool {
        let recent = request.identity.as_ref().and_then(|identity| self.recents.get(identity));
        recent.is_some_and(|recent| recent.reversed)
    }

    /// The host gives each authorization its id; an acquired one, which it has not seen, gets ours.
    fn life_cycle(&mut self, request: &Request, outcome: &Outcome) -> String {
        match &outcome.life_cycle {
            Some(id) => id.clone(),
            None if request.acquired && outcome.code.is_approval() => trace::life_cycle_id(&mut self.random),
            None => String::new(),
        }
    }

    /// Journals and remembers how a request ended.
    pub(crate) fn record_ending(&mut self, turn: &mut Turn<'_>, id: RequestId, request: &Request, facts: Facts) {
        let Some(identity) = &request.identity else { return };
        let Some(recent) = self.recents.get_mut(identity) else {
            // forgotten already: still, it must not look unanswered after a restart
            let ended = Ended::without_answer(id.0, facts.ending);
            return turn.push(Effect::Journal(Record::Ended(ended)));
        };
        recent.state = State::Ended { ending: facts.ending, answer: facts.stored };
        recent.life_cycle = facts.life_cycle;
        recent.approval = facts.approval;
        recent.approved_minor = facts.approved_minor;
        if let Some(recent) = self.recents.get(identity) {
            self.journal_ended(turn, recent);
        }
    }

    /// The originator reverses what is still under way: it is over for it, and its answer will not be forwarded.
    pub(crate) fn end_reversed(&mut self, turn: &mut Turn<'_>, id: RequestId) {
        turn.push(Effect::Journal(Record::Ended(Ended::without_answer(id.0, Ending::Reversed))));
    }
}
