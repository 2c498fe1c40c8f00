//! `config/hsm.toml`, from raw text to checked meaning.
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hsm::{KeyName, KeySet};
use serde::Deserialize;

use crate::module::key_kind::{Cipher, KeyKind};
use crate::token::TokenConfig;

/// What the daemon and its ceremony are told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The daemons that serve this token; one is enough, with two one always serves.
    pub(crate) daemon: Vec<DaemonConfig>,
    /// Sockets and the daemons' turn are here.
    pub(crate) run_dir: PathBuf,
    /// Wrapped data keys, the record of ceremonies, and by default the PINs and the custodians' components.
    pub keys_dir: PathBuf,
    /// Where `ceremony` and `terminals` leave what goes to partners and vendors.
    pub deliveries_dir: PathBuf,
    /// The switch's file of terminals with their key blocks.
    pub terminal_keys: PathBuf,
    #[serde(default)]
    pub(crate) process: ProcessConfig,
    pub(crate) token: TokenConfig,
    pub(crate) socket: BTreeMap<Role, SocketConfig>,
    #[serde(default)]
    pub(crate) limits: Limits,
    pub(crate) ceremony: CeremonyConfig,
    /// Where this was read from.
    #[serde(skip)]
    pub(crate) file: PathBuf,
}

/// One of the daemons of a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DaemonConfig {
    /// Its sockets are `hsm-<name>-<role>.sock`.
    pub name: String,
    /// Serves /metrics, /healthz and /readyz.
    pub status_address: SocketAddr,
}

/// What the daemon's process is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessConfig {
    /// The user that `hsmd serve` becomes when root starts it. Started by another user it stays that one.
    pub user: Option<String>,
}

/// Who a socket is for; each offers only the verbs of its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// The card switch: edge checks and MACs.
    Switch,
    /// The authorization host: the vault, card checks, the audit seal.
    Host,
    /// Issuing and terminal provisioning.
    Operator,
}

impl Role {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Host => "host",
            Self::Operator => "operator",
        }
    }
}

/// The socket of a role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SocketConfig {
    /// Users that may connect. Empty: the daemon's own user alone, by the file's permissions.
    #[serde(default)]
    pub uids: Vec<u32>,
    /// With `uids`, the group whose members may reach the socket at all; without it everybody may, to be told apart by uid. The
    /// daemon's user has to be in it.
    pub group: Option<String>,
}

/// Bounds of the daemon's memory and patience.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Jobs of authorizations that may wait; beyond it callers are told `Busy` at once.
    pub waiting_jobs: usize,
    /// Jobs of clearing and issuing that may wait.
    pub waiting_batch_jobs: usize,
    /// Requests of one connection that may be unanswered; beyond it the connection is not read.
    pub unanswered_per_connection: usize,
    /// Terminal key blocks kept unwrapped.
    pub working_keys: usize,
    /// Objects created before the module is initialized anew. SoftHSM 2.6 loses 244 bytes for each.
    pub recycle_objects: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting_jobs: 1024,
            waiting_batch_jobs: 64,
            unanswered_per_connection: 1024,
            working_keys: 4096,
            recycle_objects: 50_000,
        }
    }
}

/// The keys that a ceremony makes sure of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CeremonyConfig {
    /// Issuer BINs: a CVK pair, a PVK and an issuer master key each.
    pub card_key_sets: Vec<String>,
    /// Token ranges: an issuer master key each.
    pub token_ranges: Vec<String>,
    #[serde(default)]
    pub zone: Vec<ZoneConfig>,
    /// Data keys by name, and whose socket hands each out.
    #[serde(default)]
    pub data_keys: BTreeMap<String, Role>,
    /// Who holds the components of the transport key: two or three, different persons, different files.
    pub custodian: Vec<CustodianConfig>,
}

/// A zone PIN key shared with a partner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ZoneConfig {
    pub name: String,
    #[serde(default)]
    pub cipher: Cipher,
    /// Whether the partner is outside and has to be told the key.
    pub deliver: bool,
}

impl ZoneConfig {
    /// The cipher decides the PIN block format of the zone as well.
    pub(crate) fn kind(&self) -> KeyKind {
        match self.cipher {
            Cipher::Tdes => KeyKind::PinDes,
            Cipher::Aes => KeyKind::PinAes,
        }
    }
}

/// A holder of one component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustodianConfig {
    pub name: String,
    pub component_file: PathBuf,
}

/// Why a configuration is refused: the file, the key, the reason.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}: {1}")]
    Read(PathBuf, std::io::Error),
    #[error("{0}: {1}")]
    Parse(PathBuf, String),
    #[error("{0}: {1}: {2}")]
    Meaning(PathBuf, String, String),
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read(path.to_owned(), error))?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse(path.to_owned(), error.to_string().trim().replace('\n', " ")))?;
        config.check().map_err(|(key, reason)| ConfigError::Meaning(path.to_owned(), key, reason))?;
        config.place_key_files();
        path.clone_into(&mut config.file);
        Ok(config)
    }

    /// The daemon of this name; without a name the first.
    pub(crate) fn daemon(&self, name: Option<&str>) -> Option<&DaemonConfig> {
        match name {
            None => self.daemon.first(),
            Some(name) => self.daemon.iter().find(|daemon| daemon.name == name),
        }
    }

    pub(crate) fn socket_path(&self, daemon: &DaemonConfig, role: Role) -> PathBuf {
        self.run_dir.join(format!("hsm-{}-{}.sock", daemon.name, role.label()))
    }

    /// Relative names of secret files are in the keys folder.
    fn place_key_files(&mut self) {
        let files = std::iter::once(&mut self.token.user_pin_file).chain(&mut self.token.so_pin_file);
        let components = self.ceremony.custodian.iter_mut().map(|custodian| &mut custodian.component_file);
        for file in files.chain(components) {
            *file = self.keys_dir.join(&*file);
        }
    }

    fn check(&self) -> Result<(), (String, String)> {
        let refuse = |key: &str, reason: &str| Err((key.to_owned(), reason.to_owned()));
        if self.socket.is_empty() {
            return refuse("socket", "at least one role needs a socket");
        }
        let names: BTreeSet<_> = self.daemon.iter().map(|daemon| &daemon.name).collect();
        if names.is_empty() || names.len() != self.daemon.len() {
            return refuse("daemon", "at least one, each with a name of its own");
        }
        if names
            .iter()
            .any(|name| name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
        {
            return refuse("daemon.name", "of a-z and 0-9, because files are named after it");
        }
        let limits = &self.limits;
        if [limits.waiting_jobs, limits.waiting_batch_jobs, limits.unanswered_per_connection, limits.working_keys]
            .contains(&0)
        {
            return refuse("limits", "a limit of 0 would refuse everything");
        }
        if !(1_000..=1_000_000).contains(&limits.recycle_objects) {
            return refuse(
                "limits.recycle_objects",
                "between 1000 and 1000000; beyond it a recycling takes over half a second",
            );
        }
        self.ceremony.check()
    }
}

impl CeremonyConfig {
    fn check(&self) -> Result<(), (String, String)> {
        let refuse = |key: &str, reason: String| Err((format!("ceremony.{key}"), reason));
        let mut owners = BTreeSet::new();
        for owner in self.card_key_sets.iter().chain(&self.token_ranges) {
            if KeySet::new(owner.as_str()).is_err() {
                return refuse("card_key_sets", format!("{owner:?} is no name for a key set"));
            }
            if !owners.insert(owner) {
                return refuse(
                    "token_ranges",
                    format!("{owner:?} is named twice: BIN and token range must not share a master key"),
                );
            }
        }
        let mut zones = BTreeSet::new();
        for zone in &self.zone {
            if KeyName::zone_pin(&zone.name).is_err() || !zones.insert(&zone.name) {
                return refuse("zone", format!("{:?} is no name for a zone, or is there twice", zone.name));
            }
        }
        let count = self.custodian.len();
        if !(2..=3).contains(&count) {
            return refuse("custodian", "the transport key needs two or three custodians".into());
        }
        let names: BTreeSet<_> = self.custodian.iter().map(|custodian| &custodian.name).collect();
        let files: BTreeSet<_> = self.custodian.iter().map(|custodian| &custodian.component_file).collect();
        if names.len() < count || files.len() < count {
            return refuse("custodian", "each component needs a custodian and a file of its own".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> String {
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/hsm.toml")).unwrap()
    }

    fn load(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|e| e.to_string())?;
        config.check().map_err(|(key, reason)| format!("{key}: {reason}")).map(|()| config)
    }

    #[test]
    fn the_example_is_accepted() {
        let config = load(&example()).unwrap();
        assert_eq!(config.socket.len(), 3);
        assert_eq!(config.ceremony.card_key_sets, ["400012"]);
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = load(&example().replace("keys_dir", "key_dir")).unwrap_err();
        assert!(error.contains("key_dir"), "{error}");
    }

    #[test]
    fn one_custodian_cannot_hold_both_components() {
        let alone = example();
        let alone = &alone[..alone.rfind("[[ceremony.custodian]]").unwrap()];
        let error = load(alone).unwrap_err();
        assert!(error.contains("two or three custodians"), "{error}");
        let error = load(&example().replace("\"custodian-2\"", "\"custodian-1\"")).unwrap_err();
        assert!(error.starts_with("ceremony.custodian"), "{error}");
        let error = load(&example().replace("component2", "component1")).unwrap_err();
        assert!(error.starts_with("ceremony.custodian"), "{error}");
    }

    #[test]
    fn a_bin_and_a_token_range_share_no_master_key() {
        let error = load(&example().replace("\"40001290\"", "\"400012\"")).unwrap_err();
        assert!(error.starts_with("ceremony.token_ranges"), "{error}");
    }
}
