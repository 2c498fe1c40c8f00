//! The records of requests in the pending log: one before a request is sent, one when it ends. core/restore.rs reads
//! them after a restart.

use super::duplicates::{EndedRequest, Identity, RecentRequest, RecentRequests};
use crate::event::{Effect, RequestId};
use crate::life_cycle;
use crate::record::{Ended, Ending, Record, Sent};
use crate::turn::Turn;

impl RecentRequests {
    /// Journals a request before it is sent, and keeps it for its repeats. `destination` is a name.
    pub(crate) fn begin(&mut self, turn: &mut Turn<'_>, destination: &str, identity: Identity, recent: RecentRequest) {
        turn.push(Effect::Journal(Record::Sent(Sent {
            request: recent.request.0,
            key: identity.key.as_str().to_owned(),
            class: identity.number(),
            content: recent.content.0,
            card: recent.card.0,
            destination: destination.to_owned(),
            sent_at_ms: recent.at_ms,
            acquired: recent.acquired,
            message: recent.message.to_vec(),
        })));
        self.insert(identity, recent);
    }

    /// Journals how a request ended, before its originator is answered, and keeps the answer for its repeats.
    pub(crate) fn end(&mut self, turn: &mut Turn<'_>, request: RequestId, identity: &Identity, ended: EndedRequest) {
        let is_remembered = self.get(identity).is_some_and(|recent| recent.request == request);
        if !is_remembered {
            // no longer kept; without this record it would count as unanswered after a restart
            return end_without_answer(turn, request, ended.ending);
        }
        turn.push(Effect::Journal(Record::Ended(Ended {
            request: request.0,
            ending: ended.ending,
            answer: ended.answer.as_deref().map_or_else(Vec::new, <[u8]>::to_vec),
            life_cycle: life_cycle::stored(ended.life_cycle.as_ref()),
            approval: ended.approval.map_or_else(String::new, |code| code.as_str().to_owned()),
            approved_minor: ended.approved.0,
        })));
        self.set_ended(identity, ended);
        self.keep(turn, identity);
    }

    /// Journals that a request was reversed by its originator while it was under way: its answer will not be forwarded.
    pub(crate) fn end_reversed(turn: &mut Turn<'_>, request: RequestId) {
        end_without_answer(turn, request, Ending::Reversed);
    }

    /// Journals the end of a request that had no answer when the switch was killed; its reversal is in store and
    /// forward.
    pub(crate) fn end_unanswered(&mut self, turn: &mut Turn<'_>, request: RequestId, identity: &Identity) {
        end_without_answer(turn, request, Ending::TimedOut);
        self.set_ended(identity, EndedRequest::without_decision(Ending::TimedOut, None));
    }
}

fn end_without_answer(turn: &mut Turn<'_>, request: RequestId, ending: Ending) {
    turn.push(Effect::Journal(Record::Ended(Ended::without_answer(request.0, ending))));
}
