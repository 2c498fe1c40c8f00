//! What operators ask: links, what is owed, sign-off and sign-on, cut-over.

use crate::core::{Core, Turn};
use crate::event::{Command, ConnectionId, DestinationId, Effect, Reply, Ticket};
use crate::saf::{Entry, GivenUp, OwedId};
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
        let listeners = self.listeners.iter().map(|listener| {
            json!({
                "name": listener.config.name,
                "kind": "listener",
                "connections": listener.connections.len(),
                "signed_on": !listener.config.sign_on_required || !listener.signed_on.is_empty(),
            })
        });
        let destinations = self.destinations.iter().enumerate().map(|(i, destination)| {
            let state = match (destination.is_up(), destination.signed_off) {
                (true, _) => "up",
                (false, true) => "signed-off",
                (false, false) => "down",
            };
            json!({
                "name": destination.config.name,
                "kind": "destination",
                "state": state,
                "connections": destination.sessions.len(),
                "in_flight": destination.mux.len(),
                "owed": self.saf.depth(DestinationId(i)),
            })
        });
        json!({
            "business_date": self.day.date.to_string(),
            "links": listeners.chain(destinations).collect::<Vec<_>>(),
        })
    }

    fn owed_list(&self, wall_ms: i64) -> Value {
        let owed: Vec<Value> = self.saf.entries().map(|(id, entry)| self.shown(id, entry, wall_ms)).collect();
        let dead = self.saf.dead().map(|(id, entry, why)| {
            let mut shown = self.shown(id, entry, wall_ms);
            shown["why"] = match why {
                GivenUp::Expired => "expired",
                GivenUp::Refused => "refused",
            }
            .into();
            shown
        });
        json!({ "count": owed.len(), "owed": owed, "dead_letters": dead.collect::<Vec<_>>() })
    }

    /// Number, place and age; nothing of the message but its type.
    fn shown(&self, id: OwedId, entry: &Entry, wall_ms: i64) -> Value {
        json!({
            "id": id.0,
            "destination": self.destination(entry.destination).config.name,
            "mti": self.read_own(&entry.message).map(|message| message.mti().to_string()),
            "key": entry.key,
            "age_ms": wall_ms - entry.since_ms,
            "attempts": entry.attempts,
            "late_answer": entry.late.map(|code| code.to_string()),
        })
    }

    fn sign(&mut self, turn: &mut Turn<'_>, name: &str, on: bool) -> Reply {
        let Some(index) = self.destinations.iter().position(|d| d.config.name == name) else {
            return Reply::Refused(format!("no destination is called {name:?}"));
        };
        let (id, now) = (DestinationId(index), turn.now.mono);
        self.destination_mut(id).signed_off = !on;
        let connections: Vec<ConnectionId> = self.destination(id).sessions.keys().copied().collect();
        for connection in connections {
            let Some(session) = self.destination_mut(id).sessions.get_mut(&connection) else { continue };
            let actions = if on { session.sign_on_again(now).into_iter().collect() } else { session.sign_off(true) };
            self.act(turn, id, connection, actions);
        }
        Reply::Done(json!({ "name": name, "signed_off": !on }))
    }
}
