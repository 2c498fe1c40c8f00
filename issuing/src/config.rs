//! What `issuing.toml` may say.

use std::path::{Path, PathBuf};

use codecs::value::{Currency, InstitutionId};
use serde::Deserialize;

/// The whole of `issuing.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HSM daemons' sockets for the host's role, which finds and seals PANs.
    pub hsm_socket: hsm::Sockets,
    /// Those of the operators' role, which draws secrets.
    pub hsm_operator_socket: hsm::Sockets,
    /// libpq connection string, `host=/run/postgresql user=… dbname=…`.
    pub postgres: String,
    /// Our own institution number, in whose name opening balances are posted.
    pub acquirer_id: String,
    /// ISO 4217 numeric code of new accounts.
    pub currency: u16,
    pub issuer: Issuer,
}

/// What new cards and tokens are made of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// First digits of our cards.
    pub bin: String,
    /// First digits of our device PANs, longer than `bin` and below it.
    pub token_range: String,
    /// Name of the HSM's key set that new cards are made with.
    pub key_set: String,
    /// Name of the HSM's key set that new tokens are made with.
    pub token_key_set: String,
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
        let digits = |text: &str| text.len() >= 6 && text.bytes().all(|b| b.is_ascii_digit());
        if self.postgres.parse::<tokio_postgres::Config>().is_err() {
            // the string may hold a password: it is not repeated
            return Err(("postgres", "not a libpq connection string".to_owned()));
        }
        if !(1..=11).contains(&self.acquirer_id.len()) || !self.acquirer_id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(("acquirer_id", "must be 1 to 11 digits".to_owned()));
        }
        if !digits(&self.issuer.bin) {
            return Err(("issuer.bin", "must be six or more digits".to_owned()));
        }
        if !digits(&self.issuer.token_range) || !self.issuer.token_range.starts_with(&self.issuer.bin) {
            return Err(("issuer.token_range", "must be digits that begin with issuer.bin".to_owned()));
        }
        Ok(())
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
    pub fn postgres(&self) -> tokio_postgres::Config {
        self.postgres.parse().expect("checked when the file was read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/issuing.toml");

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        let parse = |text: &str| Config::parse(text, Path::new("issuing.toml"));
        parse(EXAMPLE).expect("config/issuing.toml is an example that works");
        for (from, to, key) in [
            ("bin           = \"400012\"", "bin = \"4000\"", "issuer.bin"),
            ("token_range   = \"40001290\"", "token_range = \"510051\"", "issuer.token_range"),
            ("acquirer_id ", "aquirer_id ", "aquirer_id"),
        ] {
            let text = EXAMPLE.replace(from, to);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = parse(&text).expect_err("must be refused").to_string();
            assert!(refused.starts_with("issuing.toml: ") && refused.contains(key), "{refused}");
        }
    }
}
