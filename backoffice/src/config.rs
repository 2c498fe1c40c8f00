//! What `backoffice.toml` may say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The whole of `backoffice.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the dialect files.
    pub dialects_dir: PathBuf,
    /// The HSM daemons' sockets for the host's role.
    pub hsm_socket: hsm::Sockets,
    /// libpq connection string, `host=/run/postgresql user=… dbname=…`.
    pub postgres: String,
    /// Our own acquirer id (DE32 of our terminals).
    pub acquirer_id: String,
    /// ISO 4217 numeric code of the one currency that is settled.
    pub currency: u16,
    /// Links of the switch by name: whose merchants come in there.
    pub links: BTreeMap<String, Link>,
    pub clearing: crate::clearing::Config,
    pub settlement: crate::settlement::Config,
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
        if let Some((destination, _)) =
            self.clearing.issuers.iter().find(|(_, number)| !digits(number) || number.len() > 11)
        {
            return Err(("clearing.issuers", format!("{destination}: an institution number is six to eleven digits")));
        }
        if !crate::settlement::payout::iban_holds(&self.settlement.payer.iban) {
            return Err(("settlement.payer.iban", "its check digits do not hold".to_owned()));
        }
        Ok(())
    }

    /// The connection string, parsed.
    #[must_use]
    pub fn postgres(&self) -> tokio_postgres::Config {
        self.postgres.parse().expect("checked when the file was read")
    }

    /// The foreign acquirers that present to us.
    #[must_use]
    pub fn acquirers(&self) -> Vec<&str> {
        self.links.values().filter_map(|link| link.acquirer.as_deref()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/backoffice.toml");

    #[test]
    fn a_mistake_is_refused_with_file_key_and_reason() {
        let parse = |text: &str| Config::parse(text, Path::new("backoffice.toml"));
        parse(EXAMPLE).expect("config/backoffice.toml is an example that works");
        for (from, to, key) in [
            ("= \"510051\"", "= \"51\"", "clearing.issuers"),
            ("= \"production\"", "= \"P\"", "processing"),
            ("iban = \"DE89", "iban = \"DE98", "settlement.payer.iban"),
            ("value_days", "value_dys", "value_dys"),
        ] {
            let text = EXAMPLE.replace(from, to);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let refused = parse(&text).expect_err("must be refused").to_string();
            assert!(refused.starts_with("backoffice.toml: ") && refused.contains(key), "{refused}");
        }
    }
}
