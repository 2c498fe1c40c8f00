//! Free TCP ports, chosen before the programs start, because each is configured with the others' ports.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Result, bail};
use rand::Rng;

/// Below the range from which the kernel takes ports for outgoing connections, so that none of these takes a chosen port before
/// the program binds it.
const CHOICE: std::ops::Range<u16> = 18_000..32_000;
const TRIES: usize = 1_000;

/// The ports of one stage, by the listener.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Terminals of our merchants, at the switch.
    pub terminals: u16,
    /// The foreign acquirer, at the switch.
    pub acquirer: u16,
    /// The simulated foreign issuer; the switch connects to it.
    pub issuer: u16,
    /// The tap, to which the switch connects instead of the host.
    pub host_line: u16,
    pub host: u16,
    /// The operators' port of the switch.
    pub admin: u16,
    pub switch_status: u16,
    pub host_status: u16,
    pub hsm_status: u16,
    pub second_hsm_status: u16,
}

/// Ports that this process has chosen: until its programs listen, a chosen port looks free to the next choice.
static CHOSEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// `N` different ports of the loopback address on which nobody listened a moment ago. None was chosen before by this process.
pub fn choose<const N: usize>() -> Result<[u16; N]> {
    let mut random = rand::rng();
    let mut held = Vec::with_capacity(N);
    for _ in 0..TRIES {
        if held.len() == N {
            break;
        }
        let port = random.random_range(CHOICE);
        let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if CHOSEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            held.push((port, listener));
        }
    }
    if held.len() < N {
        bail!("no {N} free ports between {} and {}", CHOICE.start, CHOICE.end);
    }
    let mut ports = [0; N];
    for (slot, (port, _)) in ports.iter_mut().zip(&held) {
        *slot = *port;
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_chosen_twice() {
        let choices: Vec<[u16; 100]> = (0..20).map(|_| choose().expect("free ports")).collect();
        let different: HashSet<u16> = choices.iter().flatten().copied().collect();
        assert_eq!(different.len(), 2_000);
    }

    #[test]
    fn chosen_ports_differ_and_can_be_bound() {
        let ports: [u16; 12] = choose().expect("free ports");
        let bound: Vec<_> =
            ports.iter().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).expect("still free")).collect();
        assert_eq!(bound.len(), 12);
    }
}
