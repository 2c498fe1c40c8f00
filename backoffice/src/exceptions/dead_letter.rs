//! The unacknowledged messages and the dead letters of the switch, from the answer to its `GET /owed`. Pure.

use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use super::item::{FoundMatter, Source};

/// The part of the answer that is looked at.
#[derive(Debug, Deserialize)]
pub struct OwedList {
    /// How many messages are not acknowledged; the oldest of them are told.
    pub count: u64,
    pub owed: Vec<OwedMessage>,
    /// How many there are; the oldest of them are told.
    pub dead_letter_count: u64,
    pub dead_letters: Vec<DeadLetter>,
}

/// A message that its destination has not acknowledged.
#[derive(Debug, Deserialize)]
pub struct OwedMessage {
    pub destination: String,
    pub age_ms: i64,
}

/// A message that the switch has given up.
#[derive(Debug, Deserialize)]
pub struct DeadLetter {
    pub id: u64,
    /// The originator's key: link, terminal, merchant, STAN, time, date; then its class.
    pub key: String,
    pub age_ms: i64,
    pub why: String,
}

impl DeadLetter {
    /// The matter, as told at this moment.
    #[must_use]
    pub fn matter(self, told_at: Timestamp) -> FoundMatter {
        let mut parts = self.key.split('|').map(str::trim).map(str::to_owned);
        let mut part = |at| parts.nth(at).filter(|part| !part.is_empty());
        let (terminal, merchant) = (part(1), part(0));
        let opened_at = told_at.checked_sub(self.age_ms.max(0).milliseconds()).unwrap_or(told_at);
        FoundMatter {
            source: Source::Switch,
            // numbers begin anew if the switch's state is lost
            reference: format!("{} {}", self.id, self.key),
            kind: self.why,
            opened_at,
            business_date: None,
            amount_minor: None,
            currency: None,
            acquirer: None,
            merchant,
            terminal,
            rrn: None,
            role: None,
            row: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_read_by_its_key() {
        let text = r#"{"count":1,"owed":[],"dead_letter_count":7,"dead_letters":[{"id":3,"destination":"issuer-510051","mti":"0420",
            "key":"terminals|T0000001|SWYD00000000001|000017|101500|1120|2","age_ms":60000,"attempts":9,"stepped_aside":false,
            "late_answer":null,"why":"refused"}]}"#;
        let list: OwedList = serde_json::from_str(text).unwrap();
        let told_at = "2026-11-20T10:16:00Z".parse().unwrap();
        let matter = list.dead_letters.into_iter().next().unwrap().matter(told_at);
        assert_eq!(
            (list.dead_letter_count, matter.terminal.as_deref(), matter.merchant.as_deref()),
            (7, Some("T0000001"), Some("SWYD00000000001"))
        );
        assert_eq!((matter.kind.as_str(), matter.opened_at.to_string().as_str()), ("refused", "2026-11-20T10:15:00Z"));
        assert!(matter.reference.starts_with("3 terminals|"), "{}", matter.reference);
    }
}
