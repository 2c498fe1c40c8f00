//! A request as it is sent: with the switch's own STAN, DE7 and business date, in the ISO 8583 version of its
//! destination.

use crate::destination::{Destinations, HeldStan};
use crate::event::DestinationId;
use crate::intake::Inbound;
use crate::now;
use crate::translate::{BuildError, Stamps, canonical, strip};
use crate::turn::Turn;
use bytes::Bytes;
use codecs::mti::Class;
use codecs::originator::KeyText;
use codecs::value::{MonthDay, PinBlock, ResponseCode, Rrn};
use codecs::{Message, de};
use link::key::MatchKey;
use std::sync::Arc;

/// A request ready to be sent.
pub(super) struct Outbound {
    pub wire: Bytes,
    /// In the host's dialect, without sensitive elements.
    pub stripped: Bytes,
    pub stan: HeldStan,
    /// Assigned by the switch where the originator sent none.
    pub rrn: Option<Rrn>,
    /// The key that its answer is matched by.
    pub key: MatchKey,
}

/// Builds the request for its destination. On an error the STAN is free again.
pub(super) fn make(
    turn: &mut Turn<'_>,
    destinations: &mut Destinations,
    inbound: &Inbound,
    destination: DestinationId,
    pin: Option<PinBlock>,
) -> Result<Outbound, ResponseCode> {
    let stan = destinations.stan(destination).ok_or(ResponseCode::ISSUER_INOPERATIVE)?;
    let rrn = inbound.assigned_rrn(turn);
    build(turn, destinations, inbound, destination, pin, (stan, rrn)).map_err(|error| {
        // the request was readable when it arrived, so one of its elements does not fit the destination
        tracing::warn!(%error, "a request cannot be put into its destination's form");
        ResponseCode::FORMAT_ERROR
    })
}

fn build(
    turn: &Turn<'_>,
    destinations: &Destinations,
    inbound: &Inbound,
    destination: DestinationId,
    pin: Option<PinBlock>,
    (stan, rrn): (HeldStan, Option<Rrn>),
) -> Result<Outbound, BuildError> {
    let message = &inbound.origin.message;
    let time = now::transmission_time(turn.now.wall_ms);
    let stamps = Stamps {
        stan: stan.number(),
        time,
        business_date: date_of(turn, message),
        acquirer: inbound.acquirer,
        rrn,
        merchant_type: inbound.terminal.as_ref().map(|terminal| terminal.mcc),
        key: KeyText { key: inbound.key.as_str(), class: None },
        refers_to: None,
        life_cycle: None,
    };
    let host = Arc::clone(destinations.host_dialect());
    let forwarded = canonical::forward(message, &host, message.mti(), &stamps, pin)?;
    let canonical = Message::decode(&host, forwarded.encode()?)?;
    let stripped = strip::without_sensitive(&canonical).encode()?;
    let wire = destinations.wire(turn, &canonical, destination)?;
    let terminal = message.get::<de::TerminalId>().ok().flatten();
    let key = destinations.match_key(destination, message.mti(), stan.number(), time, terminal);
    Ok(Outbound { wire, stripped, stan, rrn, key })
}

/// The business date (DE15). Totals keep the date that they name, whose day is closed as a rule; every other message
/// gets the current date.
fn date_of(turn: &Turn<'_>, message: &Message) -> MonthDay {
    let named = match message.mti().class() {
        Class::Reconciliation => message.get::<de::SettlementDate>().ok().flatten(),
        _ => None,
    };
    named.unwrap_or(turn.business_date)
}
