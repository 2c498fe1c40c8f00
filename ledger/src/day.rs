//! Business days and the cycle a transaction is settled with.

use jiff::civil::Date;

/// State of a business day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayState {
    /// Traffic is stamped with it.
    Open,
    /// Cut over: stragglers that carry its date are still taken.
    Closing,
    Closed,
}

crate::stored_words!(DayState, "column `business_day.state`" {
    Open => "open",
    Closing => "closing",
    Closed => "closed",
});

/// A row of `business_day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessDay {
    pub date: Date,
    pub state: DayState,
}

/// The days as they stood when the batch took its shared lock on them: none can close before it has committed.
#[derive(Clone, Debug, Default)]
pub struct BusinessDays(Vec<BusinessDay>);

impl BusinessDays {
    #[must_use]
    pub fn new(mut days: Vec<BusinessDay>) -> Self {
        days.sort_by_key(|day| day.date);
        Self(days)
    }

    /// The day a transaction that carries `business_date` is settled with: its own while that is not closed, else the
    /// earliest later one. A date after all that are known is a cut-over that the switch made and has yet to announce.
    #[must_use]
    pub fn cycle_of(&self, business_date: Date) -> Date {
        let closed = |day: &BusinessDay| day.state == DayState::Closed;
        match self.0.iter().find(|day| day.date >= business_date && !closed(day)) {
            // dates before the first row were closed before the table began
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
