//! The account of a cardholder: the columns that authorizations read and change.

use codecs::value::Currency;

/// Hot row of an account, table `account_state`: balance, credit and held amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub bucket: i16,
    pub account_id: i64,
    pub currency: Currency,
    pub ledger_minor: i64,
    pub held_minor: i64,
    pub credit_minor: i64,
    pub seq: i64,
}

impl Account {
    /// Amount that an online approval may take. Negative after a forced posting.
    #[must_use]
    pub const fn available_minor(&self) -> i64 {
        self.ledger_minor + self.credit_minor - self.held_minor
    }
}
