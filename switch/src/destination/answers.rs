//! Messages of a destination: answers, each of which ends what awaits it exactly once, and its own network messages.

use super::Destinations;
use crate::event::{ConnectionId, DestinationId, OwedId, RequestId};
use crate::metrics;
use crate::translate::Outcome;
use crate::turn::Turn;
use codecs::Message;
use codecs::mti::Class;
use codecs::value::ResponseCode;
use jiff::civil::Date;
use link::mux::Answer;

/// What waits for a destination's answer elsewhere in the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaiting {
    Request(RequestId),
    /// A message of store and forward.
    Owed(OwedId),
}

/// What an answer of the destination ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Payment(Awaiting),
    SignOn(ConnectionId),
    Echo,
    SignOff,
    CutOver(Date),
}

/// What came of a destination's message, for the part that it concerns.
#[derive(Debug)]
pub(crate) enum Received {
    /// A request was answered in time.
    Answer(RequestId, Outcome),
    /// A request was answered after its time-out.
    LateAnswer(RequestId, Outcome),
    /// A message of store and forward was answered. An acknowledgement is as good late as in time.
    OwedAnswer(OwedId, ResponseCode),
    /// The host answered the announcement of this business date.
    CutOverAnswer(Date, ResponseCode),
    /// The destination takes traffic over one more connection.
    LinkUp,
    /// It was seen to here.
    Nothing,
}

impl Destinations {
    pub(crate) fn received(
        &mut self,
        turn: &mut Turn<'_>,
        id: DestinationId,
        connection: ConnectionId,
        message: &Message,
    ) -> Received {
        self.of_mut(id).links.heard(connection, turn.now.mono);
        if message.mti().is_response() {
            return self.answered(turn, id, message);
        }
        match message.mti().class() {
            Class::Network => self.network_request(turn, id, connection, message),
            _ => {
                metrics::unmatched(self.name(id));
                tracing::warn!(destination = %self.name(id), mti = %message.mti(), "a destination does not send requests");
            }
        }
        Received::Nothing
    }

    fn answered(&mut self, turn: &mut Turn<'_>, id: DestinationId, message: &Message) -> Received {
        let read = self.match_key_of(id, message).and_then(|key| Outcome::of(message).map(|outcome| (key, outcome)));
        let (key, outcome) = match read {
            Ok(read) => read,
            Err(error) => {
                // its request runs into its time-out, and that one reverses
                metrics::malformed(self.name(id), &error);
                tracing::warn!(destination = %self.name(id), %error, "an answer that cannot be used");
                return Received::Nothing;
            }
        };
        let (awaited, is_late) = match self.of_mut(id).mux.answer(&key) {
            Answer::Matched(awaited) => (awaited, false),
            Answer::Late(awaited) => (awaited, true),
            Answer::Unmatched => {
                metrics::unmatched(self.name(id));
                tracing::warn!(destination = %self.name(id), mti = %message.mti(), code = %outcome.code, "an answer nobody awaits");
                return Received::Nothing;
            }
        };
        match awaited {
            Awaited::Payment(Awaiting::Request(request)) if is_late => Received::LateAnswer(request, outcome),
            Awaited::Payment(Awaiting::Request(request)) => Received::Answer(request, outcome),
            Awaited::Payment(Awaiting::Owed(owed)) => Received::OwedAnswer(owed, outcome.code),
            Awaited::CutOver(date) => Received::CutOverAnswer(date, outcome.code),
            Awaited::SignOn(connection) => match self.signed_on(turn, id, connection, outcome.code) {
                true => Received::LinkUp,
                false => Received::Nothing,
            },
            Awaited::Echo | Awaited::SignOff => Received::Nothing,
        }
    }

    /// The next that has waited for its answer for too long; call until `None`.
    pub(crate) fn expired(&mut self, turn: &Turn<'_>, id: DestinationId) -> Option<Awaiting> {
        loop {
            match self.of_mut(id).mux.expire(turn.now.mono)? {
                (_, Awaited::Payment(awaiting)) => return Some(awaiting),
                // the session counts its own, and the cut-over is announced again by its own timer
                (_, Awaited::SignOn(_) | Awaited::Echo | Awaited::SignOff | Awaited::CutOver(_)) => {}
            }
        }
    }
}
