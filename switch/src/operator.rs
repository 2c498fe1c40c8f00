//! What operators ask: links, what is owed, sign-off and sign-on, cut-over.

use crate::core::Core;
use crate::event::{Command, Effect, OwedId, Reply, Ticket};
use crate::saf::{DeadLetterReason, OwedMessage};
use crate::turn::Turn;
use serde_json::{Value, json};

impl Core {
    pub(crate) fn operate(&mut self, turn: &mut Turn<'_>, ticket: Ticket, command: Command) {
        let reply = match command {
            Command::CutOver(date) => return self.cut_over(turn, ticket, date),
            Command::Links => Reply::Done(self.links()),
            Command::Owed => Reply::Done(self.owed_list(turn.now.wall_ms)),
            Command::SignOff(name) => self.sign(turn, &name, false),
            Command::SignOn(name) => self.sign(turn, &name, true),
        };
        turn.push(Effect::Reply(ticket, reply));
    }

    fn links(&self) -> Value {
        let listeners = self.parts.intake.shown().map(|listener| {
            json!({
                "name": listener.name,
                "kind": "listener",
                "connections": listener.connections,
                "signed_on": listener.signed_on,
            })
        });
        let destinations = self.parts.destinations.ids().map(|id| {
            let shown = self.parts.destinations.shown(id);
            json!({
                "name": shown.name,
                "kind": "destination",
                "state": shown.state,
                "connections": shown.connections,
                "in_flight": shown.in_flight,
                "owed": self.parts.saf.depth(id),
            })
        });
        json!({
            "business_date": self.day.date.to_string(),
            "links": listeners.chain(destinations).collect::<Vec<_>>(),
        })
    }

    fn owed_list(&self, wall_ms: i64) -> Value {
        let owed: Vec<Value> =
            self.parts.saf.unacknowledged().map(|(id, owed)| self.shown(id, owed, wall_ms)).collect();
        let dead = self.parts.saf.dead_letters().map(|(id, owed, why)| {
            let mut shown = self.shown(id, owed, wall_ms);
            shown["why"] = match why {
                DeadLetterReason::Expired => "expired",
                DeadLetterReason::Refused => "refused",
            }
            .into();
            shown
        });
        json!({ "count": owed.len(), "owed": owed, "dead_letters": dead.collect::<Vec<_>>() })
    }

    /// Number, place and age; nothing of the message but its type.
    fn shown(&self, id: OwedId, owed: &OwedMessage, wall_ms: i64) -> Value {
        json!({
            "id": id.0,
            "destination": self.parts.destinations.name(owed.destination),
            "mti": self.parts.destinations.read_own(&owed.message).ok().map(|message| message.mti().to_string()),
            "key": owed.key,
            "age_ms": wall_ms - owed.since_ms,
            "attempts": owed.attempts,
            "late_answer": owed.late.map(|code| code.to_string()),
        })
    }

    fn sign(&mut self, turn: &mut Turn<'_>, name: &str, on: bool) -> Reply {
        let Some(id) = self.parts.destinations.named(name) else {
            return Reply::Refused(format!("no destination is called {name:?}"));
        };
        self.parts.destinations.sign(turn, id, on);
        Reply::Done(json!({ "name": name, "signed_off": !on }))
    }
}
