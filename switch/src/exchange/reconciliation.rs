//! Reconciliation: the totals of an originator (0500, 0520) are sent to the host, and its answer goes back.

use super::in_flight::{InFlight, Request};
use super::{Exchange, outbound};
use crate::destination::PendingMessage;
use crate::event::Effect;
use crate::intake::Inbound;
use crate::parts::Parts;
use crate::turn::Turn;
use bytes::Bytes;
use codecs::de;
use codecs::value::ResponseCode;

impl Exchange {
    /// Totals change nothing at the host: a time-out needs no reversal, and a repeat is sent again.
    pub(crate) fn reconciliation(&mut self, turn: &mut Turn<'_>, parts: &mut Parts, inbound: Inbound) {
        let destination = parts.destinations.host();
        // the host would take a day that the switch made up for the one that was asked for
        if !matches!(inbound.origin.message.get::<de::SettlementDate>(), Ok(Some(_))) {
            return parts.intake.answer_code(turn, &inbound.origin, ResponseCode::FORMAT_ERROR);
        }
        let connection = if self.draining { None } else { parts.destinations.choose_link(destination) };
        let Some(connection) = connection else {
            return parts.intake.answer_code(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        };
        let outbound = match outbound::make(turn, &mut parts.destinations, &inbound, destination, None) {
            Ok(outbound) => outbound,
            Err(code) => return parts.intake.answer_code(turn, &inbound.origin, code),
        };
        let id = turn.numbers.next_request();
        if parts.destinations.await_answer(turn, destination, outbound.key, PendingMessage::Request(id)).is_err() {
            return parts.intake.answer_code(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        let (body, key) = (outbound.wire, Some(outbound.key));
        turn.push(Effect::Send { destination, connection, body, key });
        let request = Request {
            identity: None,
            origins: vec![inbound.origin],
            destination,
            received: inbound.received,
            sent: turn.now.mono,
            business_date: turn.business_date,
            rrn: None,
            acquired: false,
            amount: None,
            currency: None,
            card: inbound.card_index,
            message: Bytes::new(),
            span: inbound.span,
        };
        self.requests.insert(id, InFlight { request, stan: outbound.stan });
    }
}
