//! Requests and their answers: each request that leaves ends exactly once, by its answer, by its time-out, or by its
//! originator's reversal.
//!
//! | file | question |
//! |---|---|
//! | request.rs, reconciliation.rs | whether a request leaves, and where to |
//! | outbound.rs | what leaves |
//! | response.rs | whether an answer came in time |
//! | ending.rs | how a request ends by its answer |
//! | time_out.rs | how it ends without one |

mod ending;
mod outbound;
mod reconciliation;
mod request;
mod response;
mod time_out;
mod under_way;

pub(crate) use response::answered_late;

use crate::event::RequestId;
use std::collections::HashMap;
use under_way::UnderWay;

/// The requests that await a destination's answer.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    requests: HashMap<RequestId, UnderWay>,
    /// The switch is about to end.
    draining: bool,
}

impl Exchange {
    /// New requests are answered 91 from here on, with nothing sent and so nothing owed. Repeats get the answers of their
    /// originals as before.
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

    /// A fault of the switch itself: the message that it keeps of each request cannot be read.
    #[cfg(test)]
    pub(crate) fn damage_messages(&mut self) {
        for under_way in self.requests.values_mut() {
            under_way.request.message = bytes::Bytes::from_static(b"0200");
        }
    }
}
