//! What the switch knows of an originator's message, from its arrival until it is sent on or refused.

use super::duplicates::KeyClass;
use super::identity::{CardIndex, Content};
use super::terminals::Terminal;
use crate::event::{Arrival, DestinationId};
use crate::turn::Turn;
use codecs::de;
use codecs::originator::OriginatorKey;
use codecs::value::Rrn;
use codecs::value::{InstitutionId, Minor, Pan};
use std::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Network,
    /// Waits for an answer of its destination.
    Request(KeyClass),
    /// Tells what happened: acknowledged as soon as it is safe here.
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
    /// Ours, on a listener of our own terminals.
    pub terminal: Option<Terminal>,
    pub acquirer: InstitutionId,
    /// By the card, where there is one and it is routed.
    pub destination: Option<DestinationId>,
    /// What is logged about this transaction carries its key.
    pub span: tracing::Span,
}

impl Inbound {
    /// Our own terminals leave DE37 to the switch.
    pub(crate) fn assigned_rrn(&self, turn: &mut Turn<'_>) -> Option<Rrn> {
        let ours = self.terminal.is_some() && !self.origin.message.has::<de::Rrn>();
        ours.then(|| turn.numbers.next_rrn(turn.now.wall_ms))
    }
}
