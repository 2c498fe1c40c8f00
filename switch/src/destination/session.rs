//! Sign-on, echo and sign-off of each connection to a destination, and the network messages that carry them.

use super::Destinations;
use super::answers::Awaited;
use crate::event::{ConnectionId, DestinationId, Effect};
use crate::metrics;
use crate::now;
use crate::translate::network::{self, Function};
use crate::turn::Turn;
use codecs::Message;
use codecs::value::ResponseCode;
use codecs::view::{Network, NetworkFunction};
use jiff::civil::Date;
use link::session::{Action, Limits, Session};
use std::time::Duration;

impl Destinations {
    /// Answers a network message that a destination sent of its own accord.
    pub(super) fn network_request(
        &mut self,
        turn: &mut Turn<'_>,
        id: DestinationId,
        connection: ConnectionId,
        message: &Message,
    ) {
        let code = match Network::of(message).map(|network| network.function) {
            Ok(NetworkFunction::SignOff) => {
                let actions = self.of_mut(id).links.session(connection, |session| session.sign_off(false));
                self.perform(turn, id, connection, actions);
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::SignOn) => {
                let mono = turn.now.mono;
                let actions = self.of_mut(id).links.session(connection, |session| session.sign_on_again(mono));
                self.perform(turn, id, connection, actions);
                ResponseCode::APPROVED
            }
            Ok(NetworkFunction::Echo) => ResponseCode::APPROVED,
            Ok(_) => ResponseCode::INVALID_TRANSACTION,
            Err(_) => ResponseCode::FORMAT_ERROR,
        };
        match network::answer(message, code).encode() {
            Ok(body) => turn.push(Effect::Send { destination: id, connection, body, key: None }),
            Err(error) => tracing::error!(%error, "a network answer cannot be built"),
        }
    }

    /// A connection was made: it signs on, unless an operator signed the destination off.
    pub(crate) fn connected(&mut self, turn: &mut Turn<'_>, id: DestinationId, connection: ConnectionId) {
        let destination = self.of_mut(id);
        let limits = Limits {
            idle: Duration::from_millis(destination.config.echo_after_idle_ms),
            answer: Duration::from_millis(destination.config.echo_timeout_ms),
        };
        let (mut session, first) = Session::start(turn.now.mono, limits);
        let actions = match destination.links.is_signed_off() {
            true => session.sign_off(false),
            false => vec![first],
        };
        destination.links.add(connection, session);
        self.perform(turn, id, connection, actions);
    }

    /// A connection was lost. Requests sent over it keep their deadlines: an answer may come over another connection.
    pub(crate) fn gone(&mut self, id: DestinationId, connection: ConnectionId) {
        let was_up = self.is_up(id);
        self.of_mut(id).links.remove(connection);
        self.show_link(id, was_up);
    }

    /// Takes the answer to a sign-on; `true` if the connection takes traffic from now on.
    pub(super) fn signed_on(
        &mut self,
        turn: &mut Turn<'_>,
        id: DestinationId,
        connection: ConnectionId,
        code: ResponseCode,
    ) -> bool {
        let (mono, accepted) = (turn.now.mono, code == ResponseCode::APPROVED);
        if !accepted {
            tracing::warn!(destination = %self.name(id), %code, "sign-on refused");
        }
        let actions = self.of_mut(id).links.session(connection, |session| session.signed_on(mono, accepted));
        self.perform(turn, id, connection, actions)
    }

    /// Sends the echoes and sign-ons that are due, and closes connections whose peer does not answer them.
    pub(crate) fn run_session_timers(&mut self, turn: &mut Turn<'_>, id: DestinationId) {
        let now = turn.now.mono;
        for connection in self.of(id).links.due(now) {
            let actions = self.of_mut(id).links.session(connection, |session| session.timeout(now));
            self.perform(turn, id, connection, actions);
        }
    }

    /// Signs a destination off, or on again, for an operator.
    pub(crate) fn set_signed_on(&mut self, turn: &mut Turn<'_>, id: DestinationId, on: bool) {
        let now = turn.now.mono;
        self.of_mut(id).links.set_signed_off(!on);
        for connection in self.of(id).links.connections() {
            let actions = self.of_mut(id).links.session(connection, |session| match on {
                true => session.sign_on_again(now).into_iter().collect(),
                false => session.sign_off(true),
            });
            self.perform(turn, id, connection, actions);
        }
    }

    /// Announces a business date to the host; its answer is a [`super::Received::CutOverAnswer`].
    pub(crate) fn announce(&mut self, turn: &mut Turn<'_>, date: Date) {
        let host = self.host();
        if let Some(connection) = self.choose_link(host) {
            self.send_network(turn, host, connection, Awaited::CutOver(date));
        }
    }

    /// Carries out the actions of a session; `true` if the connection takes traffic from now on.
    fn perform(
        &mut self,
        turn: &mut Turn<'_>,
        id: DestinationId,
        connection: ConnectionId,
        actions: Vec<Action>,
    ) -> bool {
        let mut is_up = false;
        for action in actions {
            match action {
                Action::SendSignOn => self.send_network(turn, id, connection, Awaited::SignOn(connection)),
                Action::SendEcho => self.send_network(turn, id, connection, Awaited::Echo),
                Action::SendSignOff => self.send_network(turn, id, connection, Awaited::SignOff),
                Action::Up => {
                    self.show_link(id, false);
                    is_up = true;
                }
                Action::Down => self.show_link(id, true),
                Action::Close => turn.push(Effect::Close { connection }),
            }
        }
        is_up
    }

    fn send_network(&mut self, turn: &mut Turn<'_>, id: DestinationId, connection: ConnectionId, awaited: Awaited) {
        let function = match awaited {
            Awaited::SignOn(_) => Function::SignOn,
            Awaited::SignOff => Function::SignOff,
            Awaited::CutOver(date) => Function::CutOver(date),
            Awaited::Echo | Awaited::Message(_) => Function::Echo,
        };
        // a network message is answered before the counter comes round: its STAN is not held
        let Some(stan) = self.stan(id).map(|held| held.number()) else { return };
        let message = network::request(&self.of(id).dialect, function, stan, turn.now.wall_ms);
        let time = now::transmission_time(turn.now.wall_ms);
        let key = self.match_key(id, message.mti(), stan, time, None);
        let body = match message.encode() {
            Ok(body) => body,
            Err(error) => return tracing::error!(%error, "a network message cannot be built"),
        };
        let destination = self.of_mut(id);
        let deadline = turn.now.mono + Duration::from_millis(destination.config.echo_timeout_ms);
        if destination.mux.expect(key, deadline, awaited).is_ok() {
            turn.push(Effect::Send { destination: id, connection, body, key: Some(key) });
        }
    }

    fn show_link(&self, id: DestinationId, was_up: bool) {
        let is_up = self.is_up(id);
        metrics::link_up(self.name(id), is_up);
        if was_up != is_up {
            tracing::info!(destination = %self.name(id), up = is_up, "link");
        }
    }
}
