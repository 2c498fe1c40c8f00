//! The parts that several handlers of messages share (exchange/, advice/, reversal/, core/): each is used through its
//! methods only.

use crate::destination::Destinations;
use crate::event::DestinationId;
use crate::intake::{Identity, Inbound, Intake, RecentRequests, Reference};
use crate::saf::StoreAndForward;
use codecs::de;
use codecs::value::Rrn;

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

    /// Makes a request or advice findable for its completion or reversal, by STAN and by RRN. `assigned` is the RRN that the
    /// switch gave it.
    pub(crate) fn refer(&mut self, inbound: &Inbound, identity: &Identity, assigned: Option<Rrn>) {
        let message = &inbound.origin.message;
        let (link, terminal) = (inbound.key.link(), self.intake.reference_terminal(&inbound.key));
        if let Ok(Some(stan)) = message.get::<de::Stan>() {
            self.recents.index(Reference::Stan { link, terminal, stan: stan.0 }, identity);
        }
        if let Some(rrn) = assigned.or_else(|| message.get::<de::Rrn>().ok().flatten()) {
            self.recents.index(Reference::Rrn { link, terminal, rrn: rrn.as_str() }, identity);
        }
    }
}
