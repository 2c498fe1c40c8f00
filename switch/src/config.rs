//! The switch's configuration: what the file says, checked for meaning before anything starts.

use codecs::frame::Framing;
use codecs::value::InstitutionId;
use config_file::{Check, ConfigError, ConfigFile, Wrong, check_digits, check_range};
use link::role::Roles;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// The file that says whose merchants are behind each listener.
    pub links: PathBuf,
    /// What it says, by the listener's name.
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
    /// Age at which an owed message is given up and listed as dead letter.
    pub expire_after_s: u64,
    /// Owed messages under way at once per destination.
    pub max_in_flight_per_destination: usize,
}

impl Default for OwedConfig {
    fn default() -> Self {
        Self {
            first_retry_ms: 1_000,
            longest_retry_ms: 30_000,
            expire_after_s: 604_800,
            max_in_flight_per_destination: 64,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecentConfig {
    pub keep_s: u64,
    pub max_entries: usize,
}

impl Default for RecentConfig {
    fn default() -> Self {
        Self { keep_s: 86_400, max_entries: 200_000 }
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

/// An institution's number out of a checked configuration.
pub(crate) fn institution(digits: &str) -> InstitutionId {
    InstitutionId::new(digits).expect("the configuration was checked for 1 to 11 digits")
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
    /// Reads and checks a configuration file, and the file of links that it names.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = ConfigFile::read(path)?;
        let config: Self = file.parse()?;
        let roles = Roles::load(&config.links)?;
        config.with_roles(roles).map_err(|wrong| file.error(wrong))
    }

    /// Checks the text of a configuration file; `name` is for the message only. Whose merchants are behind which listener
    /// is given.
    pub fn parse(text: &str, name: &str, roles: Roles) -> Result<Self, ConfigError> {
        let file = ConfigFile::new(text, name);
        file.parse::<Self>()?.with_roles(roles).map_err(|wrong| file.error(wrong))
    }

    /// Every listener has its role.
    fn with_roles(self, roles: Roles) -> Result<Self, Wrong> {
        for (i, listener) in self.listeners.iter().enumerate() {
            let Some(role) = roles.get(&listener.name) else {
                return Err(Wrong::new(format!("listener[{i}].name"), "has no row in the file of links"));
            };
            if listener.mac && !role.is_ours() {
                let reason = "MACs are checked under terminal keys, which an acquirer does not have";
                return Err(Wrong::new(format!("listener[{i}].mac"), reason));
            }
        }
        Ok(Self { roles, ..self })
    }

    fn check_top(&self) -> Result<(), Wrong> {
        if !self.admin_address.ip().is_loopback() {
            let reason = "must be a loopback address: it takes operator requests without a password";
            return Err(Wrong::new("admin_address", reason));
        }
        check_digits("acquirer_id", &self.acquirer_id, 1..=11)?;
        if self.owed.first_retry_ms == 0 || self.owed.longest_retry_ms < self.owed.first_retry_ms {
            return Err(Wrong::new("owed.longest_retry_ms", "must not be below first_retry_ms, which must not be 0"));
        }
        at_least_one("owed.max_in_flight_per_destination", self.owed.max_in_flight_per_destination)?;
        let under_way: usize = self.destinations.iter().map(|d| d.max_in_flight).sum();
        if self.recent.max_entries < under_way {
            let reason = "must be at least the sum of the destinations' max_in_flight: repeats would post twice";
            return Err(Wrong::new("recent.max_entries", reason));
        }
        if self.pending_log.segment_bytes < 1 << 16 {
            return Err(Wrong::new("pending_log.segment_bytes", "must be at least 65536"));
        }
        if self.listeners.is_empty() {
            return Err(Wrong::new("listener", "at least one is needed"));
        }
        match self.destinations.iter().filter(|d| d.role == DestinationRole::Host).count() {
            1 => Ok(()),
            n => Err(Wrong::new("destination", format!("exactly one must have role \"host\", and {n} have it"))),
        }
    }

    fn check_names(&self) -> Result<(), Wrong> {
        let mut seen = HashSet::new();
        let listeners = self.listeners.iter().enumerate().map(|(i, l)| (format!("listener[{i}].name"), &l.name));
        let destinations =
            self.destinations.iter().enumerate().map(|(i, d)| (format!("destination[{i}].name"), &d.name));
        for (key, name) in listeners.chain(destinations) {
            if name.is_empty() || name.len() > 24 || name.contains('|') {
                return Err(Wrong::new(key, "must be 1 to 24 characters without '|'"));
            }
            if !seen.insert(name) {
                return Err(Wrong::new(key, "is another listener's or destination's name as well"));
            }
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), Wrong> {
        let mut seen = HashSet::new();
        for (i, route) in self.routes.iter().enumerate() {
            let key = |field: &str| format!("route[{i}].{field}");
            check_digits(&key("prefix"), &route.prefix, 1..=19)?;
            if !self.destinations.iter().any(|d| d.name == route.destination) {
                return Err(Wrong::new(key("destination"), "no destination has this name"));
            }
            let stranger = route.from.iter().position(|name| !self.listeners.iter().any(|l| l.name == *name));
            if let Some(at) = stranger {
                return Err(Wrong::new(format!("{}[{at}]", key("from")), "no listener has this name"));
            }
            let mut classes = route.classes.clone();
            classes.sort_by_key(|c| *c as u8);
            let mut from = route.from.clone();
            from.sort();
            if !seen.insert((&route.prefix, classes, from)) {
                return Err(Wrong::new(key("prefix"), "is routed twice"));
            }
        }
        if self.routes.is_empty() {
            return Err(Wrong::new("route", "at least one is needed"));
        }
        Ok(())
    }
}

impl Check for Config {
    const RENAMED: &'static [(&'static str, &'static str)] = &[
        ("listener.role", "stands in the file of links now"),
        ("owed.window", "is called max_in_flight_per_destination now"),
        ("recent.entries", "is called max_entries now"),
        ("listener.acquirer_ids", "is acquirer_id, and other_acquirer_ids, in the file of links now"),
    ];

    fn check(&self) -> Result<(), Wrong> {
        self.check_top()?;
        self.listeners.iter().enumerate().try_for_each(|(i, listener)| check_listener(i, listener))?;
        self.destinations.iter().enumerate().try_for_each(|(i, destination)| check_destination(i, destination))?;
        self.check_names()?;
        self.check_routes()
    }
}

fn check_listener(i: usize, listener: &ListenerConfig) -> Result<(), Wrong> {
    let key = |field: &str| format!("listener[{i}].{field}");
    check_framing(key("framing"), &listener.framing)?;
    if let Some(name) = &listener.pin_key {
        check_key_name(key("pin_key"), name)?;
    }
    at_least_one(&key("max_connections"), listener.max_connections)?;
    at_least_one(&key("max_in_flight_per_connection"), listener.max_in_flight_per_connection)?;
    check_frames(key, listener.max_frame_bytes, listener.frame_timeout_ms)
}

fn check_destination(i: usize, destination: &DestinationConfig) -> Result<(), Wrong> {
    let key = |field: &str| format!("destination[{i}].{field}");
    check_framing(key("framing"), &destination.framing)?;
    check_key_name(key("pin_key"), &destination.pin_key)?;
    check_range(&key("connections"), destination.connections, 1..=64)?;
    at_least_one(&key("answer_timeout_ms"), destination.answer_timeout_ms)?;
    at_least_one(&key("echo_after_idle_ms"), destination.echo_after_idle_ms)?;
    at_least_one(&key("echo_timeout_ms"), destination.echo_timeout_ms)?;
    // the switch's own STAN has 999,999 values and must not be reused while open
    check_range(&key("max_in_flight"), destination.max_in_flight, 1..=900_000)?;
    if destination.reconnect_first_ms == 0 || destination.reconnect_longest_ms < destination.reconnect_first_ms {
        let reason = "must not be below reconnect_first_ms, which must not be 0";
        return Err(Wrong::new(key("reconnect_longest_ms"), reason));
    }
    check_frames(key, destination.max_frame_bytes, destination.frame_timeout_ms)
}

fn check_framing(key: String, name: &str) -> Result<(), Wrong> {
    match Framing::named(name) {
        Some(_) => Ok(()),
        None => Err(Wrong::new(key, format!("must be one of {}", Framing::NAMES.join(", ")))),
    }
}

fn check_key_name(key: String, name: &str) -> Result<(), Wrong> {
    match hsm::KeyName::new(name) {
        Ok(_) => Ok(()),
        // its error repeats the name
        Err(_) => Err(Wrong::new(key, "is no name for a key")),
    }
}

fn check_frames(key: impl Fn(&str) -> String, max_bytes: usize, timeout_ms: u64) -> Result<(), Wrong> {
    check_range(&key("max_frame_bytes"), max_bytes, 64..=100_000)?;
    at_least_one(&key("frame_timeout_ms"), timeout_ms)
}

fn at_least_one(key: &str, number: impl TryInto<u64>) -> Result<(), Wrong> {
    match number.try_into() {
        Ok(0) => Err(Wrong::new(key, "must be at least 1")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use config_file::trial;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config/switch.toml");

    fn roles() -> Roles {
        Roles::parse(include_str!("../../config/links.toml"), "links.toml").expect("valid")
    }

    #[test]
    fn the_example_is_complete() {
        let config = Config::parse(EXAMPLE, "switch.toml", roles()).expect("the example works as it stands");
        assert!(config.roles.get("terminals").expect("is there").is_ours());
    }

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        for (from, to, line) in [
            (
                "admin_address  = \"127.0.0.1:9182\"",
                "admin_address = \"0.0.0.0:9182\"",
                "admin_address: must be a loopback address: it takes operator requests without a password",
            ),
            ("role = \"host\"", "role = \"issuer\"", "destination: exactly one must have role \"host\", and 0 have it"),
            ("destination = \"host\"", "destination = \"hots\"", "route[0].destination: no destination has this name"),
            ("prefix = \"510051\"", "prefix = \"51x051\"", "route[1].prefix: must be 1 to 19 digits"),
            ("from = [\"terminals\"]", "from = [\"terminal\"]", "route[1].from[0]: no listener has this name"),
            (
                "name = \"issuer-510051\"",
                "name = \"terminals\"",
                "destination.terminals.name: is another listener's or destination's name as well",
            ),
            ("connections = 2", "connections = 0", "destination.host.connections: must be 1 to 64"),
            ("framing = \"nac\"", "framing = \"nak\"", "listener.terminals.framing: must be one of NAMES"),
            ("\"zpk/host\"", "\"ZPK host\"", "destination.host.pin_key: is no name for a key"),
            (
                "max_entries = 200000",
                "max_entries = 100",
                "recent.max_entries: must be at least the sum of the destinations' max_in_flight: repeats would post twice",
            ),
            (
                "first_retry_ms = 1000",
                "frist_retry_ms = 1000",
                "owed.frist_retry_ms: is not a key; here may stand first_retry_ms, longest_retry_ms, expire_after_s, max_in_flight_per_destination",
            ),
            (
                "prefix = \"510051\"\ndestination = \"issuer-510051\"\nfrom = [\"terminals\"]",
                "prefix = \"400012\"\ndestination = \"host\"",
                "route[1].prefix: is routed twice",
            ),
            (
                "address = \"127.0.0.1:8583\"",
                "address = \"127.0.0.1\"",
                "listener.terminals.address: invalid socket address syntax",
            ),
            ("role = \"issuer\"", "role = \"isuer\"", "destination.issuer-510051.role: must be one of host, issuer"),
            ("mac = true", "mac = true\nrole = \"ours\"", "listener.terminals.role: stands in the file of links now"),
            (
                "sign_on_required = true",
                "acquirer_ids = [\"510099\"]",
                "listener.acquirer-ascii.acquirer_ids: is acquirer_id, and other_acquirer_ids, in the file of links now",
            ),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = Config::parse(&text, "switch.toml", roles()).expect_err(to).to_string();
            let line = line.replace("NAMES", &Framing::NAMES.join(", "));
            assert_eq!(refused.split_once(" (line ").expect("has a line").0, format!("switch.toml: {line}"));
        }
    }

    #[test]
    fn a_listener_has_the_role_that_the_file_of_links_gives_it() {
        let refused = |text: &str, links: &str| {
            let roles = Roles::parse(links, "links.toml").expect("valid");
            Config::parse(text, "switch.toml", roles).expect_err("must be refused").to_string()
        };
        assert_eq!(
            refused(EXAMPLE, "[terminals]\nours = true"),
            "switch.toml: listener.acquirer-ascii.name: has no row in the file of links (line 44)"
        );
        assert_eq!(
            refused(EXAMPLE, "[terminals]\nacquirer_id = '1'\n[acquirer-ascii]\nacquirer_id = '2'"),
            "switch.toml: listener.terminals.mac: MACs are checked under terminal keys, which an acquirer does not have (line 35)"
        );
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        trial::every_key_is_named_and_no_value_repeated(EXAMPLE, &[], |text| {
            Config::parse(text, "switch.toml", roles())
        });
    }

    #[test]
    fn the_page_has_every_key_that_was_renamed() {
        let page = include_str!("../../docs/configuration.md");
        for (old, _) in <Config as Check>::RENAMED {
            assert!(page.contains(&format!("| `{old}` |")), "{old}");
        }
    }
}
