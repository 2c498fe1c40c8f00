//! Puts a message into store and forward: builds it under a STAN of its destination, journals it, and queues it.

use super::StoreAndForward;
use super::queue::SafMessage;
use crate::destination::{Destinations, HeldStan};
use crate::event::{DestinationId, Effect, RequestId, SafId};
use crate::intake::CardIndex;
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::now;
use crate::record::{Owed, Record};
use crate::translate::{BuildError, Stamps};
use crate::turn::Turn;
use bytes::Bytes;
use codecs::Builder;
use codecs::originator::KeyText;
use codecs::value::{InstitutionId, MonthDay, ResponseCode};

/// An advice or reversal to be put into store and forward: destination, card, and all its stamps but STAN and time.
pub(crate) struct Advice<'a> {
    pub destination: DestinationId,
    pub card: CardIndex,
    /// The originator key that it carries; a reversal carries that of its original and names the original's class.
    pub key: KeyText<'a>,
    /// Key and class of the transaction that it refers to.
    pub refers_to: Option<KeyText<'a>>,
    pub life_cycle: Option<&'a LifeCycleId>,
    pub acquirer: InstitutionId,
    /// The request's own date for the advice of an acquired sale; the current date for every other message.
    pub business_date: MonthDay,
    /// The request that it reverses after a time-out: a late answer to it is recorded with this message.
    pub for_request: Option<RequestId>,
}

/// Where the STAN of a message comes from.
#[derive(Debug)]
pub(crate) enum StanSource {
    /// The next free one, if there is one.
    Next,
    /// A new one; the request's own is given back, so one is always free.
    Replacing(HeldStan),
}

/// Why a message cannot be put into store and forward. No answer that relies on it may be sent. [`NotQueued::logged`] logs
/// it and counts an alarm.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotQueued {
    #[error("no STAN of the destination is free: too much is owed")]
    NoStan,
    #[error("what it would be made from cannot be read again")]
    Unreadable,
    #[error("it cannot be built: {0}")]
    NotBuilt(BuildError),
}

impl StoreAndForward {
    /// Builds a message under a STAN of its destination, journals it and queues it. Also gives the message, in the
    /// host's dialect.
    ///
    /// # Errors
    /// No STAN is free, or the message cannot be built.
    pub(crate) fn enqueue(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &mut Destinations,
        advice: &Advice<'_>,
        numbered: StanSource,
        build: impl FnOnce(&Stamps<'_>) -> Result<Builder, BuildError>,
    ) -> Result<(SafId, Bytes), NotQueued> {
        let stan = match numbered {
            StanSource::Next => destinations.stan(advice.destination),
            StanSource::Replacing(stan) => Some(destinations.exchange_stan(advice.destination, stan)),
        };
        let Some(stan) = stan else {
            return Err(NotQueued::NoStan.logged(destinations, advice.destination, advice.key.key));
        };
        let stamps = Stamps {
            stan: stan.number(),
            time: now::transmission_time(turn.now.wall_ms),
            business_date: advice.business_date,
            acquirer: advice.acquirer,
            rrn: None,
            merchant_type: None,
            key: advice.key,
            refers_to: advice.refers_to,
            life_cycle: advice.life_cycle,
        };
        match build(&stamps).and_then(|builder| Ok(builder.encode()?)) {
            Ok(message) => Ok((self.journal_and_queue(turn, destinations, advice, stan, message.clone()), message)),
            Err(error) => Err(NotQueued::NotBuilt(error).logged(destinations, advice.destination, advice.key.key)),
        }
    }

    /// Journals a message and queues it. Its record is on the disk before any later effect of this turn is carried out.
    fn journal_and_queue(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &Destinations,
        advice: &Advice<'_>,
        stan: HeldStan,
        message: Bytes,
    ) -> SafId {
        let id = turn.numbers.next_saf();
        let owed = SafMessage {
            destination: advice.destination,
            card: advice.card,
            since_ms: turn.now.wall_ms,
            queued: turn.now.mono,
            key: advice.key.key.to_owned(),
            message,
            stan: Some(stan),
            attempts: 0,
            failed: None,
            passed_over: 0,
            for_request: advice.for_request,
            late: None,
            not_found_since: None,
            stepped_aside: false,
        };
        turn.push(Effect::Journal(Record::Owed(record(destinations, id, &owed))));
        self.queue.push(id, owed, turn.now.mono);
        self.show_depth(destinations, advice.destination);
        id
    }

    /// Records the late answer to a request with its reversal, if that is not acknowledged yet.
    pub(crate) fn note_late(
        &mut self,
        turn: &mut Turn<'_>,
        destinations: &Destinations,
        request: RequestId,
        code: ResponseCode,
    ) -> Option<SafId> {
        let id = self.queue.note_late(request, code)?;
        let owed = record(destinations, id, self.queue.get(id)?);
        turn.push(Effect::Journal(Record::OwedLate { owed, code: code.0 }));
        Some(id)
    }
}

impl NotQueued {
    /// Logs the error and counts an alarm.
    pub(crate) fn logged(self, destinations: &Destinations, destination: DestinationId, key: &str) -> Self {
        let name = destinations.name(destination);
        tracing::error!(error = %self, key, destination = %name, "an owed message cannot be promised");
        metrics::alarm("not-owed", name);
        self
    }
}

/// The record of a message for the pending log.
pub(super) fn record(destinations: &Destinations, id: SafId, owed: &SafMessage) -> Owed {
    Owed {
        owed: id.0,
        destination: destinations.name(owed.destination).to_owned(),
        card: owed.card.0,
        since_ms: owed.since_ms,
        key: owed.key.clone(),
        message: owed.message.to_vec(),
    }
}
