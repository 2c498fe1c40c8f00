//! The configuration of the back office: `backoffice.toml`.

use std::path::{Path, PathBuf};

use codecs::frame::Framing;
use config_file::{Check, ConfigError, InvalidValue, check_digits, check_range};
use ledger::store::{Connection, Durability, NotAConnection};
use link::role::Roles;
use serde::Deserialize;

/// Everything in `backoffice.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the dialect files.
    pub dialects_dir: PathBuf,
    /// Sockets of the HSM daemons for the host's role.
    pub hsm_socket: hsm::Sockets,
    /// libpq connection string, `host=/run/postgresql user=… dbname=…`.
    pub postgres: String,
    /// The same for `audit`, whose role reads every table and writes none. `postgres` without it.
    #[serde(default)]
    pub postgres_audit: Option<String>,
    /// PEM file of those who vouch for the server's certificate, with `sslmode=verify-full` in `postgres`.
    #[serde(default)]
    pub postgres_root_certificates: Option<PathBuf>,
    /// Durability settings of Postgres that may be off: what is committed may be lost.
    #[serde(default)]
    pub postgres_may_lack: Vec<Durability>,
    /// Our own acquirer id (DE32 of our terminals).
    pub acquirer_id: String,
    /// ISO 4217 numeric code of the one currency that is settled.
    pub currency: u16,
    /// The file that says whose merchants are behind each link of the switch.
    #[serde(rename = "links")]
    pub links_file: PathBuf,
    /// The contents of that file, by the link's name.
    #[serde(skip)]
    pub links: Roles,
    pub clearing: crate::clearing::Config,
    pub settlement: crate::settlement::Config,
    pub close: crate::owed::Config,
    #[serde(default)]
    pub exceptions: crate::exceptions::Config,
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

    /// The connection string, parsed.
    #[must_use]
    pub fn postgres(&self) -> Connection {
        self.connection(&self.postgres).expect("checked when the file was read")
    }

    fn connection(&self, text: &str) -> Result<Connection, NotAConnection> {
        Ok(Connection::new(text, self.postgres_root_certificates.as_deref())?.may_lack(&self.postgres_may_lack))
    }

    /// The connection string of `audit`, parsed.
    #[must_use]
    pub fn postgres_audit(&self) -> Connection {
        self.connection(self.postgres_audit.as_ref().unwrap_or(&self.postgres)).expect("checked when the file was read")
    }
}

impl Check for Config {
    fn check(&self) -> Result<(), InvalidValue> {
        self.connection(&self.postgres).map_err(|error| InvalidValue::new("postgres", error.to_string()))?;
        if let Some(text) = &self.postgres_audit {
            self.connection(text).map_err(|error| InvalidValue::new("postgres_audit", error.to_string()))?;
        }
        check_digits("acquirer_id", &self.acquirer_id, 1..=11)?;
        check_range("currency", self.currency, 1..=999)?;
        if Framing::named(&self.clearing.host_framing).is_none() {
            return Err(InvalidValue::new("clearing.host_framing", "is no framing: docs/dialects.md lists them"));
        }
        for (destination, number) in &self.clearing.issuers {
            check_digits(&format!("clearing.issuers.{destination}"), number, 6..=11)?;
        }
        if !crate::settlement::payout::iban_holds(&self.settlement.payer.iban) {
            return Err(InvalidValue::new("settlement.payer.iban", "its check digits do not hold"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use config_file::example_mistakes;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config/backoffice.toml");

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let links = Roles::parse(include_str!("../../config/links.toml"), "links.toml")?;
        Config::parse(text, Path::new("backoffice.toml"), links)
    }

    #[test]
    fn the_example_is_complete() {
        let config = parse(EXAMPLE).expect("it is an example that works");
        assert_eq!(
            (config.postgres().parameters().get_user(), config.postgres_audit().parameters().get_user()),
            (Some("backoffice"), Some("auditor"))
        );
        let without: Vec<_> = EXAMPLE.lines().filter(|line| !line.starts_with("postgres_audit")).collect();
        assert_eq!(
            parse(&without.join("\n")).expect("optional").postgres_audit().parameters().get_user(),
            Some("backoffice")
        );
    }

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        for (from, to, line) in [
            ("= \"510051\"", "= \"51\"", "clearing.issuers.issuer-510051: must be 6 to 11 digits"),
            (
                "framing = \"bin2\"",
                "framing = \"bin9\"",
                "clearing.host_framing: is no framing: docs/dialects.md lists them",
            ),
            ("= \"production\"", "= \"P\"", "clearing.processing: must be one of production, test"),
            ("iban = \"DE89", "iban = \"DE98", "settlement.payer.iban: its check digits do not hold"),
            ("\"host=/run/postgresql", "\"hoste=/run/postgresql", "postgres: is no libpq connection string"),
            ("\"host=/run/postgresql user=auditor", "\"hoste=a", "postgres_audit: is no libpq connection string"),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = parse(&text).expect_err(to).to_string();
            assert_eq!(refused.split_once(" (line ").expect(to).0, format!("backoffice.toml: {line}"));
        }
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &["clearing.issuers"], parse);
    }
}
