//! Business days, and the cycle with which a transaction is settled.

use jiff::civil::Date;

/// State of a business day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayState {
    /// New transactions are stamped with it.
    Open,
    /// Cut over: late transactions that carry its date are still accepted.
    Closing,
    Closed,
}

crate::stored_words!(DayState, "column `business_day.state`" {
    Open => "open",
    Closing => "closing",
    Closed => "closed",
});

/// A row of the table `business_day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessDay {
    pub date: Date,
    pub state: DayState,
}

/// The business days as read under the batch's shared lock: no day can close before the batch has committed.
#[derive(Clone, Debug, Default)]
pub struct BusinessDays(Vec<BusinessDay>);

impl BusinessDays {
    #[must_use]
    pub fn new(mut days: Vec<BusinessDay>) -> Self {
        days.sort_by_key(|day| day.date);
        Self(days)
    }

    /// The cycle of a transaction that carries `business_date`: that day while it is not closed, else the earliest
    /// later day that is not. A date after all known ones belongs to a cut-over that the switch has made and not yet
    /// announced.
    #[must_use]
    pub fn cycle_of(&self, business_date: Date) -> Date {
        let closed = |day: &BusinessDay| day.state == DayState::Closed;
        match self.0.iter().find(|day| day.date >= business_date && !closed(day)) {
            // dates before the first row count as closed
            Some(day) => day.date,
            None => match self.0.last() {
                Some(last) if last.date >= business_date => last.date.tomorrow().unwrap_or(last.date),
                _ => business_date,
            },
        }
    }

    #[must_use]
    pub fn knows(&self, date: Date) -> bool {
        self.0.iter().any(|day| day.date == date)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_straggler_goes_with_the_next_day_that_is_not_closed() {
        let day = |of, state| BusinessDay { date: date(2026, 11, of), state };
        let days =
            BusinessDays::new(vec![day(19, DayState::Closed), day(20, DayState::Closing), day(21, DayState::Open)]);
        for (stamped, cycle) in [(18, 20), (19, 20), (20, 20), (21, 21), (22, 22)] {
            assert_eq!(days.cycle_of(date(2026, 11, stamped)), date(2026, 11, cycle), "stamped {stamped}");
        }
        let all_closed = BusinessDays::new(vec![day(19, DayState::Closed)]);
        assert_eq!(all_closed.cycle_of(date(2026, 11, 19)), date(2026, 11, 20));
    }
}
