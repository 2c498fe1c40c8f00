//! The advice (0220) of an acquired sale: a foreign issuer approved a sale of our own terminal, and the host posts the
//! merchant's side from it. It carries the amount, response code and approval code of the issuer's answer.

use crate::destination::Destinations;
use crate::event::DestinationId;
use crate::intake::{CardIndex, Identity};
use crate::life_cycle::LifeCycleId;
use crate::reversal;
use crate::saf::{Advice, NotQueued, StanSource, StoreAndForward};
use crate::translate::{Outcome, Stamps, canonical};
use crate::turn::Turn;
use bytes::Bytes;
use codecs::originator::{KeyClass, KeyText};
use codecs::value::{Minor, MonthDay, Opaque};
use codecs::{Builder, Mti, de};

const FINANCIAL_ADVICE: Mti = Mti::of(b"0220");

/// A request of our own terminal that a foreign issuer approved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcquiredSale<'s> {
    pub identity: &'s Identity,
    pub card: CardIndex,
    /// The issuer.
    pub destination: DestinationId,
    pub business_date: MonthDay,
    /// The request as forwarded, in the host's dialect, without sensitive elements.
    pub message: &'s Bytes,
    pub outcome: &'s Outcome,
    pub life_cycle: Option<&'s LifeCycleId>,
}

/// Queues the advice of an acquired sale for the host. An authorization alone is no sale: its completion is, when it
/// comes.
///
/// # Errors
/// The advice cannot be queued.
pub(crate) fn enqueue_acquired(
    turn: &mut Turn<'_>,
    destinations: &mut Destinations,
    saf: &mut StoreAndForward,
    sale: AcquiredSale<'_>,
) -> Result<(), NotQueued> {
    if sale.identity.class != KeyClass::Financial {
        return Ok(());
    }
    let (host, key) = (destinations.host(), sale.identity.key.as_str());
    let request = reversal::read_with_effect(destinations, sale.message, host, key)?;
    let Some(message) = request else { return Ok(()) };
    let advice = Advice {
        destination: host,
        card: sale.card,
        key: KeyText { key, class: None },
        refers_to: None,
        life_cycle: sale.life_cycle,
        acquirer: saf.acquirer_of(&message),
        business_date: sale.business_date,
        for_request: None,
    };
    let authorized_by = canonical::authorized_by(destinations.name(sale.destination));
    let build = |stamps: &Stamps<'_>| {
        let mut builder = Builder::new(message.dialect(), FINANCIAL_ADVICE);
        builder.copy_all(&message);
        if let Some(amount) = sale.outcome.amount.filter(|amount| *amount > Minor::ZERO) {
            builder.put::<de::Amount>(amount);
        }
        builder.put::<de::ResponseCode>(sale.outcome.code).put_some::<de::ApprovalCode>(sale.outcome.approval);
        builder.put::<de::AuthorizedBy>(Opaque::text(&authorized_by));
        canonical::stamp(&mut builder, stamps);
        Ok(builder)
    };
    saf.enqueue(turn, destinations, &advice, StanSource::Next, build).map(|_| ())
}
