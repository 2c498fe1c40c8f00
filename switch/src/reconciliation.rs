//! Totals of an originator (0500, 0520): they go to the host, and its verdict comes back.

use crate::core::{Awaited, Core, Turn};
use crate::event::Effect;
use crate::inbound::Inbound;
use crate::under_way::Request;
use bytes::Bytes;
use codecs::value::ResponseCode;

impl Core {
    /// They change nothing, so nothing is owed when no answer comes, and nothing remembered: they may be asked again.
    pub(crate) fn reconciliation(&mut self, turn: &mut Turn<'_>, inbound: Inbound) {
        let destination = self.host;
        if !self.may_send(&inbound.origin) {
            return self.refuse(turn, &inbound.origin, ResponseCode::NOT_PERMITTED_TO_TERMINAL);
        }
        let connection = if self.draining { None } else { self.destination_mut(destination).pick() };
        let Some(connection) = connection else {
            return self.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        };
        let outbound = match self.outbound(turn, &inbound, destination, None) {
            Ok(outbound) => outbound,
            Err(code) => return self.refuse(turn, &inbound.origin, code),
        };
        let id = self.next_request();
        let deadline = turn.now.mono + self.destination(destination).config.answer_timeout();
        let target = self.destination_mut(destination);
        if target.mux.expect(outbound.key, deadline, Awaited::Request(id)).is_err() {
            target.stans.release(outbound.stan);
            return self.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        turn.push(Effect::Send { destination, connection, body: outbound.wire });
        let request = Request {
            identity: None,
            origins: vec![inbound.origin],
            destination,
            stan: outbound.stan,
            received: inbound.received,
            sent: turn.now.mono,
            business_date: self.day.stamp(),
            rrn: None,
            acquired: false,
            card: inbound.card_index,
            message: Bytes::new(),
            span: inbound.span,
        };
        self.requests.insert(id, request);
    }
}
