//! Requests and their answers. Each request that is sent ends exactly once: by its answer, by its time-out, or by its
//! originator's reversal (reversal/ journals that end, and the answer is dropped here when it comes).
//!
//! core.rs calls it with each request that passed its checks, each answer of a destination to a request, and each
//! time-out. A request that cannot be sent – link down, too many under way, shutting down – is answered 91 at once. On a
//! time-out reversal/ queues an 0420 first, unless the request moves no money or is reversed already; if the 0420 cannot be
//! queued, there is no answer, and the request stays open in the pending log until the next start. On the approval of a
//! sale at our own terminal by a foreign issuer advice/ queues an 0220 for the host. Originators are answered through
//! intake/.
//!
//! | file | contents |
//! |---|---|
//! | request.rs, reconciliation.rs | a request is recognized as a repeat, refused, or sent |
//! | outbound.rs, in_flight.rs | the message that is sent; the request while it awaits its answer |
//! | response.rs | which request an answer or a time-out is for; late answers |
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
    disk_is_low: bool,
}

impl Exchange {
    /// New requests are answered 91 from here on: they are not sent, so nothing has to be reversed. Repeats get the
    /// answers of their originals as before.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// While the disk has too little room, new requests are answered 91.
    pub(crate) fn disk_is_low(&mut self, low: bool) {
        self.disk_is_low = low;
    }

    pub(crate) fn takes_requests(&self) -> bool {
        !self.draining && !self.disk_is_low
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
