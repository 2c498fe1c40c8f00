//! Network management: what originators ask of the switch, and the switch's own sessions with its destinations.

use crate::core::{Awaited, Core, Turn};
use crate::event::{ConnectionId, DestinationId, Effect};
use crate::inbound::Inbound;
use crate::metrics;
use crate::trace;
use codecs::value::{LocalDateTime, Number, ResponseCode, YearMonthDay};
use codecs::view::{Network, NetworkFunction};
use codecs::{Builder, Message, Mti, Version, de};
use link::key::MatchKey;
use link::session::{Action, Limits, Session};
use std::time::Duration;

/// 1993 calls the sender of network messages "other" (last digit 4).
const REQUEST_87: Mti = Mti::of(b"0800");
const REQUEST_93: Mti = Mti::of(b"1804");

impl Core {
    pub(crate) fn network_from_originator(&mut self, turn: &mut Turn<'_>, inbound: &Inbound) {
        let origin = &inbound.origin;
        let code = match Network::of(&origin.message).map(|network| network.function) {
            Ok(NetworkFunction::SignOn) => {
                self.listener_mut(origin.listener).signed_on.insert(origin.connection);
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::SignOff) => {
                self.listener_mut(origin.listener).signed_on.remove(&origin.connection);
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::Echo) => ResponseCode::APPROVED,
            Ok(NetworkFunction::KeyChange | NetworkFunction::CutOver | NetworkFunction::Other(_)) => {
                ResponseCode::INVALID_TRANSACTION
            }
            Err(_) => ResponseCode::FORMAT_ERROR,
        };
        self.refuse(turn, origin, code);
    }

    pub(crate) fn network_from_destination(
        &mut self,
        turn: &mut Turn<'_>,
        destination: DestinationId,
        connection: ConnectionId,
        message: &Message,
    ) {
        let code = match Network::of(message).map(|network| network.function) {
            Ok(NetworkFunction::SignOff) => {
                let actions = self.session(destination, connection, |session| session.sign_off(false));
                self.act(turn, destination, connection, actions);
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::SignOn) => {
                let mono = turn.now.mono;
                let action = self.session(destination, connection, |session| session.sign_on_again(mono));
                self.act(turn, destination, connection, action);
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::Echo) => ResponseCode::APPROVED,
            Ok(_) => ResponseCode::INVALID_TRANSACTION,
            Err(_) => ResponseCode::FORMAT_ERROR,
        };
        let mut answer = Builder::answer_to(message);
        answer.copy::<de::TransmissionTime>(message).copy::<de::Stan>(message);
        match message.dialect().version {
            Version::V1987 => {
                answer.copy::<de::NetworkManagementCode>(message).put::<de::ResponseCode>(code);
            }
            _ => {
                let action = if code == ResponseCode::APPROVED { 800 } else { code.to_action() };
                answer.copy::<de::v93::LocalDateTime>(message).copy::<de::FunctionCode>(message);
                answer.put::<de::v93::ActionCode>(Number(action.into()));
            }
        }
        match answer.encode() {
            Ok(body) => turn.push(Effect::Send { destination, connection, body }),
            Err(error) => tracing::error!(%error, "a network answer cannot be built"),
        }
    }

    pub(crate) fn connected(&mut self, turn: &mut Turn<'_>, destination: DestinationId, connection: ConnectionId) {
        let config = &self.destination(destination).config;
        let limits = Limits {
            idle: Duration::from_millis(config.echo_after_idle_ms),
            answer: Duration::from_millis(config.echo_timeout_ms),
        };
        let (mut session, first) = Session::start(turn.now.mono, limits);
        let actions = match self.destination(destination).signed_off {
            true => session.sign_off(false),
            false => vec![first],
        };
        self.destination_mut(destination).sessions.insert(connection, session);
        self.act(turn, destination, connection, actions);
    }

    /// What was under way on the connection runs into its own deadline: its answer may come over another one.
    pub(crate) fn gone(&mut self, destination: DestinationId, connection: ConnectionId) {
        let was_up = self.destination(destination).is_up();
        self.destination_mut(destination).sessions.remove(&connection);
        self.show_link(destination, was_up);
    }

    pub(crate) fn heard(&mut self, turn: &Turn<'_>, destination: DestinationId, connection: ConnectionId) {
        if let Some(session) = self.destination_mut(destination).sessions.get_mut(&connection) {
            session.heard(turn.now.mono);
        }
    }

    pub(crate) fn signed_on(
        &mut self,
        turn: &mut Turn<'_>,
        destination: DestinationId,
        connection: ConnectionId,
        code: ResponseCode,
    ) {
        let (mono, accepted) = (turn.now.mono, code == ResponseCode::APPROVED);
        if !accepted {
            tracing::warn!(destination = %self.destination(destination).config.name, %code, "sign-on refused");
        }
        let action = self.session(destination, connection, |session| session.signed_on(mono, accepted));
        self.act(turn, destination, connection, action);
    }

    pub(crate) fn see_to_sessions(&mut self, turn: &mut Turn<'_>, destination: DestinationId) {
        let now = turn.now.mono;
        let due = |session: &Session| session.next_deadline().is_some_and(|at| at <= now);
        let sessions = &self.destination(destination).sessions;
        let due: Vec<ConnectionId> = sessions.iter().filter(|(_, session)| due(session)).map(|(id, _)| *id).collect();
        for connection in due {
            let actions = self.session(destination, connection, |session| session.timeout(now));
            self.act(turn, destination, connection, actions);
        }
    }

    /// Asks a session, if the connection still has one.
    fn session<A: IntoIterator<Item = Action>>(
        &mut self,
        destination: DestinationId,
        connection: ConnectionId,
        ask: impl FnOnce(&mut Session) -> A,
    ) -> Vec<Action> {
        let session = self.destination_mut(destination).sessions.get_mut(&connection);
        session.map(|session| ask(session).into_iter().collect()).unwrap_or_default()
    }

    pub(crate) fn act(
        &mut self,
        turn: &mut Turn<'_>,
        destination: DestinationId,
        connection: ConnectionId,
        actions: Vec<Action>,
    ) {
        for action in actions {
            match action {
                Action::SendSignOn => self.send_network(turn, destination, connection, Awaited::SignOn(connection)),
                Action::SendEcho => self.send_network(turn, destination, connection, Awaited::Echo),
                Action::SendSignOff => self.send_network(turn, destination, connection, Awaited::SignOff),
                Action::Up => {
                    self.show_link(destination, false);
                    self.saf.hurry(destination, turn.now.mono);
                    if destination == self.host {
                        self.day.hurry(turn.now.mono);
                    }
                }
                Action::Down => self.show_link(destination, true),
                Action::Close => turn.push(Effect::Close { destination, connection }),
            }
        }
    }

    pub(crate) fn send_network(
        &mut self,
        turn: &mut Turn<'_>,
        destination: DestinationId,
        connection: ConnectionId,
        awaited: Awaited,
    ) {
        let timeout = Duration::from_millis(self.destination(destination).config.echo_timeout_ms);
        let target = self.destination_mut(destination);
        let Some(stan) = target.stans.take() else { return };
        // a network message is over before the count comes round: its number need not be held
        target.stans.release(stan);
        let wall_ms = turn.now.wall_ms;
        let time = trace::transmission_time(wall_ms);
        let mti = if target.dialect.version == Version::V1987 { REQUEST_87 } else { REQUEST_93 };
        let mut message = Builder::new(&target.dialect, mti);
        message.put::<de::TransmissionTime>(time).put::<de::Stan>(stan);
        put_function(&mut message, mti, awaited, wall_ms);
        let key = MatchKey::new(target.rule, mti, stan, Some(time), None);
        let body = match message.encode() {
            Ok(body) => body,
            Err(error) => return tracing::error!(%error, "a network message cannot be built"),
        };
        if target.mux.expect(key, turn.now.mono + timeout, awaited).is_ok() {
            turn.push(Effect::Send { destination, connection, body });
        }
    }

    fn show_link(&self, destination: DestinationId, was_up: bool) {
        let destination = self.destination(destination);
        let is_up = destination.is_up();
        metrics::link_up(&destination.config.name, is_up);
        if was_up != is_up {
            tracing::info!(destination = %destination.config.name, up = is_up, "link");
        }
    }
}

fn put_function(message: &mut Builder, mti: Mti, awaited: Awaited, wall_ms: i64) {
    let (code_87, code_93) = match awaited {
        Awaited::SignOn(_) => (1, 801),
        Awaited::SignOff => (2, 802),
        Awaited::CutOver(_) => (201, 821),
        Awaited::Echo | Awaited::Request(_) | Awaited::Owed(_) => (301, 831),
    };
    if mti == REQUEST_87 {
        message.put::<de::NetworkManagementCode>(Number(code_87));
        if let Awaited::CutOver(date) = awaited {
            let date = codecs::value::MonthDay { month: date.month() as u8, day: date.day() as u8 };
            message.put::<de::SettlementDate>(date);
        }
        return;
    }
    let now = trace::transmission_time(wall_ms);
    let year = trace::utc(wall_ms).year().rem_euclid(100) as u8;
    message.put::<de::v93::LocalDateTime>(LocalDateTime { year, date: now.date, time: now.time });
    message.put::<de::FunctionCode>(Number(code_93));
    if let Awaited::CutOver(date) = awaited {
        let (month, day) = (date.month() as u8, date.day() as u8);
        let year = date.year().rem_euclid(100) as u8;
        message.put::<de::v93::SettlementDate>(YearMonthDay { year, date: codecs::value::MonthDay { month, day } });
    }
}
