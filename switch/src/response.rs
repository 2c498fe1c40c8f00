//! What comes from a destination, given to the part that it concerns.

use crate::core::Core;
use crate::destination::{Awaiting, Received};
use crate::event::{ConnectionId, DestinationId, RequestId};
use crate::metrics;
use crate::translate::Outcome;
use crate::turn::Turn;
use codecs::Message;

impl Core {
    pub(crate) fn destination_sent(
        &mut self,
        turn: &mut Turn<'_>,
        destination: DestinationId,
        connection: ConnectionId,
        message: &Message,
    ) {
        match self.parts.destinations.received(turn, destination, connection, message) {
            Received::Answer(request, outcome) => self.conclude(turn, request, message, &outcome),
            Received::LateAnswer(request, outcome) => self.late(turn, destination, request, &outcome),
            Received::OwedAnswer(id, code) => self.parts.saf.answered(turn, &self.parts.destinations, id, code),
            Received::CutOverAnswer(date, code) => self.date_answered(turn, date, code),
            Received::LinkUp => {
                self.parts.saf.hurry(destination, turn.now.mono);
                if self.parts.destinations.is_host(destination) {
                    self.day.hurry(turn.now.mono);
                }
            }
            Received::Nothing => {}
        }
    }

    /// Never forwarded: the reversal that became owed at the time-out covers it, whatever it says.
    fn late(&mut self, turn: &mut Turn<'_>, destination: DestinationId, request: RequestId, outcome: &Outcome) {
        metrics::late(self.parts.destinations.name(destination));
        let owed = self.parts.saf.note_late(turn, &self.parts.destinations, request, outcome.code).map(|id| id.0);
        let destination = self.parts.destinations.name(destination);
        tracing::warn!(destination, request = request.0, code = %outcome.code, owed, "late answer: recorded, not forwarded");
    }

    /// Ends what has waited for too long.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_>, destination: DestinationId) {
        while let Some(awaiting) = self.parts.destinations.expired(turn, destination) {
            match awaiting {
                Awaiting::Request(request) => self.timed_out(turn, request),
                Awaiting::Owed(id) => self.parts.saf.unanswered(turn, id),
            }
        }
    }
}
