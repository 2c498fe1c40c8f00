//! Sends the messages of store and forward and takes their answers: acknowledgement, retry, or dead letter.

use super::StoreAndForward;
use super::enqueue::record;
use super::meaning::AnswerMeaning;
use super::queue::{DeadLetterReason, SafMessage};
use crate::destination::{Destinations, PendingMessage};
use crate::event::{DestinationId, Effect, SafId};
use crate::metrics;
use crate::record::Record;
use crate::turn::Turn;
use bytes::Bytes;
use codecs::Builder;
use codecs::mti::Class;
use codecs::value::ResponseCode;
use link::key::MatchKey;
use std::time::Instant;

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
                self.give_up(turn, destinations, id, DeadLetterReason::Refused, None);
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
                turn.push(Effect::Send { destination, connection, body: wire, key: Some(key) });
                self.queue.sent(id);
                metrics::offered(destinations.name(destination), repeat);
            }
            (awaited, _) => {
                if awaited.is_ok() {
                    destinations.withdraw(destination, &key);
                }
                self.unanswered(turn, destinations, id);
            }
        }
    }

    /// The destination answered a request.
    pub(crate) fn request_answered(&mut self, destination: DestinationId, code: ResponseCode, now: Instant) {
        if AnswerMeaning::of(code, false) != AnswerMeaning::Later {
            self.queue.served(destination, now);
        }
    }

    /// The destination answered, in time or late.
    pub(crate) fn answered(&mut self, turn: &mut Turn<'_>, destinations: &Destinations, id: SafId, code: ResponseCode) {
        let Some(owed) = self.queue.get(id) else { return };
        let to_reversal = is_reversal(destinations, owed);
        match AnswerMeaning::of(code, to_reversal) {
            AnswerMeaning::Acknowledged => {
                let Some(owed) = self.queue.acknowledged(id, turn.now.mono) else { return };
                turn.push(Effect::Journal(Record::Acknowledged { owed: id.0 }));
                self.show_depth(destinations, owed.destination);
                metrics::acknowledged(destinations.name(owed.destination));
            }
            AnswerMeaning::Later => self.unanswered(turn, destinations, id),
            AnswerMeaning::OriginalNotFound if self.queue.original_not_found(id, turn.now.mono) => {
                self.give_up(turn, destinations, id, DeadLetterReason::OriginalNotFound, Some(code));
            }
            AnswerMeaning::OriginalNotFound => self.unanswered(turn, destinations, id),
            AnswerMeaning::Refused => self.give_up(turn, destinations, id, DeadLetterReason::Refused, Some(code)),
        }
    }

    /// No answer in time, or "not now": a retry follows after a back-off.
    pub(crate) fn unanswered(&mut self, turn: &mut Turn<'_>, destinations: &Destinations, id: SafId) {
        let jitter = turn.numbers.jitter();
        if self.queue.retry(id, turn.now.mono, jitter)
            && let Some(owed) = self.queue.get(id)
        {
            let (attempts, key) = (owed.attempts, &owed.key);
            tracing::error!(owed = id.0, attempts, %key, "never acknowledged, and others are dealt with: its card's next message goes first");
            metrics::alarm("owed-stepped-aside", destinations.name(owed.destination));
        }
    }

    /// Puts the messages that have expired on the dead-letter list.
    pub(crate) fn give_up_expired(&mut self, turn: &mut Turn<'_>, destinations: &Destinations) {
        for id in self.queue.expired(turn.now.mono) {
            self.give_up(turn, destinations, id, DeadLetterReason::Expired, None);
        }
    }

    /// Moves a message to the dead letters; `code` is the answer that led to it.
    fn give_up(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &Destinations,
        id: SafId,
        why: DeadLetterReason,
        code: Option<ResponseCode>,
    ) {
        let Some(owed) = self.queue.get(id) else { return };
        let (destination, key) = (owed.destination, &owed.key);
        tracing::error!(owed = id.0, why = why.as_str(), code = code.map(tracing::field::display), %key, "an owed message goes to the dead letters");
        let record = record(destinations, id, owed);
        turn.push(Effect::Journal(Record::DeadLetter { owed: record, why: why.number() }));
        self.queue.give_up(id, why, turn.now.mono);
        metrics::alarm("owed-given-up", destinations.name(destination));
        self.show_depth(destinations, destination);
    }
}

fn is_reversal(destinations: &Destinations, owed: &SafMessage) -> bool {
    destinations.read_own(&owed.message).is_ok_and(|message| message.mti().class() == Class::Reversal)
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
