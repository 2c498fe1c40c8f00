//! The simulator's configuration file, checked before anything starts.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use codecs::Dialect;
use codecs::frame::Framing;
use codecs::value::InstitutionId;
use config_file::{Check, ConfigError, InvalidValue, check_digits, check_range};
use serde::Deserialize;

use crate::connection::ConnectionSettings;
use crate::crypto::key::unhex;
use crate::issuer::fault::FaultRates;
use crate::till::TillSettings;

/// The configuration: cards, tills, the foreign acquirer and the foreign issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(skip)]
    pub file: PathBuf,
    pub dialects_dir: PathBuf,
    /// The terminal log, one line per exchange.
    pub terminal_log: PathBuf,
    /// ISO 3166 number of the country in which all tills stand.
    pub country: u16,
    pub keys: DeliveryKeys,
    pub terminals: Terminals,
    pub acquirer: Acquirer,
    pub issuer: Issuer,
}

/// The folder of deliveries, and the files of the two components of the key that opens them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryKeys {
    pub component_1_file: PathBuf,
    pub component_2_file: PathBuf,
    pub deliveries_dir: PathBuf,
}

/// How the terminals of our merchants reach the switch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminals {
    pub address: String,
    pub dialect: String,
    pub framing: String,
    /// Ten hexadecimal digits; empty for framings without a transport header.
    pub tpdu: String,
    /// Institution that our merchants' transactions are logged under.
    pub acquirer_id: String,
    pub manner: TillTimers,
}

/// The foreign acquirer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acquirer {
    pub address: String,
    pub dialect: String,
    pub framing: String,
    pub acquirer_id: String,
    /// Name of the zone whose PIN key a delivery brings.
    pub zone: String,
    pub connections: usize,
    pub manner: TillTimers,
    pub shop: Vec<Shop>,
}

/// One of the foreign acquirer's shops.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    pub terminal_id: String,
    pub merchant_id: String,
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
    pub address: SocketAddr,
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
pub struct TillTimers {
    pub connect_timeout_ms: u64,
    /// Longer than the switch's own timer, so that its 91 arrives.
    pub answer_timeout_ms: u64,
    pub repeat_pause_ms: u64,
    pub patience_s: u64,
}

impl Config {
    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Ok(Self { file: file.into(), ..config_file::load(file)? })
    }

    /// Checks the text of a file.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        Ok(Self { file: file.into(), ..config_file::parse(text, &file.display().to_string())? })
    }

    /// The connection settings of our merchants' terminals.
    ///
    /// # Errors
    /// A dialect or framing that does not exist.
    pub fn terminal_connection(&self) -> Result<ConnectionSettings, ConfigError> {
        let terminals = &self.terminals;
        Ok(ConnectionSettings {
            tpdu: tpdu(&terminals.tpdu).map_err(|wrong| self.refused(wrong))?,
            ..self.connection(
                "terminals",
                &terminals.address,
                &terminals.dialect,
                &terminals.framing,
                terminals.manner,
            )?
        })
    }

    /// The connection settings of the foreign acquirer.
    ///
    /// # Errors
    /// A dialect or framing that does not exist.
    pub fn acquirer_connection(&self) -> Result<ConnectionSettings, ConfigError> {
        let acquirer = &self.acquirer;
        self.connection("acquirer", &acquirer.address, &acquirer.dialect, &acquirer.framing, acquirer.manner)
    }

    fn connection(
        &self,
        section: &str,
        target: &str,
        dialect: &str,
        framing: &str,
        timers: TillTimers,
    ) -> Result<ConnectionSettings, ConfigError> {
        Ok(ConnectionSettings {
            target: target.to_owned(),
            dialect: self.dialect(&format!("{section}.dialect"), dialect)?,
            framing: self.framing(&format!("{section}.framing"), framing)?,
            tpdu: None,
            connect_timeout: Duration::from_millis(timers.connect_timeout_ms),
            answer_timeout: Duration::from_millis(timers.answer_timeout_ms),
        })
    }

    /// A dialect by its name, from the configured folder.
    ///
    /// # Errors
    /// It does not exist, or its file is wrong.
    pub fn dialect(&self, key: &str, name: &str) -> Result<Arc<Dialect>, ConfigError> {
        codecs::dialect::load(&self.dialects_dir, name).map_err(|error| self.wrong(key, error))
    }

    /// The settings of a till with these timers.
    #[must_use]
    pub fn till_settings(&self, timers: TillTimers) -> TillSettings {
        TillSettings {
            country: self.country,
            repeat_pause: Duration::from_millis(timers.repeat_pause_ms),
            patience: Duration::from_secs(timers.patience_s),
            stan_before: 0,
        }
    }

    /// A framing by its name.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn framing(&self, key: &str, name: &str) -> Result<Framing, ConfigError> {
        framing(key, name).map_err(|wrong| self.refused(wrong))
    }

    /// An institution by its id.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn institution(&self, key: &str, id: &str) -> Result<InstitutionId, ConfigError> {
        institution(key, id).map_err(|wrong| self.refused(wrong))
    }

    /// An error that is noticed only when the world is set up.
    pub(crate) fn wrong(&self, key: &str, reason: impl Display) -> ConfigError {
        self.refused(InvalidValue::new(key, reason.to_string()))
    }

    fn refused(&self, wrong: InvalidValue) -> ConfigError {
        ConfigError::of_key(&self.file.display().to_string(), wrong.key, wrong.reason)
    }
}

impl Check for Config {
    const RENAMED: &'static [(&'static str, &'static str)] = &[
        ("keys.component_1", "is called component_1_file now"),
        ("keys.component_2", "is called component_2_file now"),
        ("terminals.target", "is called address now"),
        ("terminals.acquirer", "is called acquirer_id now"),
        ("acquirer.target", "is called address now"),
        ("acquirer.institution", "is called acquirer_id now"),
        ("acquirer.shop.terminal", "is called terminal_id now"),
        ("acquirer.shop.merchant", "is called merchant_id now"),
        ("issuer.listen", "is called address now"),
    ];

    fn check(&self) -> Result<(), InvalidValue> {
        framing("terminals.framing", &self.terminals.framing)?;
        framing("acquirer.framing", &self.acquirer.framing)?;
        framing("issuer.framing", &self.issuer.framing)?;
        tpdu(&self.terminals.tpdu)?;
        institution("terminals.acquirer_id", &self.terminals.acquirer_id)?;
        institution("acquirer.acquirer_id", &self.acquirer.acquirer_id)?;
        check_range("acquirer.connections", self.acquirer.connections, 1..=64)?;
        if self.acquirer.shop.is_empty() {
            return Err(InvalidValue::new("acquirer.shop", "at least one shop is needed"));
        }
        check_digits("issuer.bin", &self.issuer.bin, 4..=8)?;
        if self.issuer.faults.delayed_per_mille + self.issuer.faults.swallowed_per_mille > 1000 {
            return Err(InvalidValue::new("issuer.faults", "more than a thousand in a thousand"));
        }
        Ok(())
    }
}

fn framing(key: &str, name: &str) -> Result<Framing, InvalidValue> {
    Framing::named(name).ok_or_else(|| InvalidValue::new(key, format!("must be one of {}", Framing::NAMES.join(", "))))
}

fn institution(key: &str, id: &str) -> Result<InstitutionId, InvalidValue> {
    check_digits(key, id, 1..=11)?;
    Ok(InstitutionId::new(id).expect("up to eleven digits are an institution's id"))
}

fn tpdu(text: &str) -> Result<Option<[u8; 5]>, InvalidValue> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = unhex(text).and_then(|bytes| <[u8; 5]>::try_from(bytes).ok());
    bytes.map(Some).ok_or_else(|| InvalidValue::new("terminals.tpdu", "must be ten hexadecimal digits, or empty"))
}

#[cfg(test)]
mod tests {
    use config_file::example_mistakes;

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
    fn a_mistake_is_refused_with_file_key_and_reason() {
        for (from, to, line) in [
            ("framing = \"nac\"", "framing = \"nacc\"", "terminals.framing: must be one of NAMES"),
            ("tpdu = \"6000030000\"", "tpdu = \"60\"", "terminals.tpdu: must be ten hexadecimal digits, or empty"),
            ("acquirer_id = \"510099\"", "acquirer_id = \"51 99\"", "acquirer.acquirer_id: must be 1 to 11 digits"),
            ("connections = 2", "connections = 0", "acquirer.connections: must be 1 to 64"),
            ("bin = \"510051\"", "bin = \"51\"", "issuer.bin: must be 4 to 8 digits"),
            (
                "country = 528",
                "county = 528",
                "county: is not a key; here may stand dialects_dir, terminal_log, country, keys, terminals, acquirer, issuer",
            ),
            (
                "[\"NL\", \"NLD\"]",
                "[\"NL\"]",
                "acquirer.shop[0].country: must be a list of length 2, and has 1 entries",
            ),
            (
                "swallowed_per_mille = 0",
                "swallowed_per_mille = 1001",
                "issuer.faults: more than a thousand in a thousand",
            ),
            ("terminal_id = \"F0000002\"", "", "acquirer.shop[1].terminal_id: is missing"),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            let line = line.replace("NAMES", &Framing::NAMES.join(", "));
            let refused = parse(&text).unwrap_err().to_string();
            let (refused, _) = refused.split_once(" (line ").unwrap();
            assert_eq!(refused, format!("pos-sim.toml: {line}"));
        }
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &[], parse);
    }

    #[test]
    fn the_page_has_every_key_that_was_renamed() {
        let page = include_str!("../../docs/configuration.md");
        for (old, _) in <Config as Check>::RENAMED {
            assert!(page.contains(&format!("| `{old}` |")), "{old}");
        }
    }
}
