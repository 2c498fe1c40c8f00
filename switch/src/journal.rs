//! What is written down of a request: that it leaves, and how it ended. restore.rs reads it again.

use crate::core::Core;
use crate::event::{Effect, RequestId};
use crate::intake::{EndedRequest, Identity, RecentRequest};
use crate::life_cycle;
use crate::store::Record;
use crate::store::record::{Ended, Sent};
use crate::turn::Turn;

impl Core {
    /// Before it leaves.
    pub(crate) fn journal_sent(&self, turn: &mut Turn<'_>, identity: &Identity, recent: &RecentRequest) {
        turn.push(Effect::Journal(Record::Sent(Sent {
            request: recent.request.0,
            key: identity.key.as_str().to_owned(),
            class: identity.class as u8,
            content: recent.content.0,
            card: recent.card.0,
            destination: self.parts.destinations.name(recent.destination).to_owned(),
            sent_at_ms: recent.at_ms,
            acquired: recent.acquired,
            message: recent.message.to_vec(),
        })));
    }

    /// Before its originator hears of it.
    pub(crate) fn journal_ended(&self, turn: &mut Turn<'_>, request: RequestId, ended: &EndedRequest) {
        turn.push(Effect::Journal(Record::Ended(Ended {
            request: request.0,
            ending: ended.ending,
            answer: ended.answer.as_deref().map_or_else(Vec::new, <[u8]>::to_vec),
            life_cycle: life_cycle::stored(ended.life_cycle.as_ref()),
            approval: ended.approval.map_or_else(String::new, |code| code.as_str().to_owned()),
            approved_minor: ended.approved.0,
        })));
    }
}
