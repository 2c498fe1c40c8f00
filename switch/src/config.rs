//! The switch's configuration: what the file says, checked for meaning before anything starts.

use codecs::frame::Framing;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A mistake in the configuration. The program ends with it on one line.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {key}: {reason}")]
pub struct ConfigError {
    pub file: String,
    pub key: String,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Prometheus metrics and health.
    pub status_address: SocketAddr,
    /// Operator requests; refused unless it is a loopback address.
    pub admin_address: SocketAddr,
    pub dialects_dir: PathBuf,
    pub state_dir: PathBuf,
    /// The HSM daemons' sockets for this role.
    pub hsm_socket: hsm::Sockets,
    pub terminal_keys: PathBuf,
    /// DE32 stamped on requests of our own terminals: up to 11 digits.
    pub acquirer_id: String,
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
    /// Age at which an owed message is given up and listed as dead letter.
    pub expire_after_s: u64,
    /// Owed messages under way at once per destination.
    pub window: usize,
}

impl Default for OwedConfig {
    fn default() -> Self {
        Self { first_retry_ms: 1_000, longest_retry_ms: 30_000, expire_after_s: 604_800, window: 64 }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecentConfig {
    pub keep_s: u64,
    pub entries: usize,
}

impl Default for RecentConfig {
    fn default() -> Self {
        Self { keep_s: 86_400, entries: 200_000 }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PendingLogConfig {
    pub segment_bytes: u64,
    pub keep_segments: usize,
}

impl Default for PendingLogConfig {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, keep_segments: 3 }
    }
}

/// Whose customers speak on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginatorRole {
    /// Our own merchants' terminals: we are the acquirer.
    Ours,
    /// Another institution: it is the acquirer, and says so in DE32.
    Acquirer,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Becomes the first part of the originator key, so it must not change while repeats may arrive.
    pub name: String,
    pub address: SocketAddr,
    pub dialect: String,
    pub framing: String,
    pub role: OriginatorRole,
    /// Every message carries a MAC under the terminal's key.
    #[serde(default)]
    pub mac: bool,
    #[serde(default)]
    pub acquirer_ids: Vec<String>,
    /// Zone key of PIN blocks that arrive here; terminals have their own.
    pub pin_key: Option<String>,
    #[serde(default)]
    pub sign_on_required: bool,
    #[serde(default = "default_max_frame_bytes")]
    pub max_frame_bytes: usize,
    /// From the first byte of a frame to its last.
    #[serde(default = "default_frame_timeout_ms")]
    pub frame_timeout_ms: u64,
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// Requests under way at once on one connection; beyond that it is not read.
    #[serde(default = "default_max_in_flight_per_connection")]
    pub max_in_flight_per_connection: usize,
}

/// What a destination is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DestinationRole {
    /// Our authorization host: takes the private elements, advices of acquired sales, totals and cut-over.
    Host,
    /// A foreign issuer.
    Issuer,
}

/// Which elements tie an answer to its request on a destination.
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
    pub address: SocketAddr,
    pub dialect: String,
    pub framing: String,
    pub role: DestinationRole,
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// Zone key under which PIN blocks leave.
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
    #[serde(default = "default_max_frame_bytes")]
    pub max_frame_bytes: usize,
    #[serde(default = "default_frame_timeout_ms")]
    pub frame_timeout_ms: u64,
    #[serde(default = "default_reconnect_first_ms")]
    pub reconnect_first_ms: u64,
    #[serde(default = "default_reconnect_longest_ms")]
    pub reconnect_longest_ms: u64,
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

fn default_max_frame_bytes() -> usize {
    4096
}
fn default_frame_timeout_ms() -> u64 {
    2_000
}
fn default_max_connections() -> usize {
    10_000
}
fn default_max_in_flight_per_connection() -> usize {
    256
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

impl DestinationConfig {
    pub fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_timeout_ms)
    }
}

impl Config {
    /// Reads and checks a configuration file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError {
            file: file.clone(),
            key: "file".into(),
            reason: e.to_string(),
        })?;
        Self::parse(&text, &file)
    }

    /// Checks the text of a configuration file; `file` is for the message only.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|e| syntax_error(text, file, &e))?;
        config.mistake().map_or(Ok(config.clone()), |(key, reason)| Err(ConfigError { file: file.into(), key, reason }))
    }

    /// The first mistake in meaning: key and reason.
    fn mistake(&self) -> Option<(String, String)> {
        self.mistake_at_top()
            .or_else(|| self.listeners.iter().enumerate().find_map(|(i, l)| listener_mistake(i, l)))
            .or_else(|| self.destinations.iter().enumerate().find_map(|(i, d)| destination_mistake(i, d)))
            .or_else(|| self.mistake_in_names())
            .or_else(|| self.mistake_in_routes())
    }

    fn mistake_at_top(&self) -> Option<(String, String)> {
        if !self.admin_address.ip().is_loopback() {
            return wrong("admin_address", "must be a loopback address: it takes operator requests without a password");
        }
        if !is_institution(&self.acquirer_id) {
            return wrong("acquirer_id", "must be 1 to 11 digits");
        }
        if self.owed.first_retry_ms == 0 || self.owed.longest_retry_ms < self.owed.first_retry_ms {
            return wrong("owed.longest_retry_ms", "must not be below first_retry_ms, which must not be 0");
        }
        if self.owed.window == 0 {
            return wrong("owed.window", "must be at least 1");
        }
        let under_way: usize = self.destinations.iter().map(|d| d.max_in_flight).sum();
        if self.recent.entries < under_way {
            let reason = format!("must be at least {under_way}, the sum of max_in_flight: repeats would post twice");
            return wrong("recent.entries", reason);
        }
        if self.pending_log.segment_bytes < 1 << 16 {
            return wrong("pending_log.segment_bytes", "must be at least 65536");
        }
        if self.listeners.is_empty() {
            return wrong("listener", "at least one is needed");
        }
        match self.destinations.iter().filter(|d| d.role == DestinationRole::Host).count() {
            1 => None,
            n => wrong("destination", format!("exactly one must have role \"host\", found {n}")),
        }
    }

    fn mistake_in_names(&self) -> Option<(String, String)> {
        let mut seen = HashSet::new();
        let names = self.listeners.iter().map(|l| &l.name).chain(self.destinations.iter().map(|d| &d.name));
        for name in names {
            if name.is_empty() || name.len() > 24 || name.contains('|') {
                return wrong("name", format!("{name:?} must be 1 to 24 characters without '|'"));
            }
            if !seen.insert(name) {
                return wrong("name", format!("{name:?} is used twice"));
            }
        }
        None
    }

    fn mistake_in_routes(&self) -> Option<(String, String)> {
        let mut seen = HashSet::new();
        for (i, route) in self.routes.iter().enumerate() {
            let key = |field: &str| format!("route[{i}].{field}");
            if route.prefix.is_empty() || route.prefix.len() > 19 || !is_digits(&route.prefix) {
                return wrong(key("prefix"), format!("{:?} must be 1 to 19 digits", route.prefix));
            }
            if !self.destinations.iter().any(|d| d.name == route.destination) {
                return wrong(key("destination"), format!("no destination is called {:?}", route.destination));
            }
            if let Some(name) = route.from.iter().find(|n| !self.listeners.iter().any(|l| l.name == **n)) {
                return wrong(key("from"), format!("no listener is called {name:?}"));
            }
            let mut classes = route.classes.clone();
            classes.sort_by_key(|c| *c as u8);
            let mut from = route.from.clone();
            from.sort();
            if !seen.insert((route.prefix.clone(), classes, from)) {
                return wrong(key("prefix"), format!("{:?} is routed twice", route.prefix));
            }
        }
        if self.routes.is_empty() {
            return wrong("route", "at least one is needed");
        }
        None
    }
}

fn listener_mistake(i: usize, listener: &ListenerConfig) -> Option<(String, String)> {
    let key = |field: &str| format!("listener[{i}].{field}");
    if let Some(id) = listener.acquirer_ids.iter().find(|id| !is_institution(id)) {
        return wrong(key("acquirer_ids"), format!("{id:?} must be 1 to 11 digits"));
    }
    match listener.role {
        OriginatorRole::Ours if !listener.acquirer_ids.is_empty() => {
            return wrong(key("acquirer_ids"), "belongs to role \"acquirer\"; ours is the top-level acquirer_id");
        }
        OriginatorRole::Acquirer if listener.acquirer_ids.is_empty() => {
            return wrong(key("acquirer_ids"), "must list what the acquirer may claim in DE32");
        }
        OriginatorRole::Acquirer if listener.mac => {
            return wrong(key("mac"), "MACs are checked under terminal keys, which an acquirer does not have");
        }
        _ => {}
    }
    if let Some(mistake) = framing_mistake(key("framing"), &listener.framing) {
        return Some(mistake);
    }
    if let Some(name) = listener.pin_key.as_deref()
        && let Some(mistake) = key_name_mistake(key("pin_key"), name)
    {
        return Some(mistake);
    }
    if listener.max_connections == 0 || listener.max_in_flight_per_connection == 0 {
        return wrong(key("max_connections"), "and max_in_flight_per_connection must be at least 1");
    }
    frame_mistake(key, listener.max_frame_bytes, listener.frame_timeout_ms)
}

fn destination_mistake(i: usize, destination: &DestinationConfig) -> Option<(String, String)> {
    let key = |field: &str| format!("destination[{i}].{field}");
    if let Some(mistake) = framing_mistake(key("framing"), &destination.framing)
        .or_else(|| key_name_mistake(key("pin_key"), &destination.pin_key))
    {
        return Some(mistake);
    }
    if destination.connections == 0 || destination.connections > 64 {
        return wrong(key("connections"), "must be 1 to 64");
    }
    if destination.answer_timeout_ms == 0 {
        return wrong(key("answer_timeout_ms"), "must be at least 1");
    }
    if destination.echo_after_idle_ms == 0 || destination.echo_timeout_ms == 0 {
        return wrong(key("echo_after_idle_ms"), "and echo_timeout_ms must be at least 1");
    }
    if destination.max_in_flight == 0 || destination.max_in_flight > 900_000 {
        // the switch's own STAN has 999,999 values and must not be reused while open
        return wrong(key("max_in_flight"), "must be 1 to 900000");
    }
    if destination.reconnect_first_ms == 0 || destination.reconnect_longest_ms < destination.reconnect_first_ms {
        return wrong(key("reconnect_longest_ms"), "must not be below reconnect_first_ms, which must not be 0");
    }
    frame_mistake(key, destination.max_frame_bytes, destination.frame_timeout_ms)
}

fn framing_mistake(key: String, name: &str) -> Option<(String, String)> {
    match Framing::named(name) {
        Some(_) => None,
        None => wrong(key, format!("{name:?} is none of {}", Framing::NAMES.join(", "))),
    }
}

fn key_name_mistake(key: String, name: &str) -> Option<(String, String)> {
    hsm::KeyName::new(name).err().and_then(|error| wrong(key, error.to_string()))
}

fn frame_mistake(key: impl Fn(&str) -> String, max_bytes: usize, timeout_ms: u64) -> Option<(String, String)> {
    if !(64..=100_000).contains(&max_bytes) {
        return wrong(key("max_frame_bytes"), "must be 64 to 100000");
    }
    if timeout_ms == 0 {
        return wrong(key("frame_timeout_ms"), "must be at least 1");
    }
    None
}

fn wrong(key: impl Into<String>, reason: impl Into<String>) -> Option<(String, String)> {
    Some((key.into(), reason.into()))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_institution(text: &str) -> bool {
    is_digits(text) && text.len() <= 11
}

/// toml's own message spans several lines; ours is one, with the line number as the key.
fn syntax_error(text: &str, file: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
    ConfigError { file: file.into(), key: format!("line {line}"), reason: error.message().replace('\n', " ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../config/switch.toml");

    #[test]
    fn the_shipped_file_is_valid() {
        Config::parse(SHIPPED, "switch.toml").expect("the example works as it stands");
    }

    #[test]
    fn each_mistake_names_file_key_and_reason() {
        let cases = [
            ("admin_address  = \"127.0.0.1:9182\"", "admin_address = \"0.0.0.0:9182\"", "admin_address", "loopback"),
            ("role = \"host\"", "role = \"issuer\"", "destination", "found 0"),
            ("destination = \"host\"", "destination = \"hots\"", "route[0].destination", "hots"),
            ("prefix = \"510051\"", "prefix = \"51x051\"", "route[1].prefix", "digits"),
            ("from = [\"terminals\"]", "from = [\"terminal\"]", "route[1].from", "terminal"),
            ("acquirer_ids = [\"510099\"]", "acquirer_ids = []", "listener[1].acquirer_ids", "DE32"),
            ("name = \"issuer-510051\"", "name = \"terminals\"", "name", "twice"),
            ("connections = 2", "connections = 0", "destination[0].connections", "1 to 64"),
            ("framing = \"nac\"", "framing = \"nak\"", "listener[0].framing", "nac"),
            ("\"zpk/host\"", "\"ZPK host\"", "destination[0].pin_key", "key name"),
            ("entries = 200000", "entries = 100", "recent.entries", "40000"),
            ("window = 64", "wundow = 64", "line", "wundow"),
            (
                "prefix = \"510051\"\ndestination = \"issuer-510051\"\nfrom = [\"terminals\"]",
                "prefix = \"400012\"\ndestination = \"host\"",
                "route[1].prefix",
                "twice",
            ),
        ];
        for (from, to, key, reason) in cases {
            assert!(SHIPPED.contains(from), "{from}");
            let error = Config::parse(&SHIPPED.replacen(from, to, 1), "s.toml").expect_err(to);
            assert_eq!(error.file, "s.toml");
            assert!(error.key.contains(key) && error.reason.contains(reason), "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
