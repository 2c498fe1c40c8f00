//! The switch's configuration file, read and checked before anything starts.

mod destination;
mod listener;

pub use destination::{Addresses, DestinationConfig, DestinationRole, MatchOn};
pub use listener::{Durability, ListenerConfig};

use codecs::frame::Framing;
use codecs::value::InstitutionId;
use config_file::{Check, ConfigError, ConfigFile, InvalidValue, check_digits, check_range};
use link::role::Roles;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Prometheus metrics and health.
    pub status_address: SocketAddr,
    /// What operators may see; refused unless it is a loopback address.
    pub admin_address: SocketAddr,
    /// Operators' commands; `admin.sock` in the state folder unless it is set.
    #[serde(default)]
    pub admin_socket: Option<PathBuf>,
    /// User ids that may send commands, besides root and the switch's own.
    #[serde(default)]
    pub admin_users: Vec<u32>,
    pub dialects_dir: PathBuf,
    pub state_dir: PathBuf,
    /// The HSM daemons' sockets for this role.
    pub hsm_socket: hsm::Sockets,
    pub terminal_keys: PathBuf,
    /// DE32 stamped on requests of our own terminals: up to 11 digits.
    pub acquirer_id: String,
    /// The file that says whose merchants are behind each listener.
    pub links: PathBuf,
    /// The roles in that file, by the listener's name.
    #[serde(skip)]
    pub roles: Roles,
    #[serde(default)]
    pub owed: OwedConfig,
    #[serde(default)]
    pub recent: RecentConfig,
    #[serde(default)]
    pub pending_log: PendingLogConfig,
    #[serde(rename = "listener")]
    pub listeners: Vec<ListenerConfig>,
    #[serde(rename = "destination")]
    pub destinations: Vec<DestinationConfig>,
    #[serde(rename = "route")]
    pub routes: Vec<RouteConfig>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwedConfig {
    pub first_retry_ms: u64,
    pub longest_retry_ms: u64,
    /// Age at which an unacknowledged message becomes a dead letter.
    pub expire_after_s: u64,
    /// For how long a reversal is sent again to a destination that has no original for it.
    pub not_found_retry_s: u64,
    /// A message that was not acknowledged so many times, while its destination dealt with others, lets the others of its card
    /// go first.
    pub step_aside_after: u32,
    /// Messages of store and forward under way at once per destination.
    pub max_in_flight_per_destination: usize,
    /// Beyond so many unacknowledged messages of a destination new requests to it are answered 91.
    pub max_messages_per_destination: usize,
}

impl Default for OwedConfig {
    fn default() -> Self {
        Self {
            first_retry_ms: 1_000,
            longest_retry_ms: 30_000,
            expire_after_s: 604_800,
            not_found_retry_s: 300,
            step_aside_after: 8,
            max_in_flight_per_destination: 64,
            max_messages_per_destination: 100_000,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecentConfig {
    pub keep_s: u64,
    /// Kept in memory with their answers; of older ones a fingerprint on the disk.
    pub max_entries: usize,
    pub max_fingerprints: usize,
}

impl Default for RecentConfig {
    fn default() -> Self {
        Self { keep_s: 86_400, max_entries: 100_000, max_fingerprints: 100_000_000 }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PendingLogConfig {
    pub segment_bytes: u64,
    pub keep_segments: usize,
    /// Set aside on the disk, for the ends of what was begun when nothing else is left.
    pub reserve_bytes: u64,
    /// With less room on the disk requests are answered 91.
    pub min_free_bytes: u64,
}

impl Default for PendingLogConfig {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, keep_segments: 3, reserve_bytes: 64 << 20, min_free_bytes: 256 << 20 }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Leading digits of the PAN.
    pub prefix: String,
    pub destination: String,
    /// Message classes this route serves (`authorization`, `financial`); empty: all.
    #[serde(default)]
    pub classes: Vec<RouteClass>,
    /// Listeners that may use it; empty: all.
    #[serde(default)]
    pub from: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteClass {
    Authorization,
    Financial,
}

/// An institution's id from a checked configuration.
pub(crate) fn institution(digits: &str) -> InstitutionId {
    InstitutionId::new(digits).expect("the configuration was checked for 1 to 11 digits")
}

impl Config {
    /// Reads and checks a configuration file, and the file of links that it names.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = ConfigFile::read(path)?;
        let config: Self = file.parse()?;
        let roles = Roles::load(&config.links)?;
        config.with_roles(roles).map_err(|wrong| file.error(wrong))
    }

    /// Checks the text of a configuration file; `name` is for errors only, `roles` is the content of the file of links.
    pub fn parse(text: &str, name: &str, roles: Roles) -> Result<Self, ConfigError> {
        let file = ConfigFile::new(text, name);
        file.parse::<Self>()?.with_roles(roles).map_err(|wrong| file.error(wrong))
    }

    /// The socket for operators' commands.
    pub fn admin_socket(&self) -> PathBuf {
        self.admin_socket.clone().unwrap_or_else(|| self.state_dir.join("admin.sock"))
    }

    /// Adds the roles, and checks that every listener has one.
    fn with_roles(self, roles: Roles) -> Result<Self, InvalidValue> {
        for (i, listener) in self.listeners.iter().enumerate() {
            let Some(role) = roles.get(&listener.name) else {
                return Err(InvalidValue::new(format!("listener[{i}].name"), "has no row in the file of links"));
            };
            if listener.mac && !role.is_ours() {
                let reason = "MACs are checked under terminal keys, which an acquirer does not have";
                return Err(InvalidValue::new(format!("listener[{i}].mac"), reason));
            }
        }
        Ok(Self { roles, ..self })
    }

    fn check_top(&self) -> Result<(), InvalidValue> {
        if !self.admin_address.ip().is_loopback() {
            let reason = "must be a loopback address: it shows links and messages without a password";
            return Err(InvalidValue::new("admin_address", reason));
        }
        check_digits("acquirer_id", &self.acquirer_id, 1..=11)?;
        if self.owed.first_retry_ms == 0 || self.owed.longest_retry_ms < self.owed.first_retry_ms {
            return Err(InvalidValue::new(
                "owed.longest_retry_ms",
                "must not be below first_retry_ms, which must not be 0",
            ));
        }
        at_least_one("owed.max_in_flight_per_destination", self.owed.max_in_flight_per_destination)?;
        at_least_one("owed.step_aside_after", self.owed.step_aside_after)?;
        // each holds a STAN, of which a destination has 999,999, and requests need some too
        check_range("owed.max_messages_per_destination", self.owed.max_messages_per_destination, 1..=500_000)?;
        let under_way: usize = self.destinations.iter().map(|d| d.max_in_flight).sum();
        if self.recent.max_entries < under_way {
            let reason = "must be at least the sum of the destinations' max_in_flight: repeats would post twice";
            return Err(InvalidValue::new("recent.max_entries", reason));
        }
        if self.pending_log.segment_bytes < 1 << 16 {
            return Err(InvalidValue::new("pending_log.segment_bytes", "must be at least 65536"));
        }
        if self.listeners.is_empty() {
            return Err(InvalidValue::new("listener", "at least one is needed"));
        }
        match self.destinations.iter().filter(|d| d.role == DestinationRole::Host).count() {
            1 => Ok(()),
            n => Err(InvalidValue::new("destination", format!("exactly one must have role \"host\", and {n} have it"))),
        }
    }

    fn check_names(&self) -> Result<(), InvalidValue> {
        let mut seen = HashSet::new();
        let listeners = self.listeners.iter().enumerate().map(|(i, l)| (format!("listener[{i}].name"), &l.name));
        let destinations =
            self.destinations.iter().enumerate().map(|(i, d)| (format!("destination[{i}].name"), &d.name));
        for (key, name) in listeners.chain(destinations) {
            if name.is_empty() || name.len() > 24 || name.contains('|') {
                return Err(InvalidValue::new(key, "must be 1 to 24 characters without '|'"));
            }
            if !seen.insert(name) {
                return Err(InvalidValue::new(key, "is another listener's or destination's name as well"));
            }
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), InvalidValue> {
        let mut seen = HashSet::new();
        for (i, route) in self.routes.iter().enumerate() {
            let key = |field: &str| format!("route[{i}].{field}");
            check_digits(&key("prefix"), &route.prefix, 1..=19)?;
            if !self.destinations.iter().any(|d| d.name == route.destination) {
                return Err(InvalidValue::new(key("destination"), "no destination has this name"));
            }
            let stranger = route.from.iter().position(|name| !self.listeners.iter().any(|l| l.name == *name));
            if let Some(at) = stranger {
                return Err(InvalidValue::new(format!("{}[{at}]", key("from")), "no listener has this name"));
            }
            let mut classes = route.classes.clone();
            classes.sort_by_key(|c| *c as u8);
            let mut from = route.from.clone();
            from.sort();
            if !seen.insert((&route.prefix, classes, from)) {
                return Err(InvalidValue::new(key("prefix"), "is routed twice"));
            }
        }
        if self.routes.is_empty() {
            return Err(InvalidValue::new("route", "at least one is needed"));
        }
        Ok(())
    }
}

impl Check for Config {
    const RENAMED: &'static [(&'static str, &'static str)] = &[
        ("listener.role", "remaining in the file of links now"),
        ("owed.window", "is called max_in_flight_per_destination now"),
        ("recent.entries", "is called max_entries now"),
        ("listener.acquirer_ids", "is acquirer_id, and other_acquirer_ids, in the file of links now"),
    ];

    fn check(&self) -> Result<(), InvalidValue> {
        self.check_top()?;
        self.listeners.iter().enumerate().try_for_each(|(i, listener)| listener.check(i))?;
        self.destinations.iter().enumerate().try_for_each(|(i, destination)| destination.check(i))?;
        self.check_names()?;
        self.check_routes()
    }
}

fn check_framing(key: String, name: &str) -> Result<(), InvalidValue> {
    match Framing::named(name) {
        Some(_) => Ok(()),
        None => Err(InvalidValue::new(key, format!("must be one of {}", Framing::NAMES.join(", ")))),
    }
}

fn check_key_name(key: String, name: &str) -> Result<(), InvalidValue> {
    match hsm::KeyName::new(name) {
        Ok(_) => Ok(()),
        // its error repeats the name
        Err(_) => Err(InvalidValue::new(key, "is no name for a key")),
    }
}

fn check_frames(key: impl Fn(&str) -> String, max_bytes: usize, timeout_ms: u64) -> Result<(), InvalidValue> {
    check_range(&key("max_frame_bytes"), max_bytes, 64..=100_000)?;
    at_least_one(&key("frame_timeout_ms"), timeout_ms)
}

fn at_least_one(key: &str, number: impl TryInto<u64>) -> Result<(), InvalidValue> {
    match number.try_into() {
        Ok(0) => Err(InvalidValue::new(key, "must be at least 1")),
        _ => Ok(()),
    }
}

fn default_max_frame_bytes() -> usize {
    4096
}

fn default_frame_timeout_ms() -> u64 {
    2_000
}

#[cfg(test)]
mod tests;
