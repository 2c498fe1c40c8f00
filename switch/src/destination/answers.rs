//! Messages of a destination: answers, each matched to the one message that awaits it, and the destination's own
//! network messages.

use super::Destinations;
use crate::event::{ConnectionId, DestinationId, RequestId, SafId};
use crate::metrics;
use crate::translate::Outcome;
use crate::turn::Turn;
use codecs::Message;
use codecs::mti::Class;
use codecs::value::ResponseCode;
use jiff::civil::Date;
use link::mux::Answer;

/// A message of another part that awaits a destination's answer: of exchange/ or of saf/.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingMessage {
    Request(RequestId),
    /// A message of store and forward.
    Saf(SafId),
}

/// The request, network message or announcement that an answer of the destination ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Message(PendingMessage),
    SignOn(ConnectionId),
    Echo,
    SignOff,
    CutOver(Date),
}

/// A destination's message, read and matched, for the part that it concerns.
#[derive(Debug)]
pub(crate) enum Received {
    /// A request was answered in time.
    Answer(RequestId, Outcome),
    /// A request was answered after its time-out.
    LateAnswer(RequestId, Outcome),
    /// A message of store and forward was answered. A late acknowledgement counts like one in time.
    SafAnswer(SafId, ResponseCode),
    /// The host answered the announcement of this business date.
    CutOverAnswer(Date, ResponseCode),
    /// A connection signed on: the destination takes traffic over it.
    LinkUp,
    /// Nothing is left to do for another part.
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
        self.of_mut(id).links.message_arrived(connection, turn.now.mono);
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
                // its request will time out, and is reversed then
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
            Awaited::Message(PendingMessage::Request(request)) if is_late => Received::LateAnswer(request, outcome),
            Awaited::Message(PendingMessage::Request(request)) => Received::Answer(request, outcome),
            Awaited::Message(PendingMessage::Saf(owed)) => Received::SafAnswer(owed, outcome.code),
            Awaited::CutOver(date) => Received::CutOverAnswer(date, outcome.code),
            Awaited::SignOn(connection) => match self.signed_on(turn, id, connection, outcome.code) {
                true => Received::LinkUp,
                false => Received::Nothing,
            },
            Awaited::Echo | Awaited::SignOff => Received::Nothing,
        }
    }

    /// The next message whose answer did not come in time; call until `None`.
    pub(crate) fn expired(&mut self, turn: &Turn<'_>, id: DestinationId) -> Option<PendingMessage> {
        loop {
            match self.of_mut(id).mux.expire(turn.now.mono)? {
                (_, Awaited::Message(awaiting)) => return Some(awaiting),
                // a session has its own timer, and the cut-over announcement too
                (_, Awaited::SignOn(_) | Awaited::Echo | Awaited::SignOff | Awaited::CutOver(_)) => {}
            }
        }
    }
}
