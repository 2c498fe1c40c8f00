//! Order files, TOML or JSON by their ending.

use std::path::Path;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use ledger::card::CardStatus;

use super::IssuingError;

/// Cards to be issued.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cards {
    pub card: Vec<CardProfile>,
}

/// One card, or many alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardProfile {
    /// What the card is for; with `count` above 1 the cards are called `note 1`, `note 2` …
    pub note: String,
    #[serde(default = "one")]
    pub count: u32,
    /// Opening balance in minor units, posted from the funding account.
    pub balance_minor: i64,
    /// YYMM.
    pub expiry: String,
    #[serde(default = "active", deserialize_with = "status")]
    pub status: CardStatus,
    #[serde(default = "service_code")]
    pub service_code: String,
    #[serde(default)]
    pub sequence: u8,
    #[serde(default = "limit_txn_minor")]
    pub limit_txn_minor: i64,
    #[serde(default = "limit_day_minor")]
    pub limit_day_minor: i64,
    /// 16 or 19.
    #[serde(default = "digits")]
    pub digits: u8,
}

/// Wallets to be provisioned.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wallets {
    pub wallet: Vec<Wallet>,
}

/// A device PAN for a card.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wallet {
    /// The card it stands for, by its note.
    pub card_note: String,
    /// What the token is called for changes of state; the card's note where it is absent.
    #[serde(default)]
    pub note: Option<String>,
    /// YYMM; the card's where it is absent.
    #[serde(default)]
    pub expiry: Option<String>,
}

fn one() -> u32 {
    1
}

const fn active() -> CardStatus {
    CardStatus::Active
}

fn status<'de, D: Deserializer<'de>>(order: D) -> Result<CardStatus, D::Error> {
    let word = String::deserialize(order)?;
    CardStatus::from_word(&word).ok_or_else(|| D::Error::custom(format!("status {word} is none")))
}

/// International, normal authorization, no restrictions, chip preferred (ISO/IEC 7813).
fn service_code() -> String {
    "201".to_owned()
}

fn limit_txn_minor() -> i64 {
    500_000
}

fn limit_day_minor() -> i64 {
    1_000_000
}

fn digits() -> u8 {
    16
}

/// Reads an order file.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, IssuingError> {
    let text = std::fs::read_to_string(path).map_err(|source| IssuingError::File { path: path.to_owned(), source })?;
    let wrong =
        |reason: String| IssuingError::Orders { path: path.to_owned(), reason: reason.trim().replace('\n', " ") };
    if path.extension().is_some_and(|ending| ending == "json") {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
    } else {
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))
    }
}

impl CardProfile {
    /// Refuses what the tables or the HSM would refuse later, with the reason.
    pub(super) fn check(&self) -> Result<(), String> {
        let all_digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(&self.expiry, 4) || !(1..=12).contains(&self.expiry[2..].parse().unwrap_or(0)) {
            return Err(format!("{}: expiry is YYMM", self.note));
        }
        if !all_digits(&self.service_code, 3) {
            return Err(format!("{}: service_code is three digits", self.note));
        }
        if self.sequence > 99 {
            return Err(format!("{}: sequence is 0 to 99", self.note));
        }
        if !matches!(self.digits, 16 | 19) {
            return Err(format!("{}: digits is 16 or 19", self.note));
        }
        Ok(())
    }
}
