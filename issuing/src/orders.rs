//! Order files: cards to issue and wallets to provision, in TOML or JSON by the file's ending.

use std::path::Path;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use codecs::value::Expiry;
use ledger::card::CardStatus;
use ledger::reference::Reference;

use super::IssuingError;

/// An order of cards.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cards {
    pub card: Vec<CardProfile>,
}

/// An order of one card, or of `count` cards alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardProfile {
    /// Reference of the card; the default reference (kind and number) if absent. With `count` above 1 the references
    /// are `reference-1`, `reference-2` …
    #[serde(default, deserialize_with = "reference")]
    pub reference: Option<Reference>,
    /// Reference of its account, likewise.
    #[serde(default, deserialize_with = "reference")]
    pub account_reference: Option<Reference>,
    /// Free text for people; with `count` above 1 `note 1`, `note 2` …
    pub note: String,
    #[serde(default = "one")]
    pub count: u32,
    /// Opening balance in minor units, posted from the funding account.
    pub balance_minor: i64,
    /// YYMM.
    #[serde(deserialize_with = "expiry")]
    pub expiry: Expiry,
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
    /// Digits of the PAN: 16 or 19.
    #[serde(default = "digits")]
    pub digits: u8,
}

/// An order of wallets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wallets {
    pub wallet: Vec<Wallet>,
}

/// An order of a device PAN for a card.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wallet {
    /// Reference of the funding card.
    #[serde(deserialize_with = "some_reference")]
    pub card: Reference,
    /// Reference of the token; the default reference (kind and number) if absent.
    #[serde(default, deserialize_with = "reference")]
    pub reference: Option<Reference>,
    /// Free text for people; the card's note if absent.
    #[serde(default)]
    pub note: Option<String>,
    /// YYMM; the card's expiry if absent.
    #[serde(default, deserialize_with = "expiry_if_any")]
    pub expiry: Option<Expiry>,
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

fn some_reference<'de, D: Deserializer<'de>>(order: D) -> Result<Reference, D::Error> {
    Reference::new(String::deserialize(order)?).map_err(D::Error::custom)
}

fn reference<'de, D: Deserializer<'de>>(order: D) -> Result<Option<Reference>, D::Error> {
    some_reference(order).map(Some)
}

fn expiry<'de, D: Deserializer<'de>>(order: D) -> Result<Expiry, D::Error> {
    Expiry::parse(&String::deserialize(order)?).ok_or_else(|| D::Error::custom("expiry is YYMM"))
}

fn expiry_if_any<'de, D: Deserializer<'de>>(order: D) -> Result<Option<Expiry>, D::Error> {
    expiry(order).map(Some)
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

/// A value of a card profile that the tables or the HSM would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProfileMistake {
    #[error("service_code is three digits")]
    ServiceCode,
    #[error("sequence is 0 to 99")]
    Sequence,
    #[error("digits is 16 or 19")]
    Digits,
}

impl CardProfile {
    /// Checks the profile: mistakes that the tables or the HSM would refuse later, with the reason.
    pub(super) fn check(&self) -> Result<(), ProfileMistake> {
        let all_digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(&self.service_code, 3) {
            return Err(ProfileMistake::ServiceCode);
        }
        if self.sequence > 99 {
            return Err(ProfileMistake::Sequence);
        }
        if !matches!(self.digits, 16 | 19) {
            return Err(ProfileMistake::Digits);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_an_order() {
        let cards: Cards = toml::from_str(include_str!("../../config/cards.toml")).unwrap();
        assert!(cards.card.iter().all(|card| card.check().is_ok()));
    }

    #[test]
    fn a_mistake_is_named() {
        for (order, named) in [
            ("note = 'a'\nbalance_minor = 1\nexpiry = '1312'", None),
            ("note = 'a'\nbalance_minor = 1\nexpiry = '2913'", Some("expiry is YYMM")),
            ("note = 'a'\nbalance_minor = 1\nexpiry = '2912'\nstatus = 'lsot'", Some("status lsot is none")),
            ("note = 'a'\nbalance_minor = 1\nexpiry = '2912'\nreference = 'daily limit'", Some("is no reference")),
            ("note = 'a'\nbalance_minor = 1\nexpiry = '2912'\nrefrence = 'a'", Some("refrence")),
        ] {
            let read = toml::from_str::<Cards>(&format!("[[card]]\n{order}"));
            let error = read.err().map(|error| error.to_string());
            assert_eq!(error.is_some(), named.is_some(), "{order}: {error:?}");
            assert!(named.is_none_or(|named| error.is_some_and(|error| error.contains(named))), "{order}");
        }
    }
}
