//! A point in time in the parts that messages carry.

use codecs::value::{LocalDateTime, LocalTime, MonthDay, TransmissionTime, YearMonthDay};

/// Civil date and time to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Two digits.
    pub year: u8,
    pub date: MonthDay,
    pub time: LocalTime,
}

impl Moment {
    /// The time in UTC. All simulated terminals use it, so that runs are comparable.
    #[must_use]
    pub fn utc(timestamp: jiff::Timestamp) -> Self {
        let at = timestamp.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let two = |n: i8| u8::try_from(n).expect("parts of a date are not negative");
        Self {
            year: u8::try_from(at.year().rem_euclid(100)).expect("two digits"),
            date: MonthDay::new(two(at.month()), two(at.day())).expect("a clock shows days that exist"),
            time: LocalTime::new(two(at.hour()), two(at.minute()), two(at.second())).expect("a clock shows times"),
        }
    }

    #[must_use]
    pub fn transmission(self) -> TransmissionTime {
        TransmissionTime { date: self.date, time: self.time }
    }

    #[must_use]
    pub fn year_month_day(self) -> YearMonthDay {
        YearMonthDay { year: self.year, date: self.date }
    }

    #[must_use]
    pub fn local(self) -> LocalDateTime {
        LocalDateTime { year: self.year, date: self.date, time: self.time }
    }

    /// Year and day of the year, as reference numbers carry them: one digit, then three.
    #[must_use]
    pub fn year_and_day(self) -> String {
        const BEFORE: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let leap = u16::from(self.year.is_multiple_of(4) && self.date.month > 2);
        let day = BEFORE[usize::from(self.date.month) - 1] + u16::from(self.date.day) + leap;
        format!("{}{day:03}", self.year % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_year_knows_leap_years() {
        let day = |text: &str| Moment::utc(text.parse().unwrap()).year_and_day();
        assert_eq!(day("2026-01-01T00:00:00Z"), "6001");
        assert_eq!(day("2026-12-31T23:59:59Z"), "6365");
        assert_eq!(day("2028-02-29T12:00:00Z"), "8060");
        assert_eq!(day("2028-03-01T12:00:00Z"), "8061");
        assert_eq!(day("2028-12-31T12:00:00Z"), "8366");
    }
}
