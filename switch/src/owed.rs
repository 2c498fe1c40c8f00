//! What the switch owes its destinations because of a request: its reversal, or the merchant's side of it at the host.

use crate::core::Core;
use crate::destination::HeldStan;
use crate::event::{DestinationId, OwedId, RequestId};
use crate::intake::{CardIndex, KeyClass};
use crate::life_cycle::LifeCycleId;
use crate::metrics;
use crate::reversal::{self, Cause};
use crate::saf::{Advice, NotOwed, Numbered};
use crate::translate::{Outcome, Stamps, canonical};
use crate::turn::Turn;
use crate::under_way::Request;
use bytes::Bytes;
use codecs::value::{Minor, Opaque};
use codecs::{Builder, Mti, de};

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
            return Err(NotOwed::Unreadable.told(&self.destinations, subject.destination, subject.key));
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
            acquirer: self.saf.acquirer_of(&request),
            business_date: turn.business_date,
            for_request: subject.request,
        };
        let build = |stamps: &Stamps<'_>| Ok(reversal::of(&request, stamps, cause)?);
        let (owed, _) = self.saf.owe(turn, &mut self.destinations, &advice, numbered, build)?;
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
            return Err(NotOwed::Unreadable.told(&self.destinations, self.destinations.host(), key));
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
            acquirer: self.saf.acquirer_of(&message),
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
        self.saf.owe(turn, &mut self.destinations, &advice, Numbered::Fresh, build).map(|_| ())
    }

    /// DE61 of an acquired advice: `A` and the destination that authorized it.
    pub(crate) fn authorized_by(&self, destination: DestinationId) -> String {
        format!("A{}", self.destinations.name(destination))
    }
}
