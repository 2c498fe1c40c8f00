//! What `host.toml` may say. The raw file becomes a checked meaning once, at start; a mistake is refused with file, key and reason.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use codecs::value::{Currency, InstitutionId};
use serde::Deserialize;

/// The whole of `host.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the switch connects.
    pub listen_address: SocketAddr,
    /// Where metrics and health are served; loopback in the field.
    pub status_address: SocketAddr,
    /// Folder of the dialect files, and the one spoken with the switch.
    pub dialect_folder: PathBuf,
    pub dialect: String,
    pub framing: String,
    /// The HSM daemons' sockets for this role.
    pub hsm_socket: hsm::Sockets,
    /// libpq connection string, `host=/run/postgresql user=… dbname=…`.
    pub postgres: String,
    /// Connections at once; more are refused.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// Requests in flight on one connection before it is no longer read.
    pub max_in_flight: usize,
    /// A longer frame closes its connection.
    #[serde(default = "default_max_frame_bytes")]
    pub max_frame_bytes: usize,
    /// From a frame's first byte to its last; a slower one closes its connection.
    #[serde(default = "default_frame_timeout_ms")]
    pub frame_timeout_ms: u64,
    pub lanes: Lanes,
    pub issuer: Issuer,
    pub pin: Pin,
    /// Our own acquirer id (DE32 of our terminals).
    pub acquirer_id: String,
    /// ISO 4217 numeric code of the one currency that is served.
    pub currency: u16,
    /// Links of the switch by name: whose merchants come in there.
    pub links: BTreeMap<String, Link>,
    /// Days after which a hold that nobody completed is released.
    pub hold_days: u16,
}

const fn default_max_connections() -> usize {
    64
}

const fn default_max_frame_bytes() -> usize {
    8192
}

const fn default_frame_timeout_ms() -> u64 {
    2000
}

/// The batched lanes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lanes {
    /// About as many as Postgres has cores.
    pub count: u8,
    /// Most requests in one commit.
    pub max_batch: usize,
    /// Requests that may wait for one lane before more are refused with 96.
    pub max_waiting: usize,
    /// Longest wait for another writer's row lock.
    pub lock_timeout_ms: u32,
}

/// What makes a PAN one of ours.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// First digits of our cards.
    pub bin: String,
}

/// PIN rules.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Wrong PINs in a row that a card survives.
    pub max_tries: i16,
}

/// Whose merchants come in over a link of the switch.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Our own merchants, whom we settle.
    #[serde(default)]
    pub ours: bool,
    /// Otherwise the foreign acquirer's id, who presents to us.
    #[serde(default)]
    pub acquirer: Option<String>,
}

impl Link {
    /// The foreign acquirer that is behind the link.
    #[must_use]
    pub fn acquirer(&self) -> Option<InstitutionId> {
        self.acquirer.as_deref().and_then(InstitutionId::new)
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {reason}", path.display())]
    Parse { path: PathBuf, reason: String },
    #[error("{}: {key}: {reason}", path.display())]
    Value { path: PathBuf, key: &'static str, reason: String },
}

impl Config {
    /// Reads and checks `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Checks `text`; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            reason: error.to_string().trim().replace('\n', " "),
        })?;
        config.check().map_err(|(key, reason)| ConfigError::Value { path: path.to_owned(), key, reason })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let digits = |text: &str| text.len() >= 6 && all_digits(text);
        let institution = |text: &str| (1..=11).contains(&text.len()) && all_digits(text);
        if self.postgres.parse::<tokio_postgres::Config>().is_err() {
            // the string may hold a password: it is not repeated
            return Err(("postgres", "not a libpq connection string".to_owned()));
        }
        if !(1..=64).contains(&self.lanes.count) {
            return Err(("lanes.count", "must be 1 to 64".to_owned()));
        }
        if !(1..=1024).contains(&self.lanes.max_batch) {
            return Err(("lanes.max_batch", "must be 1 to 1024".to_owned()));
        }
        if self.lanes.max_waiting < self.lanes.max_batch {
            return Err(("lanes.max_waiting", "must be at least lanes.max_batch".to_owned()));
        }
        if !(1..=10_000).contains(&self.max_connections) {
            return Err(("max_connections", "must be 1 to 10000".to_owned()));
        }
        if !(64..=65_535).contains(&self.max_frame_bytes) {
            return Err(("max_frame_bytes", "must be 64 to 65535".to_owned()));
        }
        if !(1..=3_600_000).contains(&self.frame_timeout_ms) {
            return Err(("frame_timeout_ms", "must be 1 to 3600000".to_owned()));
        }
        if self.max_in_flight == 0 {
            return Err(("max_in_flight", "must be at least 1".to_owned()));
        }
        if !digits(&self.issuer.bin) {
            return Err(("issuer.bin", "must be six or more digits".to_owned()));
        }
        if !institution(&self.acquirer_id) {
            return Err(("acquirer_id", "must be 1 to 11 digits".to_owned()));
        }
        if !(1..=999).contains(&self.currency) {
            return Err(("currency", "must be a number of up to three digits".to_owned()));
        }
        if self.pin.max_tries < 1 {
            return Err(("pin.max_tries", "must be at least 1".to_owned()));
        }
        if self.links.is_empty() {
            return Err(("links", "at least one link of the switch must be named".to_owned()));
        }
        for (name, link) in &self.links {
            if link.acquirer.as_deref().is_some_and(|id| !institution(id)) {
                return Err(("links", format!("{name}: an acquirer is 1 to 11 digits")));
            }
            if link.ours == link.acquirer.is_some() {
                return Err(("links", format!("{name}: say either `ours = true` or `acquirer = \"id\"`")));
            }
        }
        Ok(())
    }

    /// Our own acquirer id.
    #[must_use]
    pub fn acquirer_id(&self) -> InstitutionId {
        InstitutionId::new(&self.acquirer_id).expect("checked when the file was read")
    }

    /// The one currency served.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        Currency::from_number(self.currency)
    }

    /// The connection string, parsed.
    #[must_use]
    pub fn postgres(&self) -> tokio_postgres::Config {
        self.postgres.parse().expect("checked when the file was read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/host.toml");

    fn refusal(text: &str) -> String {
        Config::parse(text, Path::new("host.toml")).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_example_is_complete() {
        let config = Config::parse(EXAMPLE, Path::new("host.toml")).expect("config/host.toml is an example that works");
        assert!(config.links["terminals"].ours);
        let optional = ["max_connections", "max_frame_bytes", "frame_timeout_ms"];
        let without: String = EXAMPLE
            .lines()
            .filter(|line| !optional.iter().any(|key| line.starts_with(key)))
            .fold(String::new(), |text, line| text + line + "\n");
        let shorter = Config::parse(&without, Path::new("host.toml")).expect("each of them has a default");
        let limits = |config: &Config| (config.max_connections, config.max_frame_bytes, config.frame_timeout_ms);
        assert_eq!((limits(&shorter), limits(&config)), ((64, 8192, 2000), (64, 8192, 2000)));
        assert_eq!(config.links["acquirer-ascii"].acquirer.as_deref(), Some("510099"));
    }

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        for (from, to, key) in [
            ("count           = 2", "count = 0", "lanes.count"),
            ("max_connections     = 64", "max_connections = 0", "max_connections"),
            ("max_frame_bytes     = 8192", "max_frame_bytes = 63", "max_frame_bytes"),
            ("frame_timeout_ms    = 2000", "frame_timeout_ms = 0", "frame_timeout_ms"),
            ("max_waiting     = 8192", "max_waiting = 1", "lanes.max_waiting"),
            ("bin = \"400012\"", "bin = \"4000\"", "issuer.bin"),
            ("max_tries = 3", "max_tries = 0", "pin.max_tries"),
            ("ours = true", "ours = true\nacquirer = \"400012\"", "links"),
            ("max_tries = 3", "max_tires = 3", "max_tires"),
        ] {
            let text = EXAMPLE.replace(from, to);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = refusal(&text);
            assert!(refused.starts_with("host.toml: ") && refused.contains(key), "{refused}");
        }
    }
}
