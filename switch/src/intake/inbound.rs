//! An originator's message with everything that was read from it, from its arrival until it is forwarded or refused.

use super::identity::{CardIndex, Content};
use super::terminals::Terminal;
use crate::event::{Arrival, DestinationId};
use crate::turn::Turn;
use codecs::de;
use codecs::originator::{KeyClass, OriginatorKey};
use codecs::value::{Currency, InstitutionId, Minor, Pan, Rrn, TransmissionTime};
use std::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Network,
    /// Forwarded; its originator waits for the destination's answer.
    Request(KeyClass),
    /// Reports what has happened already; acknowledged as soon as it is in store and forward.
    Advice(KeyClass),
    Reversal,
    Reconciliation,
}

/// An originator's message on its way through the switch.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub origin: Arrival,
    pub received: Instant,
    pub kind: Kind,
    pub key: OriginatorKey,
    pub card: Option<Pan>,
    pub card_index: CardIndex,
    pub content: Content,
    pub amount: Option<Minor>,
    /// `Some` on a listener of our own terminals.
    pub terminal: Option<Terminal>,
    pub acquirer: InstitutionId,
    /// `None` without a card, or where no route matches it.
    pub destination: Option<DestinationId>,
    /// Adds the key to each log line about this transaction.
    pub span: tracing::Span,
}

impl Inbound {
    pub(crate) fn currency(&self) -> Option<Currency> {
        self.origin.message.get::<de::Currency>().ok().flatten()
    }

    /// DE7 as the originator sent it.
    pub(crate) fn transmitted(&self) -> Option<TransmissionTime> {
        self.origin.message.get::<de::TransmissionTime>().ok().flatten()
    }

    /// A new retrieval reference number (DE37) for a message of one of our own terminals that has none.
    pub(crate) fn assigned_rrn(&self, turn: &mut Turn<'_>) -> Option<Rrn> {
        let ours = self.terminal.is_some() && !self.origin.message.has::<de::Rrn>();
        ours.then(|| turn.numbers.next_rrn(turn.now.wall_ms))
    }
}
