//! The simulator's configuration: a file, checked for meaning before anything starts.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use codecs::Dialect;
use codecs::frame::Framing;
use codecs::value::InstitutionId;
use serde::Deserialize;

use crate::crypto::key::unhex;
use crate::issuer::fault::FaultRates;
use crate::line::LineSettings;
use crate::till::TillManner;

/// A mistake in the configuration: which file, which key, what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file}: {source}")]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{file}: {reason}")]
    Parse { file: PathBuf, reason: String },
    #[error("{file}: {key}: {reason}")]
    Value { file: PathBuf, key: String, reason: String },
}

/// The outside world as the file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(skip)]
    pub file: PathBuf,
    pub dialects_dir: PathBuf,
    /// What the outside saw, one line per exchange.
    pub terminal_log: PathBuf,
    /// ISO 3166 number of the country in which all tills stand.
    pub country: u16,
    pub keys: Keys,
    pub terminals: Terminals,
    pub acquirer: Acquirer,
    pub issuer: Issuer,
}

/// Where deliveries lie, and the two halves of the key that opens them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub component_1: PathBuf,
    pub component_2: PathBuf,
    pub deliveries_dir: PathBuf,
}

/// How the terminals of our merchants reach the switch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminals {
    pub target: String,
    pub dialect: String,
    pub framing: String,
    /// Ten hexadecimal digits; empty for framings without a transport header.
    pub tpdu: String,
    /// Institution that our merchants' transactions are logged under.
    pub acquirer: String,
    pub manner: Manner,
}

/// The foreign acquirer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acquirer {
    pub target: String,
    pub dialect: String,
    pub framing: String,
    pub institution: String,
    /// Name of the zone whose PIN key a delivery brings.
    pub zone: String,
    pub connections: usize,
    pub manner: Manner,
    pub shop: Vec<Shop>,
}

/// One of the foreign acquirer's shops.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    pub terminal: String,
    pub merchant: String,
    pub mcc: String,
    pub name: String,
    pub street: String,
    pub city: String,
    pub postcode: String,
    /// Two letters, three letters.
    pub country: [String; 2],
}

/// The foreign issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    pub listen: SocketAddr,
    pub dialect: String,
    pub framing: String,
    pub zone: String,
    /// Its cards begin with this.
    pub bin: String,
    /// Draws its cards' PINs, codes and keys.
    pub seed: u64,
    pub card: Vec<ForeignCard>,
    pub faults: FaultRates,
}

/// A card to be made by the foreign issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignCard {
    pub note: String,
    /// YYMM.
    pub expiry: String,
    pub balance_minor: i64,
}

/// Timers of a till.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manner {
    pub connect_timeout_ms: u64,
    /// Longer than the switch's own timer, so that its 91 arrives.
    pub answer_timeout_ms: u64,
    pub repeat_pause_ms: u64,
    pub patience_s: u64,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.into(), source })?;
        Self::parse(&text, file)
    }

    /// Checks the text of a file.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|e| ConfigError::Parse { file: file.into(), reason: e.to_string() })?;
        let config = Self { file: file.into(), ..config };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.framing("terminals.framing", &self.terminals.framing)?;
        self.framing("acquirer.framing", &self.acquirer.framing)?;
        self.framing("issuer.framing", &self.issuer.framing)?;
        self.tpdu()?;
        self.institution("terminals.acquirer", &self.terminals.acquirer)?;
        self.institution("acquirer.institution", &self.acquirer.institution)?;
        if self.acquirer.connections == 0 {
            return Err(self.wrong("acquirer.connections", "must be at least 1"));
        }
        if self.acquirer.shop.is_empty() {
            return Err(self.wrong("acquirer.shop", "at least one shop is needed"));
        }
        if !(4..=8).contains(&self.issuer.bin.len()) || !self.issuer.bin.bytes().all(|d| d.is_ascii_digit()) {
            return Err(self.wrong("issuer.bin", "four to eight digits"));
        }
        if self.issuer.faults.delayed_per_mille + self.issuer.faults.swallowed_per_mille > 1000 {
            return Err(self.wrong("issuer.faults", "more than a thousand in a thousand"));
        }
        Ok(())
    }

    /// The line settings of our merchants' terminals.
    ///
    /// # Errors
    /// A dialect or framing that does not exist.
    pub fn terminal_line(&self) -> Result<LineSettings, ConfigError> {
        let terminals = &self.terminals;
        Ok(LineSettings {
            tpdu: self.tpdu()?,
            ..self.line("terminals", &terminals.target, &terminals.dialect, &terminals.framing, terminals.manner)?
        })
    }

    /// The line settings of the foreign acquirer.
    ///
    /// # Errors
    /// A dialect or framing that does not exist.
    pub fn acquirer_line(&self) -> Result<LineSettings, ConfigError> {
        let acquirer = &self.acquirer;
        self.line("acquirer", &acquirer.target, &acquirer.dialect, &acquirer.framing, acquirer.manner)
    }

    fn line(
        &self,
        section: &str,
        target: &str,
        dialect: &str,
        framing: &str,
        manner: Manner,
    ) -> Result<LineSettings, ConfigError> {
        Ok(LineSettings {
            target: target.to_owned(),
            dialect: self.dialect(&format!("{section}.dialect"), dialect)?,
            framing: self.framing(&format!("{section}.framing"), framing)?,
            tpdu: None,
            connect_timeout: Duration::from_millis(manner.connect_timeout_ms),
            answer_timeout: Duration::from_millis(manner.answer_timeout_ms),
        })
    }

    /// A dialect by its name, from the configured folder.
    ///
    /// # Errors
    /// It does not exist, or its file is wrong.
    pub fn dialect(&self, key: &str, name: &str) -> Result<Arc<Dialect>, ConfigError> {
        codecs::dialect::load(&self.dialects_dir, name).map_err(|error| self.wrong(key, error))
    }

    pub(crate) fn framing(&self, key: &str, name: &str) -> Result<Framing, ConfigError> {
        Framing::named(name).ok_or_else(|| self.wrong(key, format!("no framing is called \"{name}\"")))
    }

    pub(crate) fn institution(&self, key: &str, id: &str) -> Result<InstitutionId, ConfigError> {
        let digits = !id.is_empty() && id.bytes().all(|d| d.is_ascii_digit());
        InstitutionId::new(id).filter(|_| digits).ok_or_else(|| self.wrong(key, "up to eleven digits"))
    }

    fn tpdu(&self) -> Result<Option<[u8; 5]>, ConfigError> {
        if self.terminals.tpdu.is_empty() {
            return Ok(None);
        }
        let bytes = unhex(&self.terminals.tpdu).and_then(|bytes| <[u8; 5]>::try_from(bytes).ok());
        bytes.map(Some).ok_or_else(|| self.wrong("terminals.tpdu", "ten hexadecimal digits"))
    }

    /// How a till of this section behaves.
    #[must_use]
    pub fn manner(&self, manner: Manner) -> TillManner {
        TillManner {
            country: self.country,
            repeat_pause: Duration::from_millis(manner.repeat_pause_ms),
            patience: Duration::from_secs(manner.patience_s),
            stan_before: 0,
        }
    }

    pub(crate) fn wrong(&self, key: &str, reason: impl Display) -> ConfigError {
        ConfigError::Value { file: self.file.clone(), key: key.to_owned(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/pos-sim.toml");

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("pos-sim.toml"))
    }

    #[test]
    fn the_example_is_complete() {
        let config = parse(EXAMPLE).unwrap();
        assert!(config.terminals.manner.answer_timeout_ms > 5000, "longer than the switch's own timer");
    }

    #[test]
    fn mistakes_name_file_key_and_reason() {
        for (from, to, key) in [
            ("framing = \"nac\"", "framing = \"nacc\"", "terminals.framing"),
            ("tpdu = \"6000030000\"", "tpdu = \"60\"", "terminals.tpdu"),
            ("institution = \"510099\"", "institution = \"51 99\"", "acquirer.institution"),
            ("connections = 2", "connections = 0", "acquirer.connections"),
            ("bin = \"510051\"", "bin = \"51\"", "issuer.bin"),
            ("country = 528", "county = 528", "county"),
        ] {
            let text = EXAMPLE.replace(from, to);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.starts_with("pos-sim.toml: ") && error.contains(key), "{error}");
        }
    }
}
