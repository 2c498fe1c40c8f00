//! Sends the messages of store and forward and takes their answers: acknowledgement, retry, or dead letter.

use super::StoreAndForward;
use super::queue::DeadLetterReason;
use crate::destination::{Destinations, PendingMessage};
use crate::event::{DestinationId, Effect, SafId};
use crate::metrics;
use crate::record::Record;
use crate::turn::Turn;
use bytes::Bytes;
use codecs::Builder;
use codecs::value::ResponseCode;
use link::key::MatchKey;

impl StoreAndForward {
    /// Sends the messages that are due, if the destination is up, as far as its limit of messages under way allows.
    pub(crate) fn send_due(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &mut Destinations,
        destination: DestinationId,
    ) {
        if !destinations.is_up(destination) {
            return;
        }
        while let Some((id, owed)) = self.queue.next_due(destination, turn.now.mono) {
            let (message, repeat) = (owed.message.clone(), owed.attempts > 0);
            let Some((wire, key)) = encode_attempt(turn, destinations, destination, &message, repeat) else {
                self.give_up(turn, destinations, id, DeadLetterReason::Refused);
                continue;
            };
            self.send(turn, destinations, (destination, id), (wire, key), repeat);
        }
    }

    fn send(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &mut Destinations,
        (destination, id): (DestinationId, SafId),
        (wire, key): (Bytes, MatchKey),
        repeat: bool,
    ) {
        let awaited = destinations.await_answer(turn, destination, key, PendingMessage::Saf(id));
        let connection = destinations.choose_link(destination);
        match (awaited, connection) {
            (Ok(()), Some(connection)) => {
                turn.push(Effect::Send { destination, connection, body: wire });
                self.queue.sent(id);
                metrics::offered(destinations.name(destination), repeat);
            }
            (awaited, _) => {
                if awaited.is_ok() {
                    destinations.withdraw(destination, &key);
                }
                self.unanswered(turn, id);
            }
        }
    }

    /// The destination answered, in time or late.
    pub(crate) fn answered(&mut self, turn: &mut Turn<'_>, destinations: &Destinations, id: SafId, code: ResponseCode) {
        match code {
            // "not now": the destination's own system is down, or a day is being closed
            ResponseCode::ISSUER_INOPERATIVE
            | ResponseCode::SYSTEM_MALFUNCTION
            | ResponseCode::CUT_OVER_IN_PROGRESS
            | ResponseCode::IN_PROGRESS => self.unanswered(turn, id),
            ResponseCode::FORMAT_ERROR => {
                tracing::error!(
                    owed = id.0,
                    "the destination cannot read an owed message: it goes to the dead letters"
                );
                self.give_up(turn, destinations, id, DeadLetterReason::Refused);
            }
            _ => {
                let Some(owed) = self.queue.remove(id, turn.now.mono) else { return };
                if code != ResponseCode::APPROVED {
                    tracing::info!(owed = id.0, %code, key = %owed.key, "an owed message was acknowledged with another code");
                }
                turn.push(Effect::Journal(Record::Acknowledged { owed: id.0 }));
                self.show_depth(destinations, owed.destination);
                metrics::acknowledged(destinations.name(owed.destination));
            }
        }
    }

    /// No answer in time, or "not now": a retry follows after a back-off.
    pub(crate) fn unanswered(&mut self, turn: &mut Turn<'_>, id: SafId) {
        let jitter = turn.numbers.jitter();
        self.queue.retry(id, turn.now.mono, jitter);
    }

    /// Puts the messages that have expired on the dead-letter list.
    pub(crate) fn give_up_expired(&mut self, turn: &mut Turn<'_>, destinations: &Destinations) {
        for id in self.queue.expired(turn.now.wall_ms) {
            tracing::error!(owed = id.0, "an owed message expired: it goes to the dead letters");
            self.give_up(turn, destinations, id, DeadLetterReason::Expired);
        }
    }

    fn give_up(&mut self, turn: &mut Turn<'_>, destinations: &Destinations, id: SafId, why: DeadLetterReason) {
        let Some(destination) = self.queue.get(id).map(|owed| owed.destination) else { return };
        self.queue.give_up(id, why, turn.now.mono);
        turn.push(Effect::Journal(Record::GivenUp { owed: id.0 }));
        metrics::alarm("owed-given-up", destinations.name(destination));
        self.show_depth(destinations, destination);
    }
}

/// The bytes and the match key of a message that is sent now, marked as a repeat from the second attempt on.
fn encode_attempt(
    turn: &Turn<'_>,
    destinations: &Destinations,
    destination: DestinationId,
    message: &Bytes,
    repeat: bool,
) -> Option<(Bytes, MatchKey)> {
    let mut message = destinations.read_own(message).ok()?;
    if repeat {
        let mut builder = Builder::new(message.dialect(), message.mti().repeat());
        builder.copy_all(&message);
        message = destinations.read_own(&builder.encode().ok()?).ok()?;
    }
    let key = destinations.match_key_of(destination, &message).ok()?;
    let wire = destinations.wire(turn, &message, destination);
    wire.inspect_err(|error| tracing::error!(%error, "an owed message cannot be put into the destination's version"))
        .ok()
        .map(|wire| (wire, key))
}
