//! The facts behind a decision, stored in the journal: enough to make the decision again, nothing secret.
//!
//! After the version come fields in the order of their tags: a byte with the tag, then the value – amounts in eight
//! bytes, counters in two, outcomes in one, big-endian. An absent fact has no field. docs/journal.md lists them.

use codecs::value::ConversionRate;
use ledger::account::Account;
use ledger::card::CardStatus;
use ledger::journal::WHY_VERSION;

use crate::authorize::{Cryptogram, Facts, Pin, SecurityCode};
use crate::request::Request;

const AVAILABLE: u8 = 1;
const SPENT: u8 = 2;
const PIN_TRIES: u8 = 3;
const CARD_STATUS: u8 = 4;
const SECURITY_CODE: u8 = 5;
const CRYPTOGRAM: u8 = 6;
const ATC: u8 = 7;
const PIN: u8 = 8;
const HELD: u8 = 9;
const RATE: u8 = 10;

/// The facts, before the decision changes any of them.
pub(super) fn encode(request: &Request, facts: &Facts<'_>) -> Vec<u8> {
    let proof = facts.proof;
    let mut out = Vec::with_capacity(48);
    out.push(WHY_VERSION);
    let mut amount = |tag, minor: Option<i64>| {
        if let Some(minor) = minor {
            out.push(tag);
            out.extend_from_slice(&minor.to_be_bytes());
        }
    };
    amount(AVAILABLE, facts.account.map(Account::available_minor));
    amount(SPENT, facts.card.map(|card| card.spent_minor));
    if let Some(card) = facts.card {
        out.push(PIN_TRIES);
        out.extend_from_slice(&card.pin_tries.to_be_bytes());
        out.extend_from_slice(&[CARD_STATUS, status(card.status)]);
    }
    let mut outcome = |tag, value: Option<u8>| out.extend(value.into_iter().flat_map(|value| [tag, value]));
    outcome(
        SECURITY_CODE,
        match proof.security_code {
            SecurityCode::Absent | SecurityCode::Unchecked => None,
            SecurityCode::Right => Some(0),
            SecurityCode::Wrong => Some(1),
            SecurityCode::ChipDataOnStripe => Some(2),
        },
    );
    let (cryptogram, atc) = match proof.cryptogram {
        Cryptogram::Absent => (None, None),
        Cryptogram::Right { atc } => (Some(0), Some(atc)),
        Cryptogram::Wrong => (Some(1), None),
        Cryptogram::VersionUnknown => (Some(2), None),
    };
    outcome(CRYPTOGRAM, cryptogram);
    if let Some(atc) = atc {
        out.push(ATC);
        out.extend_from_slice(&atc.to_be_bytes());
    }
    let pin = match proof.pin {
        Pin::Absent => None,
        Pin::Right => Some(0),
        Pin::Wrong => Some(1),
        Pin::Malformed => Some(2),
    };
    out.extend(pin.into_iter().flat_map(|value| [PIN, value]));
    if let Some(hold) = facts.hold {
        out.push(HELD);
        out.extend_from_slice(&hold.held().to_be_bytes());
    }
    if let Some(rate) = request.foreign.and_then(|foreign| foreign.rate) {
        out.push(RATE);
        out.extend_from_slice(&rate.number().to_be_bytes());
    }
    out
}

/// The rate by which the amount was converted (DE10), from the facts of a stored row.
#[must_use]
pub fn conversion_rate(why: &[u8]) -> Option<ConversionRate> {
    let (&WHY_VERSION, mut fields) = why.split_first()? else { return None };
    while let Some((tag, rest)) = fields.split_first() {
        let width = match *tag {
            AVAILABLE | SPENT | HELD => 8,
            RATE => 4,
            PIN_TRIES | ATC => 2,
            CARD_STATUS | SECURITY_CODE | CRYPTOGRAM | PIN => 1,
            _ => return None,
        };
        let (value, after) = rest.split_at_checked(width)?;
        if *tag == RATE {
            return ConversionRate::from_number(u32::from_be_bytes(value.try_into().ok()?));
        }
        fields = after;
    }
    None
}

const fn status(of: CardStatus) -> u8 {
    match of {
        CardStatus::Active => 0,
        CardStatus::Blocked => 1,
        CardStatus::Lost => 2,
        CardStatus::Stolen => 3,
        CardStatus::Closed => 4,
    }
}
