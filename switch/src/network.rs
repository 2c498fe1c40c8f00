//! Network management: what originators ask of the switch, and the switch's own sessions with its destinations.

use crate::core::{Awaited, Core, Turn};
use crate::event::{ConnectionId, DestinationId, Effect};
use crate::inbound::Inbound;
use crate::metrics;
use crate::trace;
use crate::translate::network;
use codecs::Message;
use codecs::value::ResponseCode;
use codecs::view::{Network, NetworkFunction};
use link::key::MatchKey;
use link::session::{Action, Limits, Session};
use std::time::Duration;

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
        match network::answer(message, code).encode() {
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
        let function = match awaited {
            Awaited::SignOn(_) => network::Function::SignOn,
            Awaited::SignOff => network::Function::SignOff,
            Awaited::CutOver(date) => network::Function::CutOver(date),
            Awaited::Echo | Awaited::Request(_) | Awaited::Owed(_) => network::Function::Echo,
        };
        let message = network::request(&target.dialect, function, stan, turn.now.wall_ms);
        let time = trace::transmission_time(turn.now.wall_ms);
        let key = MatchKey::new(target.rule, message.mti(), stan, Some(time), None);
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
