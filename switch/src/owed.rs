//! What the switch owes its destinations: made here, journaled durably before anything that relies on it leaves,
//! offered until acknowledged.

use crate::config;
use crate::core::Core;
use crate::destination::{Awaiting, HeldStan};
use crate::duplicates::KeyClass;
use crate::event::{DestinationId, Effect, OwedId, RequestId};
use crate::identity::CardIndex;
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::now;
use crate::reversal::{self, Cause};
use crate::saf::{Entry, GivenUp};
use crate::store::Record;
use crate::store::record::Owed;
use crate::translate::{BuildError, Outcome, Stamps, canonical};
use crate::turn::Turn;
use crate::under_way::Request;
use bytes::Bytes;
use codecs::value::{InstitutionId, Minor, MonthDay, Opaque, ResponseCode, Stan};
use codecs::{Builder, Message, Mti, de};
use link::key::MatchKey;

const FINANCIAL_ADVICE: Mti = Mti::of(b"0220");

/// The transaction that something is owed for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'s> {
    pub request: Option<RequestId>,
    pub destination: DestinationId,
    pub card: CardIndex,
    pub key: &'s str,
    /// As it went upstream, in the host's form without sensitive elements.
    pub message: &'s Bytes,
    pub life_cycle: Option<&'s LifeCycleId>,
}

/// Where the STAN of what is owed comes from.
#[derive(Debug)]
pub(crate) enum Numbered {
    /// The next free one, if one is.
    Fresh,
    /// For the one that its request still holds: that never fails.
    InExchangeFor(HeldStan),
}

/// Nothing could be promised, so nothing that relies on the promise may leave. Logged and alarmed where it is made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOwed {
    #[error("no STAN of the destination is free: too much is owed")]
    NoStan,
    #[error("what it would be made from cannot be read again")]
    Unreadable,
    #[error("it cannot be built: {0}")]
    NotBuilt(BuildError),
}

/// Proof that what a request may have left behind at its destination is taken care of: its reversal is owed, or
/// nothing can have come of it. Made here alone; who ends a request without a known outcome has to have one.
#[derive(Debug)]
#[must_use]
pub(crate) struct Covered(Option<OwedId>);

impl Covered {
    /// For what changes nothing at its destination.
    pub fn without_effect() -> Self {
        Self(None)
    }

    /// The reversal, if one is owed.
    pub fn by(&self) -> Option<OwedId> {
        self.0
    }
}

/// An advice about to be owed: everything but its stamps.
pub(crate) struct Advice<'a> {
    pub destination: DestinationId,
    pub card: CardIndex,
    pub key: &'a str,
    pub refers_to: Option<&'a str>,
    pub life_cycle: Option<&'a LifeCycleId>,
    pub acquirer: InstitutionId,
    /// Requests keep the date they were stamped with, advices of them too; a reversal has its own.
    pub business_date: MonthDay,
    /// The request whose late answer would be recorded here.
    pub for_request: Option<RequestId>,
}

impl Core {
    /// Sees to it that a request whose outcome is not known leaves nothing behind. Its STAN is given up.
    pub(crate) fn cover(
        &mut self,
        turn: &mut Turn<'_>,
        subject: Subject<'_>,
        stan: HeldStan,
    ) -> Result<Covered, NotOwed> {
        self.owe_reversal(turn, subject, Cause::TIMED_OUT, Numbered::InExchangeFor(stan)).map(Covered)
    }

    /// Owes the reversal of a request; `None` if nothing can have come of it.
    pub(crate) fn owe_reversal(
        &mut self,
        turn: &mut Turn<'_>,
        subject: Subject<'_>,
        cause: Cause,
        numbered: Numbered,
    ) -> Result<Option<OwedId>, NotOwed> {
        let read =
            self.destinations.read_own(subject.message).and_then(|r| reversal::is_owed(&r).map(|is_owed| (r, is_owed)));
        let Ok((request, is_owed)) = read else {
            return Err(self.not_owed(subject.destination, subject.key, NotOwed::Unreadable));
        };
        if !is_owed {
            return Ok(None);
        }
        let advice = Advice {
            destination: subject.destination,
            card: subject.card,
            key: subject.key,
            refers_to: Some(subject.key),
            life_cycle: subject.life_cycle,
            acquirer: self.acquirer_in(&request),
            business_date: turn.business_date,
            for_request: subject.request,
        };
        let build = |stamps: &Stamps<'_>| Ok(reversal::of(&request, stamps, cause)?);
        let owed = self.owe(turn, &advice, numbered, build)?;
        metrics::reversal_owed();
        Ok(Some(owed))
    }

    /// A foreign issuer approved at our own terminal: the host is owed the merchant's side, with the issuer's answer.
    /// An authorization alone is no sale: its completion is owed when it comes.
    pub(crate) fn owe_acquired(
        &mut self,
        turn: &mut Turn<'_>,
        request: &Request,
        outcome: &Outcome,
        life_cycle: Option<&LifeCycleId>,
    ) -> Result<(), NotOwed> {
        let Some(identity) = request.identity.as_ref().filter(|identity| identity.class == KeyClass::Financial) else {
            return Ok(());
        };
        let key = identity.key.as_str();
        let read = self
            .destinations
            .read_own(&request.message)
            .and_then(|m| reversal::is_owed(&m).map(|is_owed| (m, is_owed)));
        let Ok((message, moves_money)) = read else {
            return Err(self.not_owed(self.destinations.host(), key, NotOwed::Unreadable));
        };
        if !moves_money {
            return Ok(());
        }
        let advice = Advice {
            destination: self.destinations.host(),
            card: request.card,
            key,
            refers_to: None,
            life_cycle,
            acquirer: self.acquirer_in(&message),
            business_date: request.business_date,
            for_request: None,
        };
        let authorized_by = self.authorized_by(request.destination);
        let build = |stamps: &Stamps<'_>| {
            let mut builder = Builder::new(message.dialect(), FINANCIAL_ADVICE);
            builder.copy_all(&message);
            if let Some(amount) = outcome.amount.filter(|amount| *amount > Minor::ZERO) {
                builder.put::<de::Amount>(amount);
            }
            builder.put::<de::ResponseCode>(outcome.code).put_some::<de::ApprovalCode>(outcome.approval);
            builder.put::<de::AuthorizedBy>(Opaque::text(&authorized_by));
            canonical::stamp(&mut builder, stamps);
            Ok(builder)
        };
        self.owe(turn, &advice, Numbered::Fresh, build).map(|_| ())
    }

    /// DE61 of an acquired advice: `A` and the destination that authorized it.
    pub(crate) fn authorized_by(&self, destination: DestinationId) -> String {
        format!("A{}", self.destinations.name(destination))
    }

    /// Builds an advice under a STAN of its destination, journals it as a promise and queues it.
    pub(crate) fn owe(
        &mut self,
        turn: &mut Turn<'_>,
        advice: &Advice<'_>,
        numbered: Numbered,
        build: impl FnOnce(&Stamps<'_>) -> Result<Builder, BuildError>,
    ) -> Result<OwedId, NotOwed> {
        let stan = match numbered {
            Numbered::Fresh => self.destinations.stan(advice.destination),
            Numbered::InExchangeFor(stan) => Some(self.destinations.exchange_stan(advice.destination, stan)),
        };
        let Some(stan) = stan else {
            return Err(self.not_owed(advice.destination, advice.key, NotOwed::NoStan));
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
            Ok(message) => Ok(self.promise(turn, advice, stan, message)),
            Err(error) => Err(self.not_owed(advice.destination, advice.key, NotOwed::NotBuilt(error))),
        }
    }

    fn not_owed(&self, destination: DestinationId, key: &str, error: NotOwed) -> NotOwed {
        let name = self.destinations.name(destination);
        tracing::error!(%error, key, destination = %name, "an owed message cannot be promised");
        metrics::alarm("not-owed", name);
        error
    }

    /// From here on it is owed: in the journal before anything that follows in this turn leaves, and in the queue.
    fn promise(&mut self, turn: &mut Turn<'_>, advice: &Advice<'_>, stan: HeldStan, message: Bytes) -> OwedId {
        let id = turn.numbers.next_owed();
        let entry = Entry {
            destination: advice.destination,
            card: advice.card,
            since_ms: turn.now.wall_ms,
            key: advice.key.to_owned(),
            message,
            stan: Some(stan),
            attempts: 0,
            for_request: advice.for_request,
            late: None,
        };
        turn.push(Effect::Journal(Record::Owed(self.written(id, &entry))));
        self.saf.owe(id, entry, turn.now.mono);
        self.show_depth(advice.destination);
        id
    }

    /// As the journal keeps it.
    fn written(&self, id: OwedId, entry: &Entry) -> Owed {
        Owed {
            owed: id.0,
            destination: self.destinations.name(entry.destination).to_owned(),
            card: entry.card.0,
            since_ms: entry.since_ms,
            key: entry.key.clone(),
            message: entry.message.to_vec(),
        }
    }

    /// A request was answered after its time-out: recorded with the reversal that is owed for it, if that still is.
    pub(crate) fn note_late(&mut self, turn: &mut Turn<'_>, request: RequestId, code: ResponseCode) -> Option<OwedId> {
        let id = self.saf.note_late(request, code)?;
        let owed = self.written(id, self.saf.get(id)?);
        turn.push(Effect::Journal(Record::OwedLate { owed, code: code.0 }));
        Some(id)
    }

    /// Offers what is ready, as far as the destination is up and its window is open.
    pub(crate) fn offer_owed(&mut self, turn: &mut Turn<'_>, destination: DestinationId) {
        if !self.destinations.is_up(destination) {
            return;
        }
        while let Some((id, entry)) = self.saf.offer(destination, turn.now.mono) {
            let (message, repeat) = (entry.message.clone(), entry.attempts > 0);
            self.offer_one(turn, destination, id, &message, repeat);
        }
    }

    fn offer_one(
        &mut self,
        turn: &mut Turn<'_>,
        destination: DestinationId,
        id: OwedId,
        message: &Bytes,
        repeat: bool,
    ) {
        let Some((wire, key)) = self.offer_bytes(turn, destination, message, repeat) else {
            return self.give_up(turn, id, GivenUp::Refused);
        };
        let expected = self.destinations.await_answer(turn, destination, key, Awaiting::Owed(id));
        let connection = self.destinations.choose_link(destination);
        match (expected, connection) {
            (Ok(()), Some(connection)) => {
                turn.push(Effect::Send { destination, connection, body: wire });
                self.saf.offered(id);
                metrics::offered(self.destinations.name(destination), repeat);
            }
            (expected, _) => {
                if expected.is_ok() {
                    self.destinations.withdraw(destination, &key);
                }
                let jitter = turn.numbers.jitter();
                self.saf.retry(id, turn.now.mono, jitter);
            }
        }
    }

    /// An owed message as it leaves, marked as a repeat from the second time on.
    fn offer_bytes(
        &self,
        turn: &Turn<'_>,
        destination: DestinationId,
        message: &Bytes,
        repeat: bool,
    ) -> Option<(Bytes, MatchKey)> {
        let mut message = self.destinations.read_own(message).ok()?;
        if repeat {
            let mut builder = Builder::new(message.dialect(), message.mti().repeat());
            builder.copy_all(&message);
            message = self.destinations.read_own(&builder.encode().ok()?).ok()?;
        }
        let key = self.destinations.match_key_of(destination, &message).ok()?;
        let wire = self.destinations.wire(turn, &message, destination);
        wire.inspect_err(
            |error| tracing::error!(%error, "an owed message cannot be put into the destination's version"),
        )
        .ok()
        .map(|wire| (wire, key))
    }

    /// The destination answered an owed message, in time or late.
    pub(crate) fn owed_answered(&mut self, turn: &mut Turn<'_>, id: OwedId, code: ResponseCode) {
        match code {
            // "not now": the machine behind it is down, or a day is being closed
            ResponseCode::ISSUER_INOPERATIVE
            | ResponseCode::SYSTEM_MALFUNCTION
            | ResponseCode::CUT_OVER_IN_PROGRESS
            | ResponseCode::IN_PROGRESS => self.owed_unanswered(turn, id),
            ResponseCode::FORMAT_ERROR => {
                tracing::error!(
                    owed = id.0,
                    "the destination cannot read an owed message: it goes to the dead letters"
                );
                self.give_up(turn, id, GivenUp::Refused);
            }
            _ => {
                let Some(entry) = self.saf.settle(id, turn.now.mono) else { return };
                if code != ResponseCode::APPROVED {
                    tracing::info!(owed = id.0, %code, key = %entry.key, "an owed message was acknowledged with another code");
                }
                turn.push(Effect::Journal(Record::Acknowledged { owed: id.0 }));
                self.show_depth(entry.destination);
                metrics::acknowledged(self.destinations.name(entry.destination));
            }
        }
    }

    /// No answer in time, or "not now": again after a while.
    pub(crate) fn owed_unanswered(&mut self, turn: &mut Turn<'_>, id: OwedId) {
        let jitter = turn.numbers.jitter();
        self.saf.retry(id, turn.now.mono, jitter);
    }

    pub(crate) fn give_up_expired(&mut self, turn: &mut Turn<'_>) {
        for id in self.saf.expired(turn.now.wall_ms) {
            tracing::error!(owed = id.0, "an owed message expired: it goes to the dead letters");
            self.give_up(turn, id, GivenUp::Expired);
        }
    }

    fn give_up(&mut self, turn: &mut Turn<'_>, id: OwedId, why: GivenUp) {
        let Some(destination) = self.saf.get(id).map(|entry| entry.destination) else { return };
        self.saf.give_up(id, why, turn.now.mono);
        turn.push(Effect::Journal(Record::GivenUp { owed: id.0 }));
        metrics::alarm("owed-given-up", self.destinations.name(destination));
        self.show_depth(destination);
    }

    pub(crate) fn stan_of(&self, message: &Bytes) -> Option<Stan> {
        self.destinations.read_own(message).ok()?.get::<de::Stan>().ok().flatten()
    }

    pub(crate) fn show_depth(&self, destination: DestinationId) {
        metrics::owed_depth(self.destinations.name(destination), self.saf.depth(destination));
    }

    fn acquirer_in(&self, message: &Message) -> InstitutionId {
        let sent = message.get::<de::Acquirer>().ok().flatten();
        sent.unwrap_or_else(|| config::institution(&self.config.acquirer_id))
    }
}
