//! Requests and their answers. Each request that is sent ends exactly once: by its answer, by its time-out, or by its
//! originator's reversal.
//!
//! core.rs calls it with each request that passed its checks, each answer of a destination to a request, and each
//! time-out. On a time-out it has reversal/ queue an 0420; on an approval by a foreign issuer it has advice/ queue an
//! 0220 for the host. It answers originators through intake/.
//!
//! | file | contents |
//! |---|---|
//! | request.rs, reconciliation.rs | a request is recognized as a repeat, refused, or sent |
//! | outbound.rs, in_flight.rs | the message that is sent; the request while it awaits its answer |
//! | response.rs | answers in time, late answers, time-outs |
//! | ending.rs | how a request ends by its answer |
//! | time_out.rs | how a request ends without an answer |

mod ending;
mod in_flight;
mod outbound;
mod reconciliation;
mod request;
mod response;
mod time_out;

pub(crate) use response::answered_late;

use crate::event::RequestId;
use in_flight::InFlight;
use std::collections::HashMap;

/// The requests that await a destination's answer.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    requests: HashMap<RequestId, InFlight>,
    /// The switch is shutting down.
    draining: bool,
}

impl Exchange {
    /// New requests are answered 91 from here on: they are not sent, so nothing has to be reversed. Repeats get the
    /// answers of their originals as before.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// How many requests await an answer.
    pub(crate) fn under_way(&self) -> usize {
        self.requests.len()
    }

    /// Simulates a fault of the switch: the stored message of each request becomes unreadable.
    #[cfg(test)]
    pub(crate) fn damage_messages(&mut self) {
        for under_way in self.requests.values_mut() {
            under_way.request.message = bytes::Bytes::from_static(b"0200");
        }
    }
}
