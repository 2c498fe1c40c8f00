//! A request that awaits its destination's answer.

use crate::destination::HeldStan;
use crate::event::{Arrival, DestinationId};
use crate::intake::{CardIndex, Identity};
use bytes::Bytes;
use codecs::value::{Currency, Minor, MonthDay, Rrn};
use std::time::Instant;

/// A request that awaits its destination's answer, with everything that its end needs.
#[derive(Debug)]
pub(super) struct Request {
    /// `None` for reconciliations: they change nothing, and a repeat is sent again.
    pub identity: Option<Identity>,
    /// The original arrival, then its repeats that wait for the same answer.
    pub origins: Vec<Arrival>,
    pub destination: DestinationId,
    pub received: Instant,
    pub sent: Instant,
    /// The date that it was sent with; the answer carries the same.
    pub business_date: MonthDay,
    /// Assigned by the switch where the originator sent none.
    pub rrn: Option<Rrn>,
    pub acquired: bool,
    pub amount: Option<Minor>,
    pub currency: Option<Currency>,
    pub card: CardIndex,
    /// As forwarded, in the host's dialect, without sensitive elements.
    pub message: Bytes,
    pub span: tracing::Span,
}

/// A request, and the STAN that it holds until it ends.
#[derive(Debug)]
pub(super) struct InFlight {
    pub request: Request,
    pub stan: HeldStan,
}
