//! A card of ours: status, limits, and the counters of its use.

use codecs::value::Expiry;
use jiff::Timestamp;
use jiff::civil::Date;

use super::atc_window::AtcWindow;
use super::journal::Counted;

/// Status of the physical card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardStatus {
    Active,
    Blocked,
    Lost,
    Stolen,
    Closed,
}

crate::stored_words!(CardStatus, "column `card.status`" {
    Active => "active",
    Blocked => "blocked",
    Lost => "lost",
    Stolen => "stolen",
    Closed => "closed",
});

/// A card: its stored data (table `card`) and its counters (table `card_state`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub bucket: i16,
    pub card_id: i64,
    pub account_id: i64,
    pub status: CardStatus,
    pub expiry: Expiry,
    pub limit_txn_minor: i64,
    pub limit_day_minor: i64,
    pub version: i32,
    pub day: Date,
    pub spent_minor: i64,
    pub pin_tries: i16,
    pub used_atcs: AtcWindow,
    /// Wrong printed codes or expiry dates in a row.
    pub code_tries: i16,
    /// Until then requests that carry the printed code are refused.
    pub code_refused_until: Option<Timestamp>,
}

impl Card {
    /// Amount spent on a business date. A transaction with an earlier date counts against the current day.
    #[must_use]
    pub fn spent_on(&self, date: Date) -> i64 {
        if date > self.day { 0 } else { self.spent_minor }
    }

    /// Counts what is spent on `date`. Gives what was counted, and on which day.
    pub fn spend(&mut self, date: Date, minor: i64) -> Counted {
        if date > self.day {
            self.day = date;
            self.spent_minor = 0;
        }
        let before = self.spent_minor;
        self.spent_minor = before.saturating_add(minor);
        Counted { on: self.day, minor: self.spent_minor - before }
    }

    /// Gives back what was counted on `date`, if that is the current day; the limit of an earlier day no longer matters.
    pub fn unspend(&mut self, date: Date, minor: i64) -> Option<Counted> {
        let back = minor.min(self.spent_minor);
        if date != self.day || back <= 0 {
            return None;
        }
        self.spent_minor -= back;
        Some(Counted { on: date, minor: -back })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_roll_over_with_the_business_date() {
        use jiff::civil::date;
        let mut card = Card {
            bucket: 0,
            card_id: 1,
            account_id: 1,
            status: CardStatus::Active,
            expiry: Expiry { year: 29, month: 12 },
            limit_txn_minor: 0,
            limit_day_minor: 0,
            version: 1,
            day: date(2026, 11, 20),
            spent_minor: 500,
            pin_tries: 0,
            used_atcs: AtcWindow::NONE,
            code_tries: 0,
            code_refused_until: None,
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
