//! Holds: amounts that pre-authorizations keep back.

use codecs::value::{ApprovalCode, Currency, Rrn};
use jiff::civil::Date;

use super::key::JournalKey;

/// State of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    Open,
    Completed,
    Released,
}

crate::stored_words!(HoldState, "column `hold.state`" {
    Open => "open",
    Completed => "completed",
    Released => "released",
});

/// An amount of an account that a pre-authorization keeps back until completion, release or expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub bucket: i16,
    pub auth_id: i64,
    pub account_id: i64,
    pub card_id: i64,
    pub idem_date: Date,
    pub idem: JournalKey,
    pub amount_minor: i64,
    pub currency: Currency,
    pub rrn: Option<Rrn>,
    pub approval_code: ApprovalCode,
    pub life_cycle: String,
    pub state: HoldState,
    pub expires_on: Date,
}
