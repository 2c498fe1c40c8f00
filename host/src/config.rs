//! The configuration of the host: `host.toml`, and `migrate.toml` of its verb `migrate`, read and checked once at start. A
//! mistake is refused with file, key and reason.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use codecs::value::{Currency, InstitutionId};
use config_file::{Check, ConfigError, InvalidValue, check_digits, check_range};
use ledger::store::{Connection, Durability, NotAConnection};
use link::role::Roles;
use serde::Deserialize;

use crate::billing::Billing;

/// Everything in `host.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address on which the switch's connections are accepted.
    pub listen_address: SocketAddr,
    /// Address of metrics and health; loopback in production.
    pub status_address: SocketAddr,
    /// Folder of the dialect files.
    pub dialects_dir: PathBuf,
    pub dialect: String,
    pub framing: String,
    /// Sockets of the HSM daemons for the host's role.
    pub hsm_socket: hsm::Sockets,
    /// libpq connection string, `host=/run/postgresql user=… dbname=…`.
    pub postgres: String,
    /// PEM file of those who vouch for the server's certificate, with `sslmode=verify-full` in `postgres`.
    #[serde(default)]
    pub postgres_root_certificates: Option<PathBuf>,
    /// Durability settings of Postgres that may be off: what is committed may be lost.
    #[serde(default)]
    pub postgres_may_lack: Vec<Durability>,
    /// Requests in progress on one connection; beyond that it is not read.
    pub max_in_flight_per_connection: usize,
    /// Connections at once; more are refused.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// A longer frame closes its connection.
    #[serde(default = "default_max_frame_bytes")]
    pub max_frame_bytes: usize,
    /// Longest time from a frame's first byte to its last; a slower frame closes its connection.
    #[serde(default = "default_frame_timeout_ms")]
    pub frame_timeout_ms: u64,
    pub lanes: Lanes,
    pub issuer: Issuer,
    pub pin: Pin,
    /// Our own acquirer id (DE32 of our terminals).
    pub acquirer_id: String,
    /// ISO 4217 numeric code of the currency of our accounts and merchants.
    pub currency: u16,
    /// Purchases in other currencies. Without it there are none.
    #[serde(default)]
    pub billing: Billing,
    /// The file that says whose merchants are behind each link of the switch.
    #[serde(rename = "links")]
    pub links_file: PathBuf,
    /// The contents of that file, by the link's name.
    #[serde(skip)]
    pub links: Roles,
    /// Days after which a hold that was not completed is released.
    pub hold_days: u16,
    /// How far a completion may exceed what was authorized without an exception.
    #[serde(default)]
    pub completion_tolerance: Vec<CompletionTolerance>,
    /// Merchant categories whose chip may have signed another amount: fuel, transit.
    #[serde(default)]
    pub chip_amount_free: Vec<u16>,
    #[serde(default)]
    pub security_code: SecurityCode,
    #[serde(default)]
    pub refunds: Refunds,
    /// A file, on another disk than the database's if possible, to which every anchor of the journal is appended.
    #[serde(default)]
    pub anchors_file: Option<PathBuf>,
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

const fn default_decide_within_ms() -> u64 {
    6000
}

/// The batched lanes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lanes {
    /// Number of lanes: about as many as Postgres has cores.
    pub count: u8,
    /// Largest number of requests in one commit.
    pub max_batch: usize,
    /// Requests that may wait for one lane before more are refused with 96. Reversals and advices have a quarter more.
    pub max_waiting: usize,
    /// A request that is not decided so long after its arrival is answered 96 and not journalled. Longer than the switch
    /// waits for its answer.
    #[serde(default = "default_decide_within_ms")]
    pub decide_within_ms: u64,
    /// Longest wait for another writer's row lock.
    pub lock_timeout_ms: u32,
}

/// Which PANs are our cards.
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
    /// Wrong PINs in a row until the PIN is blocked.
    pub max_tries: i16,
    /// A balance is told only to who knows the PIN.
    #[serde(default)]
    pub for_balance: bool,
}

/// `[security_code]`: the printed code.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityCode {
    /// Wrong codes or expiry dates in a row, until requests that carry the code are refused for a day.
    pub max_tries: i16,
    #[serde(default)]
    pub merchant: MerchantCodes,
}

impl Default for SecurityCode {
    fn default() -> Self {
        Self { max_tries: 5, merchant: MerchantCodes::default() }
    }
}

/// `[refunds]`: at our merchants.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refunds {
    /// What one terminal may give back in a business day without naming a sale.
    pub max_unreferenced_minor: i64,
}

impl Default for Refunds {
    fn default() -> Self {
        Self { max_unreferenced_minor: 500_000 }
    }
}

/// `[security_code.merchant]`: one code over many numbers, per link and merchant.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MerchantCodes {
    /// From the first failure to the end of what follows from it.
    pub window_min: u32,
    /// Failures in a window, until the merchant's requests with a code are refused for the rest of it …
    pub max_failures: u32,
    /// … if they are more than this share of its requests with a code.
    pub max_failure_percent: u8,
}

impl Default for MerchantCodes {
    fn default() -> Self {
        Self { window_min: 60, max_failures: 20, max_failure_percent: 20 }
    }
}

/// `[[completion_tolerance]]`: the percentage of some merchant categories.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompletionTolerance {
    /// Merchant category codes (DE18).
    pub merchant_categories: Vec<u16>,
    /// Percent of the authorized amount.
    pub percent: u8,
}

impl Config {
    /// Reads and checks `path`, and the file of links that it names.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = config_file::load(path)?;
        let links = Roles::load(&config.links_file)?;
        Ok(Self { links, ..config })
    }

    /// Checks `text`; `path` only appears in errors. `links` is the file of links, already read.
    pub fn parse(text: &str, path: &Path, links: Roles) -> Result<Self, ConfigError> {
        Ok(Self { links, ..config_file::parse(text, &path.display().to_string())? })
    }

    /// Our own acquirer id.
    #[must_use]
    pub fn acquirer_id(&self) -> InstitutionId {
        InstitutionId::new(&self.acquirer_id).expect("checked when the file was read")
    }

    /// The currency of our accounts and merchants.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        Currency::from_number(self.currency)
    }

    /// The connection string, parsed.
    #[must_use]
    pub fn postgres(&self) -> Connection {
        self.connection(&self.postgres).expect("checked when the file was read")
    }

    fn connection(&self, text: &str) -> Result<Connection, NotAConnection> {
        Ok(Connection::new(text, self.postgres_root_certificates.as_deref())?.may_lack(&self.postgres_may_lack))
    }

    /// As [`Config::postgres`], for connections that find rows by key alone. Each statement is planned once: arrays have no
    /// values that a plan could be made better for, and left to itself Postgres plans them anew at every execution. Sequential
    /// scans are off, because one that was planned while a table was empty would stay (measured: eight times the work).
    #[must_use]
    pub fn postgres_by_key(&self) -> Connection {
        const PLANS: [&str; 6] = [
            "plan_cache_mode=force_generic_plan",
            "enable_seqscan=off",
            "enable_hashjoin=off",
            "enable_mergejoin=off",
            "enable_bitmapscan=off",
            "jit=off",
        ];
        PLANS.iter().fold(self.postgres(), |connection, setting| connection.with_options(&format!("-c {setting}")))
    }
}

/// Everything in `migrate.toml`. A file of its own, because the role that owns the tables is not the one that serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrateConfig {
    /// libpq connection string of the owner of the tables.
    pub postgres: String,
    /// PEM file of those who vouch for the server's certificate, with `sslmode=verify-full` in `postgres`.
    #[serde(default)]
    pub postgres_root_certificates: Option<PathBuf>,
    /// Durability settings of Postgres that may be off: what is committed may be lost.
    #[serde(default)]
    pub postgres_may_lack: Vec<Durability>,
}

impl MigrateConfig {
    /// Reads and checks `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config_file::load(path)
    }

    /// The connection string, parsed.
    #[must_use]
    pub fn postgres(&self) -> Connection {
        self.connection(&self.postgres).expect("checked when the file was read")
    }

    fn connection(&self, text: &str) -> Result<Connection, NotAConnection> {
        Ok(Connection::new(text, self.postgres_root_certificates.as_deref())?.may_lack(&self.postgres_may_lack))
    }
}

impl Check for MigrateConfig {
    fn check(&self) -> Result<(), InvalidValue> {
        self.connection(&self.postgres).map_err(|error| InvalidValue::new("postgres", error.to_string()))?;
        Ok(())
    }
}

impl Check for Config {
    const RENAMED: &'static [(&'static str, &'static str)] = &[
        ("dialect_folder", "is called dialects_dir now"),
        ("max_in_flight", "is called max_in_flight_per_connection now"),
        ("clearing", "is in backoffice.toml now"),
        ("settlement", "is in backoffice.toml now"),
        ("hsm_operator_socket", "is in issuing.toml now"),
        ("issuer.token_range", "is in issuing.toml now"),
        ("issuer.key_set", "is in issuing.toml now"),
        ("issuer.token_key_set", "is in issuing.toml now"),
    ];

    fn check(&self) -> Result<(), InvalidValue> {
        self.connection(&self.postgres).map_err(|error| InvalidValue::new("postgres", error.to_string()))?;
        check_range("lanes.count", self.lanes.count, 1..=64)?;
        check_range("lanes.max_batch", self.lanes.max_batch, 1..=1024)?;
        if self.lanes.max_waiting < self.lanes.max_batch {
            return Err(InvalidValue::new("lanes.max_waiting", "must be at least lanes.max_batch"));
        }
        check_range("lanes.decide_within_ms", self.lanes.decide_within_ms, 1..=600_000)?;
        if self.max_in_flight_per_connection == 0 {
            return Err(InvalidValue::new("max_in_flight_per_connection", "must be at least 1"));
        }
        check_range("max_connections", self.max_connections, 1..=10_000)?;
        check_range("max_frame_bytes", self.max_frame_bytes, 64..=65_535)?;
        check_range("frame_timeout_ms", self.frame_timeout_ms, 1..=3_600_000)?;
        check_digits("acquirer_id", &self.acquirer_id, 1..=11)?;
        check_range("currency", self.currency, 1..=999)?;
        check_digits("issuer.bin", &self.issuer.bin, 6..=18)?;
        for of in &self.completion_tolerance {
            check_range("completion_tolerance.percent", of.percent, 0..=100)?;
            for mcc in &of.merchant_categories {
                check_range("completion_tolerance.merchant_categories", *mcc, 1..=9999)?;
            }
        }
        for mcc in &self.chip_amount_free {
            check_range("chip_amount_free", *mcc, 1..=9999)?;
        }
        check_range("billing.tolerance_percent", self.billing.tolerance_percent, 0..=100)?;
        for (at, of) in self.billing.rates.iter().enumerate() {
            let key = |key: &str| format!("billing.rates[{at}].{key}");
            check_range(&key("currency"), of.currency, 1..=999)?;
            if of.currency == self.currency
                || self.billing.rates[..at].iter().any(|before| before.currency == of.currency)
            {
                return Err(InvalidValue::new(key("currency"), "is our own, or has a rate already"));
            }
            if of.on_the_wire().is_none() {
                return Err(InvalidValue::new(key("rate"), "must be more than zero, of at most seven digits"));
            }
        }
        if self.security_code.max_tries < 1 {
            return Err(InvalidValue::new("security_code.max_tries", "must be at least 1"));
        }
        let MerchantCodes { window_min, max_failures, max_failure_percent } = self.security_code.merchant;
        check_range("security_code.merchant.window_min", window_min, 1..=1440)?;
        check_range("security_code.merchant.max_failures", max_failures, 1..=1_000_000)?;
        check_range("security_code.merchant.max_failure_percent", max_failure_percent, 0..=99)?;
        if self.refunds.max_unreferenced_minor < 0 {
            return Err(InvalidValue::new("refunds.max_unreferenced_minor", "must be at least 0"));
        }
        if self.pin.max_tries < 1 {
            return Err(InvalidValue::new("pin.max_tries", "must be at least 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use config_file::example_mistakes;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config/host.toml");

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let links = Roles::parse(include_str!("../../config/links.toml"), "links.toml")?;
        Config::parse(text, Path::new("host.toml"), links)
    }

    #[test]
    fn the_example_is_complete() {
        let config = parse(EXAMPLE).expect("config/host.toml is an example that works");
        assert!(config.links.get("terminals").unwrap().is_ours());
        assert_eq!(config.links.get("acquirer-ascii").unwrap().acquirer_id(), Some("510099"));
        let optional = ["max_connections", "max_frame_bytes", "frame_timeout_ms", "decide_within_ms"];
        let without: String = EXAMPLE
            .lines()
            .filter(|line| !optional.iter().any(|key| line.starts_with(key)))
            .fold(String::new(), |text, line| text + line + "\n");
        let shorter = parse(&without).expect("each of them has a default");
        let limits = |config: &Config| {
            (config.max_connections, config.max_frame_bytes, config.frame_timeout_ms, config.lanes.decide_within_ms)
        };
        assert_eq!((limits(&shorter), limits(&config)), ((64, 8192, 2000, 6000), (64, 8192, 2000, 6000)));
    }

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        for (from, to, line) in [
            ("count           = 2", "count = 0", "lanes.count: must be 1 to 64"),
            ("max_waiting     = 8192", "max_waiting = 1", "lanes.max_waiting: must be at least lanes.max_batch"),
            ("decide_within_ms = 6000", "decide_within_ms = 0", "lanes.decide_within_ms: must be 1 to 600000"),
            ("bin = \"400012\"", "bin = \"4000\"", "issuer.bin: must be 6 to 18 digits"),
            ("max_connections     = 64", "max_connections = 0", "max_connections: must be 1 to 10000"),
            ("max_frame_bytes     = 8192", "max_frame_bytes = 63", "max_frame_bytes: must be 64 to 65535"),
            ("frame_timeout_ms    = 2000", "frame_timeout_ms = 0", "frame_timeout_ms: must be 1 to 3600000"),
            ("currency = 840", "currency = 978", "billing.rates[0].currency: is our own, or has a rate already"),
            ("currency = 392", "currency = 840", "billing.rates[1].currency: is our own, or has a rate already"),
            ("\"0.0061\"", "\"0\"", "billing.rates[1].rate: must be more than zero, of at most seven digits"),
            (
                "max_unreferenced_minor = 500_000",
                "max_unreferenced_minor = -1",
                "refunds.max_unreferenced_minor: must be at least 0",
            ),
            ("window_min          = 60", "window_min = 0", "security_code.merchant.window_min: must be 1 to 1440"),
            (
                "max_failure_percent = 20",
                "max_failure_percent = 100",
                "security_code.merchant.max_failure_percent: must be 0 to 99",
            ),
            ("max_tries   = 3", "max_tries = 0", "pin.max_tries: must be at least 1"),
            ("max_tries   = 3", "max_tires = 3", "pin.max_tires: is not a key; here may stand max_tries, for_balance"),
            (
                "links               = \"config/links.toml\"",
                "[links.terminals]\nours = true",
                "links: must be a path in quotes, and is a table",
            ),
            ("\"host=/run/postgresql", "\"hoste=/run/postgresql", "postgres: is no libpq connection string"),
            (
                "postgres_may_lack   = []",
                "postgres_may_lack = [\"checksums\"]",
                "postgres_may_lack[0]: must be one of fsync, full_page_writes, data_checksums, synchronous_commit",
            ),
            (
                "host=/run/postgresql",
                "host=db sslmode=verify-full",
                "postgres: sslmode asks for TLS, and postgres_root_certificates does not say who vouches for the server",
            ),
            (
                "host=/run/postgresql user=authhost dbname=switchyard\"",
                "host=db\"\npostgres_root_certificates = \"roots.pem\"",
                "postgres: there are postgres_root_certificates, and sslmode does not ask for TLS: it has to be verify-full",
            ),
            (
                "currency            = 978",
                "currency = \"EUR\"",
                "currency: must be a whole number from 0 to 65535, and is a text",
            ),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = parse(&text).expect_err(to).to_string();
            assert_eq!(refused.split_once(" (line ").expect(to).0, format!("host.toml: {line}"));
        }
    }

    #[test]
    fn a_password_is_repeated_by_no_error() {
        let ours = "\"host=/run/postgresql user=authhost dbname=switchyard\"";
        for broken in [
            "host=db password=geheim",
            "\"hoste=db password=geheim\"",
            "\"host=db password=geheim",
            "\"host=db password=\"geheim\"",
            "[\"host=db password=geheim\"]",
        ] {
            let refused = parse(&EXAMPLE.replace(ours, broken)).expect_err(broken).to_string();
            assert!(refused.starts_with("host.toml: postgres: ") && !refused.contains("geheim"), "{refused}");
        }
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &[], parse);
    }

    #[test]
    fn the_owner_s_file_is_an_example_too() {
        let example = include_str!("../../config/migrate.toml");
        let parse = |text: &str| config_file::parse::<MigrateConfig>(text, "migrate.toml");
        let config = parse(example).expect("config/migrate.toml is an example that works");
        assert_eq!(config.postgres().parameters().get_user(), Some("switchyard_owner"));
        let refused = parse(&example.replace("host=", "hoste=")).expect_err("not libpq's").to_string();
        assert!(refused.starts_with("migrate.toml: postgres: is no libpq connection string"), "{refused}");
        example_mistakes::every_key_is_named_and_no_value_repeated(example, &[], parse);
    }

    #[test]
    fn the_page_has_every_key_that_was_renamed() {
        let page = include_str!("../../docs/configuration.md");
        for (old, _) in <Config as Check>::RENAMED {
            assert!(page.contains(&format!("`{old}`")), "{old}");
        }
    }
}
