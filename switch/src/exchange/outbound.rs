//! A request as it leaves: under the switch's own numbers, in the version its destination speaks.

use crate::destination::{Destinations, HeldStan};
use crate::event::DestinationId;
use crate::intake::Inbound;
use crate::now;
use crate::translate::{BuildError, Stamps, canonical, strip};
use crate::turn::Turn;
use bytes::Bytes;
use codecs::mti::Class;
use codecs::value::{MonthDay, PinBlock, ResponseCode, Rrn};
use codecs::{Message, de};
use link::key::MatchKey;
use std::sync::Arc;

/// A request ready to leave.
pub(super) struct Outbound {
    pub wire: Bytes,
    /// In the host's dialect, without sensitive elements.
    pub stripped: Bytes,
    pub stan: HeldStan,
    /// Assigned here, where the originator sent none.
    pub rrn: Option<Rrn>,
    /// By which its answer will be found.
    pub key: MatchKey,
}

/// Makes the request for its destination; on an error the STAN is free again.
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
        // what it was made of was read when it arrived, so this is an element that does not fit the destination
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
        key: inbound.key.as_str(),
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

/// Totals are of the day that they name, which is closed as a rule; everything else is of the day that runs.
fn date_of(turn: &Turn<'_>, message: &Message) -> MonthDay {
    let named = match message.mti().class() {
        Class::Reconciliation => message.get::<de::SettlementDate>().ok().flatten(),
        _ => None,
    };
    named.unwrap_or(turn.business_date)
}
