//! Destinations: the parties that the switch sends to, and how each is dialled.

use super::{at_least_one, check_frames, check_framing, check_key_name};
use config_file::{InvalidValue, check_range};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Whether a destination is our own host or a foreign issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DestinationRole {
    /// Our authorization host: gets the private elements, advices of acquired sales, totals and cut-over.
    Host,
    /// A foreign issuer.
    Issuer,
}

/// The elements by which an answer of a destination is matched to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchOn {
    /// Class, DE11 and DE7.
    #[default]
    StanAndTime,
    /// Class, DE11 and DE41, for peers that stamp their own DE7 on answers.
    StanAndTerminal,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationConfig {
    pub name: String,
    /// Where it is dialled: one address, or a list of them for one party that listens at several.
    pub address: Addresses,
    pub dialect: String,
    pub framing: String,
    pub role: DestinationRole,
    /// Connections to each address.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// Zone key under which PIN blocks are sent.
    pub pin_key: String,
    #[serde(default)]
    pub match_on: MatchOn,
    #[serde(default = "default_answer_timeout_ms")]
    pub answer_timeout_ms: u64,
    #[serde(default = "default_echo_after_idle_ms")]
    pub echo_after_idle_ms: u64,
    #[serde(default = "default_echo_timeout_ms")]
    pub echo_timeout_ms: u64,
    /// Requests that may await an answer at once; beyond that the originator gets 91 before anything is sent.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: usize,
    #[serde(default = "super::default_max_frame_bytes")]
    pub max_frame_bytes: usize,
    #[serde(default = "super::default_frame_timeout_ms")]
    pub frame_timeout_ms: u64,
    #[serde(default = "default_reconnect_first_ms")]
    pub reconnect_first_ms: u64,
    #[serde(default = "default_reconnect_longest_ms")]
    pub reconnect_longest_ms: u64,
}

/// One address, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<SocketAddr>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Addresses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a list of addresses")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Addresses, E> {
                text.parse().map(|address| Addresses(vec![address])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
                let mut addresses = Vec::new();
                while let Some(address) = list.next_element()? {
                    addresses.push(address);
                }
                Ok(Addresses(addresses))
            }
        }

        deserializer.deserialize_any(OneOrSeveral)
    }
}

impl DestinationConfig {
    pub fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_timeout_ms)
    }

    pub(super) fn check(&self, i: usize) -> Result<(), InvalidValue> {
        let key = |field: &str| format!("destination[{i}].{field}");
        check_framing(key("framing"), &self.framing)?;
        check_key_name(key("pin_key"), &self.pin_key)?;
        check_addresses(&key("address"), &self.address.0)?;
        check_range(&key("connections"), self.connections, 1..=64)?;
        at_least_one(&key("answer_timeout_ms"), self.answer_timeout_ms)?;
        at_least_one(&key("echo_after_idle_ms"), self.echo_after_idle_ms)?;
        at_least_one(&key("echo_timeout_ms"), self.echo_timeout_ms)?;
        // the switch's own STAN has 999,999 values and must not be reused while open
        check_range(&key("max_in_flight"), self.max_in_flight, 1..=900_000)?;
        if self.reconnect_first_ms == 0 || self.reconnect_longest_ms < self.reconnect_first_ms {
            let reason = "must not be below reconnect_first_ms, which must not be 0";
            return Err(InvalidValue::new(key("reconnect_longest_ms"), reason));
        }
        check_frames(key, self.max_frame_bytes, self.frame_timeout_ms)
    }
}

fn check_addresses(key: &str, addresses: &[SocketAddr]) -> Result<(), InvalidValue> {
    check_range(key, addresses.len(), 1..=64).map_err(|_| InvalidValue::new(key, "must be 1 to 64 addresses"))?;
    match (1..addresses.len()).find(|i| addresses[..*i].contains(&addresses[*i])) {
        Some(twice) => Err(InvalidValue::new(format!("{key}[{twice}]"), "remaining twice")),
        None => Ok(()),
    }
}

fn default_connections() -> usize {
    1
}

fn default_answer_timeout_ms() -> u64 {
    5_000
}

fn default_echo_after_idle_ms() -> u64 {
    10_000
}

fn default_echo_timeout_ms() -> u64 {
    2_000
}

fn default_max_in_flight() -> usize {
    20_000
}

fn default_reconnect_first_ms() -> u64 {
    100
}

fn default_reconnect_longest_ms() -> u64 {
    5_000
}
