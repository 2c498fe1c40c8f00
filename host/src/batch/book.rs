//! The rows a batch works on: loaded under lock, changed in memory, written back once.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::journal::Row;
use crate::key::Idem;

use super::day::BusinessDays;

/// Hot row of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub bucket: i16,
    pub account_id: i64,
    pub currency: u16,
    pub ledger_minor: i64,
    pub held_minor: i64,
    pub credit_minor: i64,
    pub seq: i64,
}

impl Account {
    /// What an online approval may take. Negative after a forced posting.
    #[must_use]
    pub const fn available_minor(&self) -> i64 {
        self.ledger_minor + self.credit_minor - self.held_minor
    }
}

/// State of the plastic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardStatus {
    Active,
    Blocked,
    Lost,
    Stolen,
    Closed,
}

/// State of a device PAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    Active,
    Suspended,
    Deleted,
}

/// Transaction counters seen, as the highest and a window of 64 below it. What is older counts as seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// -1 before the first.
    pub high: i32,
    /// Bit i: counter `high - i` was seen.
    pub window: u64,
}

impl Counters {
    pub const NONE: Self = Self { high: -1, window: 0 };

    #[must_use]
    pub fn seen(&self, atc: u16) -> bool {
        match u32::try_from(self.high - i32::from(atc)) {
            Ok(back) => back >= 64 || self.window >> back & 1 == 1,
            Err(_) => false,
        }
    }

    pub fn record(&mut self, atc: u16) {
        let atc = i32::from(atc);
        if atc > self.high {
            let ahead = atc.abs_diff(self.high);
            let known = if self.high < 0 || ahead >= 64 { 0 } else { self.window << ahead };
            self.window = known | 1;
            self.high = atc;
        } else if let back @ 0..64 = self.high.abs_diff(atc) {
            self.window |= 1 << back;
        }
    }
}

/// A card, cold columns and counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub bucket: i16,
    pub card_id: i64,
    pub account_id: i64,
    pub status: CardStatus,
    /// YYMM, digits.
    pub expiry: [u8; 4],
    pub limit_txn_minor: i64,
    pub limit_day_minor: i64,
    pub version: i32,
    pub day: Date,
    pub spent_minor: i64,
    pub pin_tries: i16,
    pub counters: Counters,
}

impl Card {
    /// Spent on a business date. A straggler of an earlier date counts against the day that is running.
    #[must_use]
    pub fn spent_on(&self, date: Date) -> i64 {
        if date > self.day { 0 } else { self.spent_minor }
    }

    pub(super) fn spend(&mut self, date: Date, minor: i64) {
        if date > self.day {
            self.day = date;
            self.spent_minor = 0;
        }
        self.spent_minor = self.spent_minor.saturating_add(minor).max(0);
    }

    /// Gives the limit back for something that was spent on `date`; another day's limit has passed anyway.
    pub(super) fn unspend(&mut self, date: Date, minor: i64) {
        if date == self.day {
            self.spent_minor = (self.spent_minor - minor).max(0);
        }
    }
}

/// A device PAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub bucket: i16,
    pub token_id: i64,
    pub card_id: i64,
    pub status: TokenStatus,
    pub expiry: [u8; 4],
    pub version: i32,
    pub counters: Counters,
}

/// State of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    Open,
    Completed,
    Released,
}

impl HoldState {
    /// The word in column `hold.state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Released => "released",
        }
    }
}

/// What a pre-authorization keeps of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub bucket: i16,
    pub auth_id: i64,
    pub account_id: i64,
    pub card_id: i64,
    pub idem_date: Date,
    pub idem: Idem,
    pub amount_minor: i64,
    pub currency: u16,
    pub rrn: Option<String>,
    pub approval_code: String,
    pub lifecycle: String,
    pub state: HoldState,
    pub expires_on: Date,
}

/// Primary key of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    pub bucket: i16,
    pub date: Date,
    pub idem: Idem,
}

/// Everything loaded for one batch.
#[derive(Clone, Debug, Default)]
pub struct Book {
    pub days: BusinessDays,
    pub accounts: HashMap<(i16, i64), Account>,
    pub cards: HashMap<i64, Card>,
    pub tokens: HashMap<i64, Token>,
    pub rows: HashMap<RowKey, Arc<Row>>,
    /// Open holds of the accounts that a completion or reversal of this batch concerns.
    pub holds: HashMap<i64, Hold>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_counter_is_seen_exactly_after_it_was_recorded_or_fell_out_of_the_window(
            recorded in prop::collection::vec(0u16..200, 1..40), asked in 0u16..220,
        ) {
            let mut counters = Counters::NONE;
            recorded.iter().for_each(|atc| counters.record(*atc));
            let high = *recorded.iter().max().expect("at least one");
            // 64 back from the highest at any time, not only at the end: a counter recorded below the window stays seen
            let expected = recorded.contains(&asked) || i32::from(high) - i32::from(asked) >= 64;
            prop_assert_eq!(counters.seen(asked), expected);
        }
    }

    #[test]
    fn limits_roll_over_with_the_business_date() {
        use jiff::civil::date;
        let mut card = Card {
            bucket: 0,
            card_id: 1,
            account_id: 1,
            status: CardStatus::Active,
            expiry: *b"2912",
            limit_txn_minor: 0,
            limit_day_minor: 0,
            version: 1,
            day: date(2026, 11, 20),
            spent_minor: 500,
            pin_tries: 0,
            counters: Counters::NONE,
        };
        assert_eq!(card.spent_on(date(2026, 11, 20)), 500);
        assert_eq!(card.spent_on(date(2026, 11, 21)), 0);
        card.spend(date(2026, 11, 21), 70);
        assert_eq!((card.day, card.spent_minor), (date(2026, 11, 21), 70));
        card.unspend(date(2026, 11, 20), 30);
        assert_eq!(card.spent_minor, 70, "yesterday's limit is gone");
        card.unspend(date(2026, 11, 21), 30);
        assert_eq!(card.spent_minor, 40);
    }
}
