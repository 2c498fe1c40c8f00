//! Events and effects: the core turns an event into effects, which the shell carries out.

use crate::fingerprint::{Fingerprint, Hour, Kept, NotRead, Question};
use crate::record::Record;
use bytes::Bytes;
use codecs::Message;
use codecs::value::{Mac, PinBlock};

pub use crate::now::Now;
pub use link::driver::{ConnectionId, InFlightPermit};
use link::key::MatchKey;

/// A listener by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub usize);

/// A destination by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationId(pub usize);

/// A request of an originator; numbers rise, across restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A message of store and forward; numbers rise in the order in which messages were queued, across restarts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SafId(pub u64);

/// Matches a reply of the HSM to its call, or a reply to an operator to its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

#[derive(Debug)]
pub enum Event {
    OriginatorConnected(ListenerId, ConnectionId),
    OriginatorGone(ListenerId, ConnectionId),
    FromOriginator(Box<Arrival>),
    DestinationConnected(DestinationId, ConnectionId),
    DestinationGone(DestinationId, ConnectionId),
    /// The message whose answer has this key could not be sent: its connection is gone, or takes no more.
    NotSent(DestinationId, MatchKey),
    FromDestination(DestinationId, ConnectionId, Box<Message>),
    HsmAnswered(Ticket, HsmAnswer),
    /// What was found of requests that are forgotten in memory.
    Found(Ticket, Result<Vec<Fingerprint>, NotRead>),
    /// Time passed: the instant that `Core::next_wake` gave has come.
    Tick,
    Operator(Ticket, Command),
    /// Whether the disk has too little room to begin anything new.
    DiskLow(bool),
}

/// One message of an originator, and where its answer goes.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub listener: ListenerId,
    pub connection: ConnectionId,
    /// The header of the frame (a TPDU); in the answer's frame its addresses are swapped.
    pub header: Bytes,
    pub message: Message,
    /// Held until the message is answered or dropped.
    pub place: InFlightPermit,
}

/// A call of the HSM.
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
    /// The HSM gave no result: nothing is known about MAC or PIN.
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

/// A command that an operator can send to the admin address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// To the given business date, or to the next day; to one far ahead only with `force`.
    CutOver {
        date: Option<jiff::civil::Date>,
        force: bool,
    },
    Links,
    Owed,
    SignOff(String),
    SignOn(String),
}

/// An action for the shell, in order within one event. A *promise* is a record that an answer relies on
/// (`Record::must_be_durable`): the effects that follow it wait until it is on the disk.
#[derive(Debug)]
pub enum Effect {
    AskHsm(Ticket, Ask),
    Journal(Record),
    /// The fingerprint of a request that has ended, to be kept for a day.
    Keep(Box<Kept>),
    /// Fingerprints to be looked for.
    Find(Ticket, Box<Question>),
    /// The fingerprints of the hours up to this one are no longer wanted.
    ForgetTo(Hour),
    /// The records before this are promises, whatever their kind.
    Promise,
    /// The effects that follow repeat an answer that relied on a promise of an earlier event: they wait until every
    /// promise made so far is on the disk.
    AfterSync,
    /// An answer to an originator. It is dropped if the connection is gone: the originator will repeat or reverse.
    Answer {
        connection: ConnectionId,
        header: Bytes,
        body: Bytes,
        /// Of the message that is answered: free again when the answer is written.
        place: InFlightPermit,
    },
    /// `key` is that of the answer that is awaited, if one is.
    Send {
        destination: DestinationId,
        connection: ConnectionId,
        body: Bytes,
        key: Option<MatchKey>,
    },
    /// The connection is closed once what was sent over it is written.
    Close {
        connection: ConnectionId,
    },
    /// The originator's connection has signed on: its address is no stranger any more.
    SignedOn {
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
