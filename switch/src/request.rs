//! A live request: recognized or new, and sent on under the switch's own STAN. It ends in ending.rs or time_out.rs.

use crate::core::Core;
use crate::destination::Awaiting;
use crate::event::{Arrival, DestinationId, Effect, RequestId};
use crate::intake::{EndedRequest, Identity, Inbound, KeyClass, RecentRequest, Reference, State, Verdict};
use crate::metrics;
use crate::outbound::Outbound;
use crate::store::record::Ending;
use crate::translate::answer;
use crate::turn::Turn;
use crate::under_way::{Request, UnderWay};
use codecs::de;
use codecs::value::{PinBlock, ResponseCode, Rrn, TerminalId};

/// Connections that wait for one answer: the original's and its repeats'.
const ORIGINS_PER_REQUEST: usize = 16;

impl Core {
    pub(crate) fn request(&mut self, turn: &mut Turn<'_>, inbound: Inbound, class: KeyClass, pin: Option<PinBlock>) {
        let identity = Identity { key: inbound.key.clone(), class };
        match self.parts.recents.judge(&identity, inbound.content) {
            Verdict::New => self.forward(turn, inbound, identity, pin),
            Verdict::UnderWay(original) => {
                metrics::repeat("under-way");
                self.join(original, inbound.origin);
            }
            Verdict::Stored(stored) => {
                metrics::repeat("stored-answer");
                self.parts.intake.answer_again(turn, &inbound.origin, &stored);
            }
            Verdict::Ended91 => {
                metrics::repeat("timed-out-or-reversed");
                self.parts.intake.refuse_again(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
            }
            Verdict::OtherContent => {
                metrics::repeat("other-content");
                tracing::warn!(key = inbound.key.as_str(), "same key with another card, amount, currency or type");
                self.parts.intake.refuse(turn, &inbound.origin, ResponseCode::DUPLICATE);
            }
        }
    }

    /// A repeat of what is under way waits with its original.
    fn join(&mut self, original: RequestId, origin: Arrival) {
        if let Some(UnderWay { request, .. }) = self.requests.get_mut(&original)
            && request.origins.len() < ORIGINS_PER_REQUEST
        {
            request.origins.push(origin);
        }
    }

    fn forward(&mut self, turn: &mut Turn<'_>, inbound: Inbound, identity: Identity, pin: Option<PinBlock>) {
        let origin = &inbound.origin;
        if !self.parts.intake.may_send(origin) {
            return self.parts.intake.refuse(turn, origin, ResponseCode::NOT_PERMITTED_TO_TERMINAL);
        }
        let Some(destination) = inbound.destination else {
            return self.parts.intake.refuse(turn, origin, ResponseCode::NO_ROUTE);
        };
        if self.draining {
            // not remembered: the switch that comes next may take its repeat
            metrics::not_sent("ending", self.parts.destinations.name(destination));
            return self.parts.intake.refuse(turn, origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        let Some(connection) = self.parts.destinations.choose_link(destination) else {
            metrics::not_sent("link-down", self.parts.destinations.name(destination));
            return self.end_unsent(turn, inbound, identity);
        };
        let outbound = match self.outbound(turn, &inbound, destination, pin) {
            Ok(outbound) => outbound,
            Err(code) => return self.parts.intake.refuse(turn, &inbound.origin, code),
        };
        let request = turn.numbers.next_request();
        if self.parts.destinations.await_answer(turn, destination, outbound.key, Awaiting::Request(request)).is_err() {
            // as many are under way as may be: shed before anything is held
            metrics::not_sent("full", self.parts.destinations.name(destination));
            return self.parts.intake.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        let acquired = self.parts.is_acquired(&inbound, destination);
        self.remember(turn, &inbound, &identity, destination, request, acquired, &outbound);
        metrics::sent(self.parts.destinations.name(destination), inbound.received, turn.now.mono);
        turn.push(Effect::Send { destination, connection, body: outbound.wire });
        let business_date = turn.business_date;
        let under_way = Request {
            identity: Some(identity),
            origins: vec![inbound.origin],
            destination,
            received: inbound.received,
            sent: turn.now.mono,
            business_date,
            rrn: outbound.rrn,
            acquired,
            card: inbound.card_index,
            message: outbound.stripped,
            span: inbound.span,
        };
        self.requests.insert(request, UnderWay { request: under_way, stan: outbound.stan });
        metrics::in_flight(self.requests.len());
    }

    /// Everything is journaled before it leaves, and remembered for its repeats.
    #[expect(clippy::too_many_arguments, reason = "each is a different fact about the one request")]
    fn remember(
        &mut self,
        turn: &mut Turn<'_>,
        inbound: &Inbound,
        identity: &Identity,
        destination: DestinationId,
        request: RequestId,
        acquired: bool,
        outbound: &Outbound,
    ) {
        let recent = RecentRequest::new(request, inbound.content, inbound.card_index, destination, turn.now.wall_ms);
        let recent = RecentRequest { acquired, message: outbound.stripped.clone(), ..recent };
        self.journal_sent(turn, identity, &recent);
        self.parts.recents.insert(identity.clone(), recent);
        let sent_rrn = inbound.origin.message.get::<de::Rrn>().ok().flatten();
        self.refer(&inbound.origin, identity, outbound.rrn.or(sent_rrn));
    }

    /// Makes a transaction findable for its completion and its reversal.
    pub(crate) fn refer(&mut self, origin: &Arrival, identity: &Identity, rrn: Option<Rrn>) {
        let link = self.parts.intake.name(origin.listener).to_owned();
        let terminal = origin.message.get::<de::TerminalId>().ok().flatten();
        let terminal = terminal.as_ref().map_or("", TerminalId::as_str);
        if let Ok(Some(stan)) = origin.message.get::<de::Stan>() {
            self.parts.recents.refer(Reference::Stan { link: &link, terminal, stan: stan.0 }, identity);
        }
        if let Some(rrn) = rrn {
            self.parts.recents.refer(Reference::Rrn { link: &link, terminal, rrn: rrn.as_str() }, identity);
        }
    }

    /// Nothing was sent, so nothing is owed: 91, and the same again for its repeats.
    fn end_unsent(&mut self, turn: &mut Turn<'_>, inbound: Inbound, identity: Identity) {
        let own = self.parts.intake.own(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        let answer = answer::build(&inbound.origin.message, None, own);
        let Some(destination) = inbound.destination else { return };
        let request = turn.numbers.next_request();
        if let Ok(stored) = answer.encode() {
            let recent =
                RecentRequest::new(request, inbound.content, inbound.card_index, destination, turn.now.wall_ms);
            let state = State::Ended(EndedRequest::undecided(Ending::Declined, Some(stored)));
            self.parts.recents.insert(identity, RecentRequest { state, ..recent });
        }
        self.parts.intake.answer(turn, &inbound.origin, &answer, ResponseCode::ISSUER_INOPERATIVE);
    }
}
