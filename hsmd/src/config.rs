//! `config/hsm.toml`: its keys, and the checks of their values.
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config_file::{Check, ConfigError, InvalidValue, check_range};
use hsm::{KeyName, KeySet};
use serde::Deserialize;

use crate::module::key_kind::{Cipher, KeyKind};
use crate::token::TokenConfig;

/// Configuration of the daemons and of the acts on keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The daemons that serve this token; one is enough, with two one always serves.
    pub(crate) daemon: Vec<DaemonConfig>,
    /// Folder of the sockets and of the reopen lock.
    pub(crate) run_dir: PathBuf,
    /// Wrapped data keys, the record of ceremonies, and by default the PINs and the custodians' components.
    pub keys_dir: PathBuf,
    /// Where `ceremony` and `terminals` write the delivery files for partners and vendors.
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

/// Settings of the daemon's process.
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
    /// With `uids`, the group whose members may connect to the socket; without it everybody may, and only the uid is checked. The
    /// daemon's user has to be in it.
    pub group: Option<String>,
}

/// Limits on queues, caches and objects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Jobs of authorizations that may wait; further ones are refused as `Busy` at once.
    pub max_waiting_jobs: usize,
    /// Jobs of clearing and issuing that may wait.
    pub max_waiting_batch_jobs: usize,
    /// Requests of one connection that may be unanswered; beyond it the connection is not read.
    pub max_in_flight_per_connection: usize,
    /// Terminal key blocks kept unwrapped.
    pub working_keys: usize,
    /// Objects created before the module is reinitialized. SoftHSM 2.6 leaks 244 bytes for each.
    pub recycle_objects: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_waiting_jobs: 1024,
            max_waiting_batch_jobs: 64,
            max_in_flight_per_connection: 1024,
            working_keys: 4096,
            recycle_objects: 50_000,
        }
    }
}

/// The keys that a ceremony makes if they do not exist.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CeremonyConfig {
    /// Issuer BINs: a CVK pair, a PVK and an issuer master key each.
    pub card_key_sets: Vec<String>,
    /// Token ranges: an issuer master key each.
    pub token_ranges: Vec<String>,
    #[serde(default)]
    pub zone: Vec<ZoneConfig>,
    /// Data keys by name, and the role whose socket gives each out.
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
    /// Whether the partner is external, so that a delivery of the key is made.
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

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = config_file::load(path)?;
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
}

impl Check for Config {
    const RENAMED: &'static [(&'static str, &'static str)] = &[
        ("limits.waiting_jobs", "is called max_waiting_jobs now"),
        ("limits.waiting_batch_jobs", "is called max_waiting_batch_jobs now"),
        ("limits.unanswered_per_connection", "is called max_in_flight_per_connection now"),
    ];

    fn check(&self) -> Result<(), InvalidValue> {
        if self.socket.is_empty() {
            return Err(InvalidValue::new("socket", "at least one role needs a socket"));
        }
        let names: BTreeSet<_> = self.daemon.iter().map(|daemon| &daemon.name).collect();
        if names.is_empty() || names.len() != self.daemon.len() {
            return Err(InvalidValue::new("daemon", "at least one, each with a name of its own"));
        }
        let is_word =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if let Some(at) = self.daemon.iter().position(|daemon| !is_word(&daemon.name)) {
            return Err(InvalidValue::new(
                format!("daemon[{at}].name"),
                "of a-z and 0-9, because files are named after it",
            ));
        }
        let limits = &self.limits;
        for (key, limit) in [
            ("max_waiting_jobs", limits.max_waiting_jobs),
            ("max_waiting_batch_jobs", limits.max_waiting_batch_jobs),
            ("max_in_flight_per_connection", limits.max_in_flight_per_connection),
            ("working_keys", limits.working_keys),
        ] {
            if limit == 0 {
                return Err(InvalidValue::new(format!("limits.{key}"), "a limit of 0 would refuse everything"));
            }
        }
        // beyond it a recycling takes over half a second
        check_range("limits.recycle_objects", limits.recycle_objects, 1_000..=1_000_000)?;
        self.ceremony.check()
    }
}

impl CeremonyConfig {
    fn check(&self) -> Result<(), InvalidValue> {
        let wrong = |key: String, reason: &str| Err(InvalidValue::new(format!("ceremony.{key}"), reason));
        let mut owners = BTreeSet::new();
        for (key, list) in [("card_key_sets", &self.card_key_sets), ("token_ranges", &self.token_ranges)] {
            for (at, owner) in list.iter().enumerate() {
                if KeySet::new(owner.as_str()).is_err() {
                    return wrong(format!("{key}[{at}]"), "is no name for a key set");
                }
                if !owners.insert(owner) {
                    return wrong(
                        format!("{key}[{at}]"),
                        "is named twice: BIN and token range must not share a master key",
                    );
                }
            }
        }
        let mut zones = BTreeSet::new();
        for (at, zone) in self.zone.iter().enumerate() {
            if KeyName::zone_pin(&zone.name).is_err() || !zones.insert(&zone.name) {
                return wrong(format!("zone[{at}].name"), "is no name for a zone, or is there twice");
            }
        }
        let count = self.custodian.len();
        if !(2..=3).contains(&count) {
            return wrong("custodian".to_owned(), "the transport key needs two or three custodians");
        }
        let names: BTreeSet<_> = self.custodian.iter().map(|custodian| &custodian.name).collect();
        let files: BTreeSet<_> = self.custodian.iter().map(|custodian| &custodian.component_file).collect();
        if names.len() < count || files.len() < count {
            return wrong("custodian".to_owned(), "each component needs a custodian and a file of its own");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use config_file::example_mistakes;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config/hsm.toml");

    fn refusal(text: &str) -> String {
        config_file::parse::<Config>(text, "hsm.toml").expect_err("must be refused").to_string()
    }

    #[test]
    fn the_example_is_complete() {
        let config: Config = config_file::parse(EXAMPLE, "hsm.toml").unwrap();
        assert_eq!(config.socket.len(), 3);
        assert_eq!(config.ceremony.card_key_sets, ["400012"]);
    }

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        let alone = &EXAMPLE[EXAMPLE.rfind("[[ceremony.custodian]]").unwrap()..];
        for (from, to, line) in [
            ("name           = \"b\"", "name = \"a\"", "daemon: at least one, each with a name of its own"),
            (
                "name           = \"b\"",
                "name = \"B\"",
                "daemon.B.name: of a-z and 0-9, because files are named after it",
            ),
            ("[socket.switch]", "[socket.swich]", "socket.swich: must be one of switch, host, operator"),
            ("= 64  ", "= 0  ", "limits.max_waiting_batch_jobs: a limit of 0 would refuse everything"),
            ("= 50000", "= 50", "limits.recycle_objects: must be 1000 to 1000000"),
            (
                "working_keys",
                "working_key",
                "limits.working_key: is not a key; here may stand max_waiting_jobs, max_waiting_batch_jobs, max_in_flight_per_connection, working_keys, recycle_objects",
            ),
            ("[\"400012\"]", "[\"40/12\"]", "ceremony.card_key_sets[0]: is no name for a key set"),
            (
                "[\"40001290\"]",
                "[\"400012\"]",
                "ceremony.token_ranges[0]: is named twice: BIN and token range must not share a master key",
            ),
            ("\"acquirer-ascii\"", "\"host\"", "ceremony.zone[1].name: is no name for a zone, or is there twice"),
            ("deliver = false", "", "ceremony.zone.host.deliver: is missing"),
            (
                "switch-pending = \"switch\"",
                "switch-pending = \"swich\"",
                "ceremony.data_keys.switch-pending: must be one of switch, host, operator",
            ),
            (alone, "", "ceremony.custodian: the transport key needs two or three custodians"),
            (
                "\"custodian-2\"",
                "\"custodian-1\"",
                "ceremony.custodian: each component needs a custodian and a file of its own",
            ),
            ("component2", "component1", "ceremony.custodian: each component needs a custodian and a file of its own"),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = refusal(&text);
            let (refused, _) = refused.split_once(" (line ").unwrap();
            assert_eq!(refused, format!("hsm.toml: {line}"));
        }
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &["ceremony.data_keys"], |text| {
            config_file::parse::<Config>(text, "hsm.toml")
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
