//! The connections of one destination, each with a session, and the choice among those that are up.

use crate::event::ConnectionId;
use link::session::{Action, Session};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Links {
    sessions: BTreeMap<ConnectionId, Session>,
    last_chosen: ConnectionId,
    /// An operator signed the destination off: new connections do not sign on either.
    signed_off: bool,
}

impl Default for Links {
    fn default() -> Self {
        Self { sessions: BTreeMap::new(), last_chosen: ConnectionId(0), signed_off: false }
    }
}

impl Links {
    pub(super) fn is_up(&self) -> bool {
        self.sessions.values().any(Session::is_up)
    }

    /// The next connection that is up, each in turn.
    pub(super) fn choose(&mut self) -> Option<ConnectionId> {
        let up = |(id, session): (&ConnectionId, &Session)| session.is_up().then_some(*id);
        let after = self.sessions.range((Bound::Excluded(self.last_chosen), Bound::Unbounded));
        let next = after.filter_map(up).next().or_else(|| self.sessions.iter().find_map(up))?;
        self.last_chosen = next;
        Some(next)
    }

    pub(super) fn add(&mut self, connection: ConnectionId, session: Session) {
        self.sessions.insert(connection, session);
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.sessions.remove(&connection);
    }

    /// A message arrived from the peer.
    pub(super) fn message_arrived(&mut self, connection: ConnectionId, now: Instant) {
        if let Some(session) = self.sessions.get_mut(&connection) {
            session.message_arrived(now);
        }
    }

    /// Calls `ask` on the connection's session and gives the actions that follow; none if the connection is gone.
    pub(super) fn session<A: IntoIterator<Item = Action>>(
        &mut self,
        connection: ConnectionId,
        ask: impl FnOnce(&mut Session) -> A,
    ) -> Vec<Action> {
        let session = self.sessions.get_mut(&connection);
        session.map(|session| ask(session).into_iter().collect()).unwrap_or_default()
    }

    /// The connections whose session has a deadline that has passed.
    pub(super) fn due(&self, now: Instant) -> Vec<ConnectionId> {
        let due = |session: &Session| session.next_deadline().is_some_and(|at| at <= now);
        self.sessions.iter().filter(|(_, session)| due(session)).map(|(id, _)| *id).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.sessions.values().filter_map(Session::next_deadline).min()
    }

    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.sessions.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn is_signed_off(&self) -> bool {
        self.signed_off
    }

    pub(super) fn set_signed_off(&mut self, signed_off: bool) {
        self.signed_off = signed_off;
    }

    /// For the operator's list.
    pub(super) fn state(&self) -> &'static str {
        match (self.is_up(), self.signed_off) {
            (true, _) => "up",
            (false, true) => "signed-off",
            (false, false) => "down",
        }
    }
}
