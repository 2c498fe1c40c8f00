//! Holds: amounts that pre-authorizations keep back.

use codecs::value::{ApprovalCode, Currency, MerchantId, Rrn};
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
    /// Still held while open.
    pub amount_minor: i64,
    /// Approved by the pre-authorization and its increments, less what was reversed of them.
    pub authorized_minor: i64,
    /// Captured by completions, less what was reversed of them.
    pub captured_minor: i64,
    pub currency: Currency,
    pub rrn: Option<Rrn>,
    pub approval_code: ApprovalCode,
    pub life_cycle: String,
    pub merchant: Option<MerchantId>,
    pub state: HoldState,
    pub expires_on: Date,
    /// Business date on which the pre-authorization counted towards the daily limit.
    pub counted_on: Date,
}

impl Hold {
    /// What can still be captured within the authorized amount.
    #[must_use]
    pub const fn left_to_capture(&self) -> i64 {
        self.authorized_minor - self.captured_minor
    }

    /// What is held: nothing once the hold has ended.
    #[must_use]
    pub fn held(&self) -> i64 {
        if self.state == HoldState::Open { self.amount_minor } else { 0 }
    }
}
