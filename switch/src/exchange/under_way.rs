//! A request that awaits its destination's answer.

use crate::destination::HeldStan;
use crate::event::{Arrival, DestinationId};
use crate::intake::{CardIndex, Identity};
use bytes::Bytes;
use codecs::value::{MonthDay, Rrn};
use std::time::Instant;

/// A request that awaits its destination's answer.
#[derive(Debug)]
pub(super) struct Request {
    /// None for reconciliations, which change nothing and may be asked again.
    pub identity: Option<Identity>,
    /// Who asked, and who asked again meanwhile.
    pub origins: Vec<Arrival>,
    pub destination: DestinationId,
    pub received: Instant,
    pub sent: Instant,
    /// The stamp it was sent with, which the answer gives back.
    pub business_date: MonthDay,
    /// Assigned here, where the originator sent none.
    pub rrn: Option<Rrn>,
    pub acquired: bool,
    pub card: CardIndex,
    /// In the host's dialect as it went upstream, without sensitive elements.
    pub message: Bytes,
    pub span: tracing::Span,
}

/// A request, and the STAN that is its own until it ends.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub request: Request,
    pub stan: HeldStan,
}
