//! The parts that several handlers of messages share (exchange/, advice/, reversal/, core/): each is used through its
//! methods only.

use crate::destination::Destinations;
use crate::event::DestinationId;
use crate::intake::{Inbound, Intake, RecentRequests};
use crate::saf::StoreAndForward;

#[derive(Debug)]
pub(crate) struct Parts {
    /// Listeners, terminals, routes; what arrives from originators, and answers to them.
    pub intake: Intake,
    /// Requests of the recent past, for their repeats, completions and reversals.
    pub recents: RecentRequests,
    /// Links, STANs and awaited answers of host and issuers.
    pub destinations: Destinations,
    /// Messages that a destination has yet to acknowledge.
    pub saf: StoreAndForward,
}

impl Parts {
    /// Whether a transaction is acquired: a foreign card at our own terminal. Its issuer authorizes, and our host gets
    /// an advice.
    pub(crate) fn is_acquired(&self, inbound: &Inbound, destination: DestinationId) -> bool {
        self.intake.is_ours(&inbound.origin) && !self.destinations.is_host(destination)
    }
}
