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
    /// Messages under way at once on one connection; while there are so many, it is not read.
    #[serde(default = "default_max_in_flight_per_connection")]
    pub max_in_flight_per_connection: usize,
}

impl ListenerConfig {
    pub(super) fn check(&self, i: usize) -> Result<(), InvalidValue> {
        let key = |field: &str| format!("listener[{i}].{field}");
        check_framing(key("framing"), &self.framing)?;
        if let Some(name) = &self.pin_key {
            check_key_name(key("pin_key"), name)?;
        }
        at_least_one(&key("max_connections"), self.max_connections)?;
        at_least_one(&key("max_in_flight_per_connection"), self.max_in_flight_per_connection)?;
        check_frames(key, self.max_frame_bytes, self.frame_timeout_ms)
    }
}

fn default_max_connections() -> usize {
    10_000
}

fn default_max_in_flight_per_connection() -> usize {
    256
}
