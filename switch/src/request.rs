//! A live request: recognized or new, sent on under the switch's own STAN, ended by its answer or its time-out.

use crate::arrival::Inbound;
use crate::config::OriginatorRole;
use crate::core::{Awaited, Core, Turn};
use crate::duplicates::{Identity, KeyClass, Recent, Reference, State, Verdict};
use crate::event::{Arrival, DestinationId, Effect};
use crate::identity::CardIndex;
use crate::metrics;
use crate::owed::Subject;
use crate::reversal::Cause;
use crate::saf::OwedId;
use crate::store::Record;
use crate::store::record::{Ended, Ending, Sent};
use crate::trace;
use crate::translate::{Outcome, Stamps, answer, canonical, strip, v93};
use bytes::Bytes;
use codecs::mti::Class;
use codecs::value::{MonthDay, PinBlock, ResponseCode, Rrn, Stan, TerminalId};
use codecs::{Message, de};
use link::key::MatchKey;
use std::time::Instant;

/// Connections that wait for one answer: the original's and its repeats'.
const ORIGINS_PER_REQUEST: usize = 16;

/// A request that awaits its destination's answer.
#[derive(Debug)]
pub(crate) struct Request {
    /// None for reconciliations, which change nothing and may be asked again.
    pub identity: Option<Identity>,
    /// Who asked, and who asked again meanwhile.
    pub origins: Vec<Arrival>,
    pub destination: DestinationId,
    pub stan: Stan,
    pub received: Instant,
    pub sent: Instant,
    /// The stamp it was sent with, which the answer gives back.
    pub business_date: MonthDay,
    /// Assigned here, where the originator sent none.
    pub rrn: Option<Rrn>,
    pub acquired: bool,
    pub card: CardIndex,
    /// In the host's dialect as it went upstream, without sensitive elements.
    pub message: Bytes,
    pub span: tracing::Span,
}

/// A message ready to leave: its bytes, and what was made of it on the way.
struct Outbound {
    wire: Bytes,
    /// In the host's dialect, without sensitive elements.
    stripped: Bytes,
    stan: Stan,
    rrn: Option<Rrn>,
}

impl Core {
    pub(crate) fn request(&mut self, turn: &mut Turn<'_>, inbound: Inbound, class: KeyClass, pin: Option<PinBlock>) {
        let identity = Identity { key: inbound.key.clone(), class };
        match self.recents.judge(&identity, inbound.content) {
            Verdict::New => self.forward(turn, inbound, identity, pin),
            Verdict::UnderWay(original) => {
                metrics::repeat("under-way");
                self.join(original, inbound.origin);
            }
            Verdict::Stored(stored) => {
                metrics::repeat("stored-answer");
                self.answer_again(turn, &inbound.origin, &stored);
            }
            Verdict::Ended91 => {
                metrics::repeat("timed-out-or-reversed");
                self.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
            }
            Verdict::OtherContent => {
                metrics::repeat("other-content");
                tracing::warn!(key = inbound.key.as_str(), "same key with another card, amount, currency or type");
                self.refuse(turn, &inbound.origin, ResponseCode::DUPLICATE);
            }
        }
    }

    /// A repeat of what is under way waits with its original.
    fn join(&mut self, original: u64, origin: Arrival) {
        if let Some(request) = self.requests.get_mut(&original)
            && request.origins.len() < ORIGINS_PER_REQUEST
        {
            request.origins.push(origin);
        }
    }

    fn forward(&mut self, turn: &mut Turn<'_>, inbound: Inbound, identity: Identity, pin: Option<PinBlock>) {
        let origin = &inbound.origin;
        if !self.may_send(origin) {
            return self.refuse(turn, origin, ResponseCode::NOT_PERMITTED_TO_TERMINAL);
        }
        let Some(destination) = inbound.destination else {
            return self.refuse(turn, origin, ResponseCode::NO_ROUTE);
        };
        let Some(connection) = self.destination_mut(destination).pick() else {
            metrics::not_sent("link-down", &self.destination(destination).config.name);
            return self.end_unsent(turn, inbound, identity);
        };
        let (outbound, key) = match self.outbound(turn, &inbound, destination, pin) {
            Ok(made) => made,
            Err(code) => return self.refuse(turn, &inbound.origin, code),
        };
        let request = self.next_request();
        let deadline = turn.now.mono + self.destination(destination).config.answer_timeout();
        if self.destination_mut(destination).mux.expect(key, deadline, Awaited::Request(request)).is_err() {
            // as many are under way as may be: shed before anything is held
            self.destination_mut(destination).stans.release(outbound.stan);
            metrics::not_sent("full", &self.destination(destination).config.name);
            return self.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        let acquired = self.is_acquired(&inbound, destination);
        self.remember(turn, &inbound, &identity, destination, request, acquired, &outbound);
        metrics::sent(&self.destination(destination).config.name, inbound.received, turn.now.mono);
        turn.push(Effect::Send { destination, connection, body: outbound.wire });
        let business_date = self.day.stamp();
        self.requests.insert(
            request,
            Request {
                identity: Some(identity),
                origins: vec![inbound.origin],
                destination,
                stan: outbound.stan,
                received: inbound.received,
                sent: turn.now.mono,
                business_date,
                rrn: outbound.rrn,
                acquired,
                card: inbound.card_index,
                message: outbound.stripped,
                span: inbound.span,
            },
        );
        metrics::in_flight(self.requests.len());
    }

    /// Institutions sign on before they send.
    fn may_send(&self, origin: &Arrival) -> bool {
        let listener = self.listener(origin.listener);
        !listener.config.sign_on_required || !listener.signed_on.is_empty()
    }

    /// A foreign card at our own terminal: its issuer authorizes, and our host is told.
    pub(crate) fn is_acquired(&self, inbound: &Inbound, destination: DestinationId) -> bool {
        self.listener(inbound.origin.listener).config.role == OriginatorRole::Ours
            && !self.destination(destination).is_host()
    }

    /// Everything is journaled before it leaves, and remembered for its repeats.
    #[expect(clippy::too_many_arguments, reason = "each is a different fact about the one request")]
    fn remember(
        &mut self,
        turn: &mut Turn<'_>,
        inbound: &Inbound,
        identity: &Identity,
        destination: DestinationId,
        request: u64,
        acquired: bool,
        outbound: &Outbound,
    ) {
        turn.push(Effect::Journal(Record::Sent(Sent {
            request,
            key: identity.key.0.clone(),
            class: identity.class as u8,
            content: inbound.content.0,
            card: inbound.card_index.0,
            destination: self.destination(destination).config.name.clone(),
            sent_at_ms: turn.now.wall_ms,
            acquired,
            message: outbound.stripped.to_vec(),
        })));
        let recent = Recent {
            request,
            content: inbound.content,
            card: inbound.card_index,
            destination,
            acquired,
            at_ms: turn.now.wall_ms,
            state: State::UnderWay,
            reversed: false,
            stands_minor: None,
            life_cycle: String::new(),
            approval: String::new(),
            approved_minor: 0,
            message: outbound.stripped.clone(),
        };
        self.recents.insert(identity.clone(), recent);
        let sent_rrn = inbound.origin.message.get::<de::Rrn>().ok().flatten();
        self.refer(&inbound.origin, identity, outbound.rrn.or(sent_rrn));
    }

    /// Makes a transaction findable for its completion and its reversal.
    pub(crate) fn refer(&mut self, origin: &Arrival, identity: &Identity, rrn: Option<Rrn>) {
        let link = self.listener(origin.listener).config.name.clone();
        let terminal = origin.message.get::<de::TerminalId>().ok().flatten();
        let terminal = terminal.as_ref().map_or("", TerminalId::as_str);
        if let Ok(Some(stan)) = origin.message.get::<de::Stan>() {
            self.recents.refer(Reference::Stan { link: &link, terminal, stan: stan.0 }, identity);
        }
        if let Some(rrn) = rrn {
            self.recents.refer(Reference::Rrn { link: &link, terminal, rrn: rrn.as_str() }, identity);
        }
    }

    /// The request as it leaves, and the key its answer will have.
    fn outbound(
        &mut self,
        turn: &Turn<'_>,
        inbound: &Inbound,
        destination: DestinationId,
        pin: Option<PinBlock>,
    ) -> Result<(Outbound, MatchKey), ResponseCode> {
        let message = &inbound.origin.message;
        let malformed = |error| {
            tracing::error!(%error, key = inbound.key.as_str(), "a request cannot be put into the host's form");
            ResponseCode::FORMAT_ERROR
        };
        let stan = self.destination_mut(destination).stans.take().ok_or(ResponseCode::ISSUER_INOPERATIVE)?;
        let time = trace::transmission_time(turn.now.wall_ms);
        let rrn = self.assigned_rrn(turn, inbound);
        // totals are of the day that they name, which is closed as a rule; everything else is of the day that runs
        let reconciled = match message.mti().class() {
            Class::Reconciliation => message.get::<de::SettlementDate>().ok().flatten(),
            _ => None,
        };
        let stamps = Stamps {
            stan,
            time,
            business_date: reconciled.unwrap_or_else(|| self.day.stamp()),
            acquirer: inbound.acquirer,
            rrn,
            merchant_type: inbound.terminal.as_ref().map(|terminal| terminal.mcc),
            key: inbound.key.as_str(),
            refers_to: None,
            life_cycle: None,
        };
        let release = |core: &mut Self, code| {
            core.destination_mut(destination).stans.release(stan);
            code
        };
        let host = self.host_dialect();
        let made = canonical::forward(message, &host, message.mti(), &stamps, pin)
            .map_err(|e| malformed(e.to_string()))
            .and_then(|builder| builder.encode().map_err(|e| malformed(e.to_string())))
            .and_then(|bytes| Message::decode(&host, bytes).map_err(|e| malformed(e.to_string())));
        let canonical = match made {
            Ok(canonical) => canonical,
            Err(code) => return Err(release(self, code)),
        };
        let stripped = strip::without_sensitive(&canonical).encode().map_err(|e| malformed(e.to_string()));
        let wire = self.wire(turn, &canonical, destination).map_err(malformed);
        match (stripped, wire) {
            (Ok(stripped), Ok(wire)) => {
                let terminal = message.get::<de::TerminalId>().ok().flatten();
                let rule = self.destination(destination).rule;
                let key = MatchKey::new(rule, message.mti(), stan, Some(time), terminal);
                Ok((Outbound { wire, stripped, stan, rrn }, key))
            }
            (Err(code), _) | (_, Err(code)) => Err(release(self, code)),
        }
    }

    /// Our own terminals leave DE37 to us.
    pub(crate) fn assigned_rrn(&mut self, turn: &Turn<'_>, inbound: &Inbound) -> Option<Rrn> {
        let ours = inbound.terminal.is_some() && !inbound.origin.message.has::<de::Rrn>();
        ours.then(|| self.rrns.next(turn.now.wall_ms))
    }

    /// The bytes of a message in the host's form for a destination, in whatever version it speaks.
    pub(crate) fn wire(&self, turn: &Turn<'_>, message: &Message, destination: DestinationId) -> Result<Bytes, String> {
        let destination = self.destination(destination);
        if destination.is_host() {
            return Ok(message.bytes().clone());
        }
        let today = trace::utc(turn.now.wall_ms).date();
        let builder = match destination.dialect.version {
            codecs::Version::V1987 => canonical::for_partner(message, &destination.dialect),
            _ => v93::from_canonical(message, &destination.dialect, today).map_err(|e| e.to_string())?,
        };
        builder.encode().map_err(|e| e.to_string())
    }

    pub(crate) fn next_request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// Nothing was sent, so nothing is owed: 91, and the same again for its repeats.
    fn end_unsent(&mut self, turn: &mut Turn<'_>, inbound: Inbound, identity: Identity) {
        let own = self.own(&inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        let answer = answer::build(&inbound.origin.message, None, own);
        let Some(destination) = inbound.destination else { return };
        let request = self.next_request();
        if let Ok(stored) = answer.encode() {
            let recent = Recent {
                request,
                content: inbound.content,
                card: inbound.card_index,
                destination,
                acquired: false,
                at_ms: turn.now.wall_ms,
                state: State::Ended { ending: Ending::Declined, answer: stored },
                reversed: false,
                stands_minor: None,
                life_cycle: String::new(),
                approval: String::new(),
                approved_minor: 0,
                message: Bytes::new(),
            };
            self.recents.insert(identity, recent);
        }
        self.answer(turn, &inbound.origin, &answer, ResponseCode::ISSUER_INOPERATIVE);
    }

    /// Totals go to the host and its answer comes back; they change nothing, so nothing is owed or remembered.
    pub(crate) fn reconciliation(&mut self, turn: &mut Turn<'_>, inbound: Inbound) {
        let destination = self.host;
        if !self.may_send(&inbound.origin) {
            return self.refuse(turn, &inbound.origin, ResponseCode::NOT_PERMITTED_TO_TERMINAL);
        }
        let Some(connection) = self.destination_mut(destination).pick() else {
            return self.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        };
        let (outbound, key) = match self.outbound(turn, &inbound, destination, None) {
            Ok(made) => made,
            Err(code) => return self.refuse(turn, &inbound.origin, code),
        };
        let request = self.next_request();
        let deadline = turn.now.mono + self.destination(destination).config.answer_timeout();
        if self.destination_mut(destination).mux.expect(key, deadline, Awaited::Request(request)).is_err() {
            self.destination_mut(destination).stans.release(outbound.stan);
            return self.refuse(turn, &inbound.origin, ResponseCode::ISSUER_INOPERATIVE);
        }
        turn.push(Effect::Send { destination, connection, body: outbound.wire });
        let business_date = self.day.stamp();
        let request_state = Request {
            identity: None,
            origins: vec![inbound.origin],
            destination,
            stan: outbound.stan,
            received: inbound.received,
            sent: turn.now.mono,
            business_date,
            rrn: None,
            acquired: false,
            card: inbound.card_index,
            message: Bytes::new(),
            span: inbound.span,
        };
        self.requests.insert(request, request_state);
    }

    /// The destination answered in time.
    pub(crate) fn conclude(&mut self, turn: &mut Turn<'_>, id: u64, decided: &Message, outcome: &Outcome) {
        let Some(request) = self.requests.remove(&id) else { return };
        let _transaction = request.span.clone().entered();
        self.destination_mut(request.destination).stans.release(request.stan);
        metrics::in_flight(self.requests.len());
        metrics::stage("upstream", request.sent, turn.now.mono);
        if self.reversed_meanwhile(&request) {
            metrics::answered_after_reversal();
            tracing::info!(request = id, code = %outcome.code, "the originator reversed before this answer came");
            return;
        }
        let ending = if outcome.code.is_approval() { Ending::Approved } else { Ending::Declined };
        let life_cycle = self.life_cycle(&request, outcome);
        if ending == Ending::Approved && request.acquired {
            self.owe_acquired(turn, &request, outcome, &life_cycle);
        }
        let Some(origin) = request.origins.first() else { return };
        let own = answer::Own {
            business_date: request.business_date,
            rrn: request.rrn,
            life_cycle: (!life_cycle.is_empty()).then_some(life_cycle.as_str()),
            ..self.own(origin, outcome.code)
        };
        let answer = answer::build(&origin.message, Some(decided), own);
        let approved_minor = outcome.amount.map_or(0, |amount| amount.0);
        let approval = outcome.approval.map_or(String::new(), |code| code.as_str().to_owned());
        let stored = answer.encode().unwrap_or_default();
        let facts = Facts { ending, stored: stored.clone(), life_cycle, approval, approved_minor };
        self.record_ending(turn, id, &request, facts);
        self.answer(turn, origin, &answer, outcome.code);
        for repeat in &request.origins[1..] {
            self.answer_again(turn, repeat, &stored);
        }
        metrics::total(request.received, turn.now.mono);
        tracing::debug!(request = id, code = %outcome.code, "answered");
    }

    /// A reversal by the originator was promised while the request was under way.
    fn reversed_meanwhile(&self, request: &Request) -> bool {
        let recent = request.identity.as_ref().and_then(|identity| self.recents.get(identity));
        recent.is_some_and(|recent| recent.reversed)
    }

    /// The host gives each authorization its id; an acquired one, which it has not seen, gets ours.
    fn life_cycle(&mut self, request: &Request, outcome: &Outcome) -> String {
        match &outcome.life_cycle {
            Some(id) => id.clone(),
            None if request.acquired && outcome.code.is_approval() => trace::life_cycle_id(&mut self.random),
            None => String::new(),
        }
    }

    /// No answer came in time: 91 to the originator, and a reversal is owed for what may have been done.
    pub(crate) fn timed_out(&mut self, turn: &mut Turn<'_>, id: u64) {
        let Some(request) = self.requests.remove(&id) else { return };
        let _transaction = request.span.clone().entered();
        self.destination_mut(request.destination).stans.release(request.stan);
        metrics::in_flight(self.requests.len());
        if self.reversed_meanwhile(&request) {
            return;
        }
        let name = self.destination(request.destination).config.name.clone();
        metrics::timed_out(&name);
        let owed = self.owe_timed_out(turn, id, &request);
        tracing::warn!(request = id, destination = %name, owed = owed.map(|id| id.0), "no answer in time: 91");
        let Some(origin) = request.origins.first() else { return };
        let own = answer::Own {
            business_date: request.business_date,
            rrn: request.rrn,
            ..self.own(origin, ResponseCode::ISSUER_INOPERATIVE)
        };
        let answer = answer::build(&origin.message, None, own);
        let stored = answer.encode().unwrap_or_default();
        let facts = Facts { ending: Ending::TimedOut, stored, ..Facts::default() };
        self.record_ending(turn, id, &request, facts);
        self.answer(turn, origin, &answer, ResponseCode::ISSUER_INOPERATIVE);
        for repeat in &request.origins[1..] {
            self.refuse(turn, repeat, ResponseCode::ISSUER_INOPERATIVE);
        }
    }

    /// The reversal of a request that timed out, if one is owed.
    fn owe_timed_out(&mut self, turn: &mut Turn<'_>, id: u64, request: &Request) -> Option<OwedId> {
        let identity = request.identity.as_ref()?;
        let subject = Subject {
            request: id,
            destination: request.destination,
            card: request.card,
            key: identity.key.as_str(),
            message: &request.message,
            life_cycle: "",
        };
        self.owe_reversal(turn, subject, Cause::TIMED_OUT)
    }

    /// Journals and remembers how a request ended.
    fn record_ending(&mut self, turn: &mut Turn<'_>, id: u64, request: &Request, facts: Facts) {
        let Some(identity) = &request.identity else { return };
        let rrn = request.rrn.map_or(String::new(), |rrn| rrn.as_str().to_owned());
        turn.push(Effect::Journal(Record::Ended(Ended {
            request: id,
            ending: facts.ending,
            answer: facts.stored.to_vec(),
            life_cycle: facts.life_cycle.clone(),
            rrn,
            approval: facts.approval.clone(),
            approved_minor: facts.approved_minor,
        })));
        if let Some(recent) = self.recents.get_mut(identity) {
            recent.state = State::Ended { ending: facts.ending, answer: facts.stored };
            recent.life_cycle = facts.life_cycle;
            recent.approval = facts.approval;
            recent.approved_minor = facts.approved_minor;
        }
    }

    /// The originator reverses what is still under way: it is over for it, and its answer will not be forwarded.
    pub(crate) fn end_reversed(&mut self, turn: &mut Turn<'_>, id: u64) {
        let ending = Ending::Reversed;
        turn.push(Effect::Journal(Record::Ended(Ended {
            request: id,
            ending,
            answer: Vec::new(),
            life_cycle: String::new(),
            rrn: String::new(),
            approval: String::new(),
            approved_minor: 0,
        })));
    }
}

/// How a request ended, for the journal and for its repeats.
struct Facts {
    ending: Ending,
    stored: Bytes,
    life_cycle: String,
    approval: String,
    approved_minor: i64,
}

impl Default for Facts {
    fn default() -> Self {
        let (life_cycle, approval) = (String::new(), String::new());
        Self { ending: Ending::Declined, stored: Bytes::new(), life_cycle, approval, approved_minor: 0 }
    }
}
