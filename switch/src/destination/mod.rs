//! The destinations: our own host, and foreign issuers. A destination has connections to one party, the STANs of
//! messages to it, and the messages that await its answers.
//!
//! core.rs calls it with each message of a destination, and gets back as [`Received`] which part the message is for.
//! exchange/ and saf/ get STAN, connection and match key of each message that they send from here.
//!
//! | file | contents |
//! |---|---|
//! | links.rs | the connections, and the choice of one for the next message |
//! | session.rs | sign-on, echo and sign-off of each connection; network messages |
//! | answers.rs | matching an answer to its request |
//! | stan.rs | the STANs |

mod answers;
mod links;
mod session;
mod stan;

pub(crate) use answers::{PendingMessage, Received};
pub(crate) use stan::HeldStan;

use crate::config::{DestinationConfig, DestinationRole, MatchOn};
use crate::event::{ConnectionId, DestinationId};
use crate::now;
use crate::translate::{BuildError, wire};
use crate::turn::Turn;
use answers::Awaited;
use bytes::Bytes;
use codecs::value::{Stan, TerminalId, TransmissionTime};
use codecs::{DecodeError, Dialect, Message, Mti};
use hsm::KeyName;
use link::key::{MatchKey, MatchRule};
use link::mux::{Mux, Refused};
use links::Links;
use stan::Stans;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many timed-out requests per destination are remembered, to recognize their late answers.
const TIMED_OUT_REMEMBERED: usize = 100_000;

/// All destinations, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Destinations {
    all: Vec<Destination>,
    host: DestinationId,
}

#[derive(Debug)]
struct Destination {
    config: DestinationConfig,
    dialect: Arc<Dialect>,
    pin_key: KeyName,
    rule: MatchRule,
    mux: Mux<MatchKey, Awaited>,
    stans: Stans,
    links: Links,
}

/// A destination for the operator's list.
pub(crate) struct Shown<'d> {
    pub name: &'d str,
    pub state: &'static str,
    pub connections: usize,
    pub in_flight: usize,
}

/// A mistake in the configuration of the destinations; a destination is named by its index.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DestinationsError {
    #[error("{1}")]
    PinKey(usize, hsm::HsmError),
    #[error("none has role \"host\"")]
    NoHost,
}

impl Destinations {
    /// # Errors
    /// The name of a PIN key is not valid, or no destination is the host.
    pub(crate) fn new(configs: &[DestinationConfig], dialects: Vec<Arc<Dialect>>) -> Result<Self, DestinationsError> {
        let all = configs.iter().zip(dialects).enumerate().map(|(i, (config, dialect))| {
            let pin_key = KeyName::new(&config.pin_key).map_err(|error| DestinationsError::PinKey(i, error))?;
            Ok(Destination::new(config.clone(), dialect, pin_key))
        });
        let all = all.collect::<Result<Vec<_>, DestinationsError>>()?;
        let host = all.iter().position(|destination| destination.config.role == DestinationRole::Host);
        Ok(Self { all, host: host.map(DestinationId).ok_or(DestinationsError::NoHost)? })
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = DestinationId> + use<> {
        (0..self.all.len()).map(DestinationId)
    }

    pub(crate) fn host(&self) -> DestinationId {
        self.host
    }

    pub(crate) fn is_host(&self, id: DestinationId) -> bool {
        id == self.host
    }

    pub(crate) fn named(&self, name: &str) -> Option<DestinationId> {
        self.all.iter().position(|destination| destination.config.name == name).map(DestinationId)
    }

    pub(crate) fn name(&self, id: DestinationId) -> &str {
        &self.of(id).config.name
    }

    /// The zone key of PIN blocks for this destination.
    pub(crate) fn pin_key(&self, id: DestinationId) -> &KeyName {
        &self.of(id).pin_key
    }

    pub(crate) fn host_dialect(&self) -> &Arc<Dialect> {
        &self.of(self.host).dialect
    }

    pub(crate) fn answer_timeout(&self, id: DestinationId) -> Duration {
        self.of(id).config.answer_timeout()
    }

    /// Decodes a message that the switch itself wrote in the host's dialect.
    ///
    /// # Errors
    /// The message is damaged, because the switch wrote it. The error is logged here.
    pub(crate) fn read_own(&self, message: &Bytes) -> Result<Message, DecodeError> {
        let read = Message::decode(self.host_dialect(), message.clone());
        read.inspect_err(|error| tracing::error!(%error, "a message of the switch's own cannot be read again"))
    }

    /// The bytes of a message for a destination: translated from the host's dialect into the destination's.
    ///
    /// # Errors
    /// An element does not fit the destination's dialect.
    pub(crate) fn wire(&self, turn: &Turn<'_>, message: &Message, id: DestinationId) -> Result<Bytes, BuildError> {
        match self.is_host(id) {
            true => Ok(wire::for_host(message)),
            false => wire::for_partner(message, &self.of(id).dialect, now::utc(turn.now.wall_ms).date()),
        }
    }

    /// The key that the answer to a message will be matched by.
    pub(crate) fn match_key(
        &self,
        id: DestinationId,
        mti: Mti,
        stan: Stan,
        time: TransmissionTime,
        terminal: Option<TerminalId>,
    ) -> MatchKey {
        MatchKey::new(self.of(id).rule, mti, stan, Some(time), terminal)
    }

    /// As [`Self::match_key`], read from a message that is complete.
    ///
    /// # Errors
    /// An element of the key is missing or malformed.
    pub(crate) fn match_key_of(&self, id: DestinationId, message: &Message) -> Result<MatchKey, DecodeError> {
        MatchKey::of(self.of(id).rule, message)
    }

    /// The next free STAN; `None` when all are held.
    pub(crate) fn stan(&mut self, id: DestinationId) -> Option<HeldStan> {
        self.of_mut(id).stans.take()
    }

    /// Another STAN, for the reversal of a request, in exchange for the request's own: that never fails.
    pub(crate) fn exchange_stan(&mut self, id: DestinationId, stan: HeldStan) -> HeldStan {
        self.of_mut(id).stans.exchange(stan)
    }

    /// Holds a STAN that was given before a restart and is still in use.
    pub(crate) fn hold_stan(&self, id: DestinationId, stan: Stan) -> HeldStan {
        self.of(id).stans.hold(stan)
    }

    /// A STAN was given before a restart, at this time: the counter continues after the youngest.
    pub(crate) fn restore_stan(&mut self, id: DestinationId, stan: Stan, at_ms: i64) {
        self.of_mut(id).stans.restore_last(stan, at_ms);
    }

    /// The connection for the next message: each that is up in turn. `None` while the destination is down.
    pub(crate) fn choose_link(&mut self, id: DestinationId) -> Option<ConnectionId> {
        self.of_mut(id).links.choose()
    }

    /// Registers a message that is about to be sent: its answer is awaited until the destination's time-out.
    ///
    /// # Errors
    /// As many messages are under way as the configuration allows, or one with this key is.
    pub(crate) fn await_answer(
        &mut self,
        turn: &Turn<'_>,
        id: DestinationId,
        key: MatchKey,
        awaiting: PendingMessage,
    ) -> Result<(), Refused> {
        let deadline = turn.now.mono + self.answer_timeout(id);
        self.of_mut(id).mux.expect(key, deadline, Awaited::Message(awaiting))
    }

    /// Removes a message that could not be sent from those that await an answer.
    pub(crate) fn withdraw(&mut self, id: DestinationId, key: &MatchKey) {
        self.of_mut(id).mux.withdraw(key);
    }

    /// A message could not be sent: the part that awaits its answer has to know, if it is one of another part.
    pub(crate) fn not_sent(&mut self, id: DestinationId, key: &MatchKey) -> Option<PendingMessage> {
        match self.of_mut(id).mux.withdraw(key)? {
            Awaited::Message(message) => Some(message),
            // a session has its own timer, and the cut-over announcement too
            Awaited::SignOn(_) | Awaited::Echo | Awaited::SignOff | Awaited::CutOver(_) => None,
        }
    }

    /// Whether it takes traffic.
    pub(crate) fn is_up(&self, id: DestinationId) -> bool {
        self.of(id).links.is_up()
    }

    /// The time within which every answer that is awaited now has come or timed out.
    pub(crate) fn longest_answer_timeout(&self) -> Duration {
        self.all.iter().map(|destination| destination.config.answer_timeout()).max().unwrap_or_default()
    }

    /// When the next request times out or the next session has something to do.
    pub(crate) fn next_deadline(&self, id: DestinationId) -> Option<Instant> {
        let destination = self.of(id);
        [destination.mux.next_deadline(), destination.links.next_deadline()].into_iter().flatten().min()
    }

    pub(crate) fn shown(&self, id: DestinationId) -> Shown<'_> {
        let Destination { config, mux, links, .. } = self.of(id);
        Shown { name: &config.name, state: links.state(), connections: links.len(), in_flight: mux.len() }
    }

    fn of(&self, id: DestinationId) -> &Destination {
        &self.all[id.0]
    }

    fn of_mut(&mut self, id: DestinationId) -> &mut Destination {
        &mut self.all[id.0]
    }
}

impl Destination {
    fn new(config: DestinationConfig, dialect: Arc<Dialect>, pin_key: KeyName) -> Self {
        let rule = match config.match_on {
            MatchOn::StanAndTime => MatchRule::TransmissionTime,
            MatchOn::StanAndTerminal => MatchRule::Terminal,
        };
        Self {
            mux: Mux::new(config.max_in_flight, TIMED_OUT_REMEMBERED),
            stans: Stans::new(),
            links: Links::default(),
            config,
            dialect,
            pin_key,
            rule,
        }
    }
}
