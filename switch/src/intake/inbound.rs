//! What the switch knows of an originator's message, from its arrival until it is sent on or refused.

use super::duplicates::KeyClass;
use super::identity::{CardIndex, Content};
use super::terminals::Terminal;
use crate::event::{Arrival, DestinationId};
use codecs::originator::OriginatorKey;
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
