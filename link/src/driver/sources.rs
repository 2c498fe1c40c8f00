//! The addresses that connections come from: how many each has, and which have proved to be of use.

use super::ConnectionId;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Addresses that are remembered to have signed on; with more, they are forgotten all at once.
const REMEMBERED: usize = 10_000;

/// The addresses of a program's connections, shared by its listeners; each listener counts for itself.
#[derive(Clone, Debug)]
pub struct Sources {
    state: Arc<Mutex<State>>,
    /// For connections of all listeners together.
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    /// By the listener's own address and the peer's.
    counts: HashMap<(SocketAddr, IpAddr), usize>,
    addresses: HashMap<ConnectionId, IpAddr>,
    signed_on: HashSet<IpAddr>,
}

/// A connection among those of its address at its listener, until it is dropped.
pub(super) struct OfSource {
    sources: Sources,
    listener: SocketAddr,
    address: IpAddr,
    connection: Option<ConnectionId>,
}

impl Default for Sources {
    /// As many connections as the listeners have each for itself.
    fn default() -> Self {
        Self::of(Semaphore::MAX_PERMITS)
    }
}

impl Sources {
    /// All listeners together have at most so many connections.
    pub fn of(connections: usize) -> Self {
        let room = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Self { state: Arc::default(), room }
    }

    /// `None` if all listeners together have as many connections as they may.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// A connection has signed on: others of its address get in while strangers are refused.
    pub fn signed_on(&self, connection: ConnectionId) {
        let mut state = self.lock();
        let Some(address) = state.addresses.get(&connection).copied() else { return };
        if state.signed_on.len() >= REMEMBERED {
            state.signed_on.clear();
        }
        state.signed_on.insert(address);
    }

    pub(super) fn has_signed_on(&self, address: IpAddr) -> bool {
        self.lock().signed_on.contains(&address)
    }

    /// `None` if the address has as many connections to the listener as it may.
    pub(super) fn admit(&self, listener: SocketAddr, address: IpAddr, most: usize) -> Option<OfSource> {
        let mut state = self.lock();
        let count = state.counts.entry((listener, address)).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(OfSource { sources: self.clone(), listener, address, connection: None })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfSource {
    /// The connection has its number.
    pub(super) fn has(&mut self, connection: ConnectionId) {
        self.connection = Some(connection);
        self.sources.lock().addresses.insert(connection, self.address);
    }
}

impl Drop for OfSource {
    fn drop(&mut self) {
        let mut state = self.sources.lock();
        if let Some(connection) = self.connection {
            state.addresses.remove(&connection);
        }
        let place = (self.listener, self.address);
        if let Some(count) = state.counts.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                state.counts.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_counts_for_itself() {
        let sources = Sources::default();
        let terminals = SocketAddr::from(([127, 0, 0, 1], 5000));
        let acquirer = SocketAddr::from(([127, 0, 0, 1], 5001));
        let peer = IpAddr::from([127, 0, 0, 2]);
        let first = sources.admit(terminals, peer, 1).expect("there is room");
        assert!(sources.admit(terminals, peer, 1).is_none());
        assert!(sources.admit(acquirer, peer, 1).is_some(), "another listener has room of its own");
        drop(first);
        assert!(sources.admit(terminals, peer, 1).is_some());
    }
}
