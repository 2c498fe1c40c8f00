//! Answers of destinations to requests, in time or late, and time-outs.

use super::Exchange;
use crate::event::{DestinationId, RequestId};
use crate::metrics;
use crate::parts::Parts;
use crate::translate::Outcome;
use crate::turn::Turn;
use codecs::Message;

impl Exchange {
    /// A request was answered in time.
    pub(crate) fn answered(
        &mut self,
        turn: &mut Turn<'_>,
        parts: &mut Parts,
        id: RequestId,
        message: &Message,
        outcome: &Outcome,
    ) {
        if let Some(under_way) = self.requests.remove(&id) {
            metrics::in_flight(self.requests.len());
            under_way.end_by_answer(turn, parts, id, message, outcome);
        }
    }

    /// A request could not be sent.
    pub(crate) fn not_sent(&mut self, turn: &mut Turn<'_>, parts: &mut Parts, id: RequestId) {
        if let Some(under_way) = self.requests.remove(&id) {
            metrics::in_flight(self.requests.len());
            under_way.end_unsent(turn, parts, id);
        }
    }

    /// A request's deadline has passed.
    pub(crate) fn timed_out(&mut self, turn: &mut Turn<'_>, parts: &mut Parts, id: RequestId) {
        if let Some(under_way) = self.requests.remove(&id) {
            metrics::in_flight(self.requests.len());
            under_way.time_out(turn, parts, id);
        }
    }
}

/// A request was answered after its time-out. The answer is counted and never forwarded: the reversal that was queued at
/// the time-out undoes the transaction, whatever the answer says. It is recorded with that reversal while the reversal is
/// unacknowledged; there is none for a request that moves no money or that its originator had reversed.
pub(crate) fn answered_late(
    turn: &mut Turn<'_>,
    parts: &mut Parts,
    destination: DestinationId,
    request: RequestId,
    outcome: &Outcome,
) {
    let destination = parts.destinations.name(destination);
    metrics::late(destination);
    let owed = parts.saf.note_late(turn, &parts.destinations, request, outcome.code).map(|id| id.0);
    tracing::warn!(destination, request = request.0, code = %outcome.code, owed, "late answer: not forwarded");
}
