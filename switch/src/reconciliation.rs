//! Totals of an originator (0500, 0520): they go to the host, and its verdict comes back.

use crate::core::Core;
use crate::destination::Awaiting;
use crate::event::Effect;
use crate::intake::Inbound;
use crate::turn::Turn;
use crate::under_way::{Request, UnderWay};
use bytes::Bytes;
use codecs::value::ResponseCode;

impl Core {
    /// They change nothing, so nothing is owed when no answer comes, and nothing remembered: they may be asked again.
    pub(crate) fn reconciliation(&mut self, turn: &mut Turn<'_>, inbound: Inbound) {
        let destination = self.parts.destinations.host();
        if !self.parts.intake.may_send(&inbound.origin) {
            return self.parts.intake.refuse(turn, &inbound.origin, ResponseCode::NOT_PERMITTED_TO_TERMINAL);
        }
        let connection = if self.draining { None } else { self.parts.destinations.choose_link(destination) };
        let Some(connection) = connection else {
            return self.parts.intake.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        };
        let outbound = match self.outbound(turn, &inbound, destination, None) {
            Ok(outbound) => outbound,
            Err(code) => return self.parts.intake.refuse(turn, &inbound.origin, code),
        };
        let id = turn.numbers.next_request();
        if self.parts.destinations.await_answer(turn, destination, outbound.key, Awaiting::Request(id)).is_err() {
            return self.parts.intake.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        turn.push(Effect::Send { destination, connection, body: outbound.wire });
        let request = Request {
            identity: None,
            origins: vec![inbound.origin],
            destination,
            received: inbound.received,
            sent: turn.now.mono,
            business_date: turn.business_date,
            rrn: None,
            acquired: false,
            card: inbound.card_index,
            message: Bytes::new(),
            span: inbound.span,
        };
        self.requests.insert(id, UnderWay { request, stan: outbound.stan });
    }
}
