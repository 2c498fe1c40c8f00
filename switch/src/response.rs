//! What comes from a destination: answers, which end what awaits them exactly once, and its own network messages.

use crate::core::{Awaited, Core, Turn};
use crate::event::{ConnectionId, DestinationId};
use crate::metrics;
use crate::translate::Outcome;
use codecs::Message;
use codecs::mti::Class;
use link::key::MatchKey;
use link::mux::Answer;

impl Core {
    pub(crate) fn destination_sent(
        &mut self,
        turn: &mut Turn<'_>,
        destination: DestinationId,
        connection: ConnectionId,
        message: &Message,
    ) {
        self.heard(turn, destination, connection);
        if message.mti().is_response() {
            return self.answered(turn, destination, message);
        }
        match message.mti().class() {
            Class::Network => self.network_from_destination(turn, destination, connection, message),
            _ => {
                let name = &self.destination(destination).config.name;
                metrics::unmatched(name);
                tracing::warn!(destination = %name, mti = %message.mti(), "a destination does not send requests");
            }
        }
    }

    fn answered(&mut self, turn: &mut Turn<'_>, destination: DestinationId, message: &Message) {
        let rule = self.destination(destination).rule;
        let name = self.destination(destination).config.name.clone();
        let read = MatchKey::of(rule, message).and_then(|key| Outcome::of(message).map(|outcome| (key, outcome)));
        let (key, outcome) = match read {
            Ok(read) => read,
            Err(error) => {
                // its request runs into its time-out, and that one reverses
                metrics::malformed(&name, &error);
                tracing::warn!(destination = %name, %error, "an answer that cannot be used");
                return;
            }
        };
        match self.destination_mut(destination).mux.answer(&key) {
            Answer::Matched(Awaited::Request(request)) => self.conclude(turn, request, message, &outcome),
            // an acknowledgement is as good late as in time
            Answer::Matched(Awaited::Owed(id)) | Answer::Late(Awaited::Owed(id)) => {
                self.owed_answered(turn, id, outcome.code);
            }
            Answer::Matched(Awaited::SignOn(connection)) | Answer::Late(Awaited::SignOn(connection)) => {
                self.signed_on(turn, destination, connection, outcome.code);
            }
            Answer::Matched(Awaited::CutOver(date)) | Answer::Late(Awaited::CutOver(date)) => {
                self.date_answered(turn, date, outcome.code);
            }
            Answer::Matched(Awaited::Echo | Awaited::SignOff) | Answer::Late(Awaited::Echo | Awaited::SignOff) => {}
            Answer::Late(Awaited::Request(request)) => self.late(turn, &name, request, &outcome),
            Answer::Unmatched => {
                metrics::unmatched(&name);
                tracing::warn!(destination = %name, mti = %message.mti(), code = %outcome.code, "an answer nobody awaits");
            }
        }
    }

    /// Never forwarded: the reversal that became owed at the time-out covers it, whatever it says.
    fn late(&mut self, turn: &mut Turn<'_>, destination: &str, request: u64, outcome: &Outcome) {
        metrics::late(destination);
        let owed = self.note_late(turn, request, outcome.code).map(|id| id.0);
        tracing::warn!(destination, request, code = %outcome.code, owed, "late answer: recorded, not forwarded");
    }

    /// Ends what has waited for too long.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_>, destination: DestinationId) {
        while let Some((_, awaited)) = self.destination_mut(destination).mux.expire(turn.now.mono) {
            match awaited {
                Awaited::Request(request) => self.timed_out(turn, request),
                Awaited::Owed(id) => self.owed_unanswered(turn, id),
                // the session counts its own, and the cut-over is announced again by its own timer
                Awaited::SignOn(_) | Awaited::Echo | Awaited::SignOff | Awaited::CutOver(_) => {}
            }
        }
    }
}
