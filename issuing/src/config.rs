//! The configuration of `issuing`: `issuing.toml`.

use std::path::{Path, PathBuf};

use codecs::value::{Currency, InstitutionId};
use config_file::{Check, ConfigError, InvalidValue, check_digits, check_range};
use ledger::store::{Connection, Durability, NotAConnection};
use serde::Deserialize;

/// Everything in `issuing.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Sockets of the HSM daemons for the host's role, which indexes and seals PANs.
    pub hsm_socket: hsm::Sockets,
    /// Sockets of the HSM daemons for the operators' role, which draws keys and PINs.
    pub hsm_operator_socket: hsm::Sockets,
    /// libpq connection string, `host=/run/postgresql user=… dbname=…`.
    pub postgres: String,
    /// PEM file of those who vouch for the server's certificate, with `sslmode=verify-full` in `postgres`.
    #[serde(default)]
    pub postgres_root_certificates: Option<PathBuf>,
    /// Durability settings of Postgres that may be off: what is committed may be lost.
    #[serde(default)]
    pub postgres_may_lack: Vec<Durability>,
    /// Our own institution number. Opening balances are posted under it.
    pub acquirer_id: String,
    /// ISO 4217 numeric code of new accounts.
    pub currency: u16,
    pub issuer: Issuer,
}

/// Number ranges and key sets of new cards and tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// First digits of our cards.
    pub bin: String,
    /// First digits of our device PANs: longer than `bin`, and begins with it.
    pub token_range: String,
    /// Name of the HSM's key set for new cards.
    pub key_set: String,
    /// Name of the HSM's key set for new tokens.
    pub token_key_set: String,
}

impl Config {
    /// Reads and checks `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config_file::load(path)
    }

    /// Our own institution number.
    #[must_use]
    pub fn acquirer_id(&self) -> InstitutionId {
        InstitutionId::new(&self.acquirer_id).expect("checked when the file was read")
    }

    /// The currency of new accounts.
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
}

impl Check for Config {
    fn check(&self) -> Result<(), InvalidValue> {
        self.connection(&self.postgres).map_err(|error| InvalidValue::new("postgres", error.to_string()))?;
        check_digits("acquirer_id", &self.acquirer_id, 1..=11)?;
        check_range("currency", self.currency, 1..=999)?;
        check_digits("issuer.bin", &self.issuer.bin, 6..=18)?;
        check_digits("issuer.token_range", &self.issuer.token_range, 6..=18)?;
        if !self.issuer.token_range.starts_with(&self.issuer.bin) {
            return Err(InvalidValue::new("issuer.token_range", "must begin with issuer.bin"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use config_file::example_mistakes;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config/issuing.toml");

    fn parse(text: &str) -> Result<Config, ConfigError> {
        config_file::parse(text, "issuing.toml")
    }

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        parse(EXAMPLE).expect("config/issuing.toml is an example that works");
        for (from, to, line) in [
            ("bin           = \"400012\"", "bin = \"4000\"", "issuer.bin: must be 6 to 18 digits"),
            (
                "token_range   = \"40001290\"",
                "token_range = \"510051\"",
                "issuer.token_range: must begin with issuer.bin",
            ),
            ("currency            = 978", "currency = 0", "currency: must be 1 to 999"),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = parse(&text).expect_err(to).to_string();
            assert_eq!(refused.split_once(" (line ").expect(to).0, format!("issuing.toml: {line}"));
        }
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &[], parse);
    }
}
