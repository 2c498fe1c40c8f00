//! Listeners: the addresses at which originators connect.

use super::{at_least_one, check_frames, check_framing, check_key_name};
use config_file::InvalidValue;
use serde::Deserialize;
use std::net::SocketAddr;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Its row in the file of links. Becomes the first part of the originator key, so it must not change while repeats may
    /// arrive.
    pub name: String,
    pub address: SocketAddr,
    pub dialect: String,
    pub framing: String,
    /// Every message carries a MAC under the terminal's key.
    #[serde(default)]
    pub mac: bool,
    /// Zone key of PIN blocks that arrive here; terminals have their own.
    pub pin_key: Option<String>,
    #[serde(default)]
    pub sign_on_required: bool,
    #[serde(default = "super::default_max_frame_bytes")]
    pub max_frame_bytes: usize,
    /// From the first byte of a frame to its last.
    #[serde(default = "super::default_frame_timeout_ms")]
    pub frame_timeout_ms: u64,
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// What an answer that was sent outlives.
    #[serde(default)]
    pub durability: Durability,
    /// Connections from one address.
    #[serde(default = "default_max_connections_per_source")]
    pub max_connections_per_source: usize,
    /// From the connection to its first message; a connection that says nothing is closed.
    #[serde(default = "default_first_message_within_ms")]
    pub first_message_within_ms: u64,
    /// Where sign-on is required: from the connection to its sign-on.
    #[serde(default = "default_sign_on_within_ms")]
    pub sign_on_within_ms: u64,
    /// A connection without a message for so long is closed.
    #[serde(default = "default_max_idle_s")]
    pub max_idle_s: u64,
    /// Messages under way at once on one connection; while there are so many, it is not read.
    #[serde(default = "default_max_in_flight_per_connection")]
    pub max_in_flight_per_connection: usize,
}

/// What the record of an answer survives. A request whose answer was sent and whose record is lost counts as unanswered after
/// the start that follows: it is reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The end of the process: the kernel has the record before the answer is sent.
    #[default]
    Process,
    /// A power failure too: the disk has it.
    Power,
}

impl ListenerConfig {
    pub(super) fn check(&self, i: usize) -> Result<(), InvalidValue> {
        let key = |field: &str| format!("listener[{i}].{field}");
        check_framing(key("framing"), &self.framing)?;
        if let Some(name) = &self.pin_key {
            check_key_name(key("pin_key"), name)?;
        }
        at_least_one(&key("max_connections"), self.max_connections)?;
        at_least_one(&key("max_connections_per_source"), self.max_connections_per_source)?;
        at_least_one(&key("first_message_within_ms"), self.first_message_within_ms)?;
        at_least_one(&key("sign_on_within_ms"), self.sign_on_within_ms)?;
        at_least_one(&key("max_idle_s"), self.max_idle_s)?;
        at_least_one(&key("max_in_flight_per_connection"), self.max_in_flight_per_connection)?;
        check_frames(key, self.max_frame_bytes, self.frame_timeout_ms)
    }
}

fn default_max_connections() -> usize {
    10_000
}

fn default_max_connections_per_source() -> usize {
    2_500
}

fn default_first_message_within_ms() -> u64 {
    30_000
}

fn default_sign_on_within_ms() -> u64 {
    10_000
}

fn default_max_idle_s() -> u64 {
    3_600
}

fn default_max_in_flight_per_connection() -> usize {
    256
}
