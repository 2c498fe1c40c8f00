//! The originators' side of the switch: messages of terminals and acquirers, and the answers to them.
//!
//! core.rs calls it with each arriving message and each reply of the HSM. It reads the message, has the HSM check MAC
//! and PIN block, answers network messages and messages that it refuses, and gives every other message back as
//! [`Checked`]. All parts answer originators through it.
//!
//! | file | contents |
//! |---|---|
//! | arrival.rs, inbound.rs | reading a message, and whether the switch takes it; the message with all that was read |
//! | identity.rs | the idempotency key by which repeats are recognized |
//! | route.rs, terminals.rs | the destination of a card; our own terminals and their keys |
//! | edge.rs, in_order.rs | MAC check and PIN translation by the HSM; in which order its replies count |
//! | early.rs | reversals that came before their original |
//! | duplicates.rs, journal.rs | duplicate detection, and its records on disk (a part of its own: [`RecentRequests`]) |
//! | fingerprints.rs | requests that are forgotten in memory, and recalled from the disk |
//! | network.rs | sign-on, sign-off and echo |
//! | reply.rs | answers: built, given a MAC, sent |

mod arrival;
mod duplicates;
mod early;
mod edge;
mod fingerprints;
mod identity;
mod in_order;
mod inbound;
mod journal;
mod network;
mod reply;
mod route;
mod terminals;

pub(crate) use duplicates::{
    EndedRequest, Identity, RecalledAnswer, RecentRequest, RecentRequests, Reference, State, Verdict,
};
pub(crate) use early::EarlyReversal;
pub(crate) use edge::Checked;
pub(crate) use identity::{CardHasher, CardIndex, Content};
pub(crate) use inbound::{Inbound, Kind};
#[cfg(test)]
pub(crate) use terminals::Terminal;
pub use terminals::{TerminalFileError, Terminals};

use crate::config::{self, Config, ListenerConfig};
use crate::event::{Arrival, ConnectionId, Effect, ListenerId, Ticket};
use crate::metrics;
use crate::turn::Turn;
use codecs::mti::Class;
use codecs::originator::OriginatorKey;
use codecs::value::InstitutionId;
use edge::AnswerWithoutMac;
use hsm::KeyName;
use in_order::InOrder;
use link::role::Role;
use route::Routes;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// Listeners, routes, terminals, and the messages that wait for the HSM.
#[derive(Debug)]
pub(crate) struct Intake {
    listeners: Vec<Listener>,
    routes: Routes,
    terminals: Terminals,
    hasher: CardHasher,
    own_acquirer: InstitutionId,
    /// Messages that wait for the HSM.
    in_order: InOrder,
    /// The message that may have passed its checks, for [`Intake::next_checked`].
    may_follow: Option<Ticket>,
    /// Answers that wait for the HSM.
    answers: HashMap<Ticket, AnswerWithoutMac>,
}

#[derive(Debug)]
struct Listener {
    config: ListenerConfig,
    /// Whose merchants are behind it.
    role: Role,
    pin_key: Option<KeyName>,
    connections: HashSet<ConnectionId>,
    /// Messages that were answered 30 since the start, by the element that was missing or wrong.
    refused: BTreeMap<u8, u64>,
    /// The connections that have signed on.
    signed_on: HashSet<ConnectionId>,
    /// Those that have to sign on, and until when; the first one is due first. Some have done so, or are gone.
    to_sign_on: VecDeque<(Instant, ConnectionId)>,
}

/// A listener for the operator's list.
pub(crate) struct Shown<'l> {
    pub name: &'l str,
    pub connections: usize,
    pub signed_on: bool,
    /// Messages answered 30 since the start, by element.
    pub refused: &'l BTreeMap<u8, u64>,
}

/// A mistake in the configuration of a listener, which is named by its index.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("{1}")]
    PinKey(usize, hsm::HsmError),
    #[error("has no row among the links")]
    NoRole(usize),
}

impl Intake {
    /// # Errors
    /// The name of a PIN key is not valid, or a listener has no role.
    pub(crate) fn new(config: &Config, terminals: Terminals, hasher: CardHasher) -> Result<Self, IntakeError> {
        let listeners = config.listeners.iter().enumerate().map(|(i, listener)| {
            let pin_key = listener.pin_key.as_deref().map(KeyName::new).transpose();
            let pin_key = pin_key.map_err(|error| IntakeError::PinKey(i, error))?;
            let role = config.roles.get(&listener.name).ok_or(IntakeError::NoRole(i))?.clone();
            let (connections, signed_on, to_sign_on) = (HashSet::new(), HashSet::new(), VecDeque::new());
            let refused = BTreeMap::new();
            Ok(Listener { config: listener.clone(), role, pin_key, connections, refused, signed_on, to_sign_on })
        });
        Ok(Self {
            listeners: listeners.collect::<Result<_, IntakeError>>()?,
            routes: Routes::new(config),
            terminals,
            hasher,
            own_acquirer: config::institution(&config.acquirer_id),
            in_order: InOrder::default(),
            may_follow: None,
            answers: HashMap::new(),
        })
    }

    pub(crate) fn connected(&mut self, id: ListenerId, connection: ConnectionId, now: Instant) {
        let listener = self.listener_mut(id);
        listener.connections.insert(connection);
        if listener.config.sign_on_required {
            let within = Duration::from_millis(listener.config.sign_on_within_ms);
            listener.to_sign_on.push_back((now + within, connection));
        }
    }

    /// Closes the connections that have not signed on in time.
    pub(crate) fn close_strangers(&mut self, turn: &mut Turn<'_>) {
        for listener in &mut self.listeners {
            while let Some((_, connection)) = listener.to_sign_on.pop_front_if(|(until, _)| *until <= turn.now.mono) {
                if listener.connections.contains(&connection) && !listener.signed_on.contains(&connection) {
                    metrics::not_signed_on(&listener.config.name);
                    turn.push(Effect::Close { connection });
                }
            }
        }
    }

    /// When the next connection has to have signed on.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(|listener| listener.to_sign_on.front()).map(|(until, _)| *until).min()
    }

    pub(crate) fn gone(&mut self, id: ListenerId, connection: ConnectionId) {
        let listener = self.listener_mut(id);
        listener.connections.remove(&connection);
        listener.signed_on.remove(&connection);
    }

    pub(crate) fn name(&self, id: ListenerId) -> &str {
        &self.listener(id).config.name
    }

    /// Whether the merchants behind the link are ours.
    pub(crate) fn is_ours(&self, origin: &Arrival) -> bool {
        self.listener(origin.listener).role.is_ours()
    }

    /// The terminal in a reference to the request with this key: an institution's references name none.
    pub(crate) fn reference_terminal<'k>(&self, key: &'k OriginatorKey) -> &'k str {
        let listener = self.listeners.iter().find(|listener| listener.config.name == key.link());
        if listener.is_some_and(|listener| listener.role.is_ours()) { key.terminal() } else { "" }
    }

    /// Whether the message's connection is signed on, or need not be: network messages may always be sent.
    fn may_send(&self, arrival: &Arrival) -> bool {
        let listener = self.listener(arrival.listener);
        arrival.message.mti().class() == Class::Network
            || !listener.config.sign_on_required
            || listener.signed_on.contains(&arrival.connection)
    }

    /// For messages that arrive from now on.
    pub(crate) fn replace_terminals(&mut self, terminals: Terminals) {
        self.terminals = terminals;
    }

    /// How many messages and answers wait for the HSM.
    pub(crate) fn awaiting_hsm(&self) -> usize {
        self.in_order.len() + self.answers.len()
    }

    pub(crate) fn shown(&self) -> impl Iterator<Item = Shown<'_>> {
        self.listeners.iter().map(|listener| Shown {
            name: &listener.config.name,
            connections: listener.connections.len(),
            signed_on: !listener.config.sign_on_required || !listener.signed_on.is_empty(),
            refused: &listener.refused,
        })
    }

    fn listener(&self, id: ListenerId) -> &Listener {
        &self.listeners[id.0]
    }

    fn listener_mut(&mut self, id: ListenerId) -> &mut Listener {
        &mut self.listeners[id.0]
    }
}

impl Listener {
    /// The connection for an answer: that of the request, or if it is gone another one of the same institution.
    fn way_back(&self, asked: ConnectionId) -> Option<ConnectionId> {
        if self.connections.contains(&asked) {
            return Some(asked);
        }
        let others = if self.config.sign_on_required { &self.signed_on } else { &self.connections };
        others.iter().min().copied().filter(|_| !self.role.is_ours())
    }
}
