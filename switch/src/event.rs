//! What happens to the switch, and what it wants done. The core turns the first into the second.

use crate::record::Record;
use bytes::Bytes;
use codecs::Message;
use codecs::value::{Mac, PinBlock};

pub use crate::now::Now;
pub use link::driver::{ConnectionId, Place};

/// A listener by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub usize);

/// A destination by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationId(pub usize);

/// A request of an originator; numbers rise, across restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A message of store and forward; numbers rise in the order in which the messages became owed, across restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwedId(pub u64);

/// Ties an answer of the HSM, or to an operator, to its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

#[derive(Debug)]
pub enum Event {
    OriginatorConnected(ListenerId, ConnectionId),
    OriginatorGone(ListenerId, ConnectionId),
    FromOriginator(Box<Arrival>),
    DestinationConnected(DestinationId, ConnectionId),
    DestinationGone(DestinationId, ConnectionId),
    FromDestination(DestinationId, ConnectionId, Box<Message>),
    HsmAnswered(Ticket, HsmAnswer),
    /// Time passed: `Core::next_wake` said when to come back.
    Tick,
    Operator(Ticket, Command),
}

/// One message of an originator, and where its answer goes.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub listener: ListenerId,
    pub connection: ConnectionId,
    /// What the frame carried beside the message (a TPDU); the answer's frame turns it.
    pub header: Bytes,
    pub message: Message,
    /// Held until it is over with.
    pub place: Place,
}

/// A question to the HSM.
#[derive(Debug, Clone)]
pub enum Ask {
    /// MAC check and PIN translation of one arriving message, in one verb.
    Edge(Box<hsm::EdgeCheck>),
    /// A MAC for an answer to a terminal.
    Mac { key: hsm::MacKey, data: Bytes },
}

#[derive(Debug, Clone)]
pub enum HsmAnswer {
    Edge {
        mac: MacVerdict,
        pin: PinVerdict,
    },
    Mac(Mac),
    /// No verdict could be had: the machine cannot decide.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacVerdict {
    NotAsked,
    Right,
    Wrong,
}

#[derive(Debug, Clone)]
pub enum PinVerdict {
    NotAsked,
    Translated(PinBlock),
    /// It does not decipher to a PIN block: the keys are out of step, or the block was tampered with.
    FormatError,
}

/// What an operator can ask for over the admin address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// To the given business date, or to the next day.
    CutOver(Option<jiff::civil::Date>),
    Links,
    Owed,
    SignOff(String),
    SignOn(String),
}

/// In order within one event; what follows a record that is a promise waits until the record is on the disk.
#[derive(Debug)]
pub enum Effect {
    AskHsm(Ticket, Ask),
    Journal(Record),
    /// What follows tells again what was told with an earlier promise: it waits until every promise made so far is on the
    /// disk.
    AfterPromises,
    /// To an originator. A connection that is gone by then drops it: the originator will repeat or reverse.
    Answer {
        connection: ConnectionId,
        header: Bytes,
        body: Bytes,
    },
    Send {
        destination: DestinationId,
        connection: ConnectionId,
        body: Bytes,
    },
    Close {
        destination: DestinationId,
        connection: ConnectionId,
    },
    Reply(Ticket, Reply),
}

/// An answer to an operator.
#[derive(Debug, Clone)]
pub enum Reply {
    Done(serde_json::Value),
    Refused(String),
}
