//! The facts behind a decision, stored in the journal: enough to make the decision again, nothing secret.

use ledger::account::Account;
use serde::Serialize;

use crate::authorize::{Cryptogram, Facts, Pin, SecurityCode};

#[derive(Serialize)]
struct StoredFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cryptogram: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    atc: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<i64>,
}

/// The facts as JSON, before the decision changes any of them.
pub(super) fn as_json(facts: &Facts<'_>) -> Vec<u8> {
    let proof = facts.proof;
    let stored = StoredFacts {
        available: facts.account.map(Account::available_minor),
        spent: facts.card.map(|card| card.spent_minor),
        tries: facts.card.map(|card| card.pin_tries),
        card: facts.card.map(|card| card.status.as_str()),
        code: match proof.security_code {
            SecurityCode::Absent => None,
            SecurityCode::Right => Some("right"),
            SecurityCode::Wrong => Some("wrong"),
            SecurityCode::ChipDataOnStripe => Some("chip-data-on-stripe"),
        },
        cryptogram: match proof.cryptogram {
            Cryptogram::Absent => None,
            Cryptogram::Right { .. } => Some("right"),
            Cryptogram::Wrong => Some("wrong"),
            Cryptogram::VersionUnknown => Some("version-unknown"),
        },
        atc: match proof.cryptogram {
            Cryptogram::Right { atc } => Some(atc),
            _ => None,
        },
        pin: match proof.pin {
            Pin::Absent => None,
            Pin::Right => Some("right"),
            Pin::Wrong => Some("wrong"),
            Pin::Malformed => Some("malformed"),
        },
        hold: facts.hold.map(|hold| hold.amount_minor),
    };
    serde_json::to_vec(&stored).expect("plain numbers and words serialize")
}
