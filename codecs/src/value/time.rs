//! Dates and times as in messages: partly without a year, checked to be possible.

use super::encoded_value::{EncodedValue, FixedDigits};
use super::{Value, digits, exactly};
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;

/// Days of a month; 29 for February, because messages have no year.
fn month_length(month: u8) -> Option<u8> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(29),
        _ => None,
    }
}

macro_rules! shown_as_written {
    ($($name:ident)*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.encoded().piece(|chars, _| f.write_str(&String::from_utf8_lossy(chars)))
            }
        }
    )* };
}

shown_as_written!(MonthDay YearMonthDay LocalTime LocalDateTime TransmissionTime Expiry);

/// MMDD (DE13, 15, 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonthDay {
    pub month: u8,
    pub day: u8,
}

impl MonthDay {
    /// `None` for a day that occurs in no year.
    pub fn new(month: u8, day: u8) -> Option<Self> {
        month_length(month).filter(|last| (1..=*last).contains(&day)).map(|_| Self { month, day })
    }

    fn read_at(field: &Field<'_>, from: usize) -> Result<Self, ErrorKind> {
        let number = digits(field, from, from + 4)?;
        Self::new((number / 100) as u8, (number % 100) as u8).ok_or(ErrorKind::Date)
    }
}

impl Value<'_> for MonthDay {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        // some dialects have a whole date, which ends in month and day
        let from = field.len().checked_sub(4).ok_or(ErrorKind::BadLength)?;
        Self::read_at(&field, from)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of_pairs([self.month, self.day]))
    }
}

/// YYMMDD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearMonthDay {
    pub year: u8,
    pub date: MonthDay,
}

impl Value<'_> for YearMonthDay {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 6)?;
        Ok(Self { year: digits(&field, 0, 2)? as u8, date: MonthDay::read_at(&field, 2)? })
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of_pairs([self.year, self.date.month, self.date.day]))
    }
}

/// hhmmss (DE12 of 1987).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime {
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl LocalTime {
    /// `None` for an impossible time; second 60 exists.
    pub fn new(hour: u8, minute: u8, second: u8) -> Option<Self> {
        (hour < 24 && minute < 60 && second <= 60).then_some(Self { hour, minute, second })
    }

    fn read_at(field: &Field<'_>, from: usize) -> Result<Self, ErrorKind> {
        let number = digits(field, from, from + 6)?;
        let pair = |unit| (number / unit % 100) as u8;
        Self::new(pair(10_000), pair(100), pair(1)).ok_or(ErrorKind::Date)
    }

    fn pairs(self) -> [u8; 3] {
        [self.hour, self.minute, self.second]
    }
}

impl Value<'_> for LocalTime {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 6)?;
        Self::read_at(&field, 0)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of_pairs(self.pairs()))
    }
}

/// YYMMDDhhmmss (DE12 of 1993).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDateTime {
    pub year: u8,
    pub date: MonthDay,
    pub time: LocalTime,
}

impl Value<'_> for LocalDateTime {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 12)?;
        let date = MonthDay::read_at(&field, 2)?;
        Ok(Self { year: digits(&field, 0, 2)? as u8, date, time: LocalTime::read_at(&field, 6)? })
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        let [hour, minute, second] = self.time.pairs();
        EncodedValue::Number(FixedDigits::of_pairs([self.year, self.date.month, self.date.day, hour, minute, second]))
    }
}

/// MMDDhhmmss in UTC (DE7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransmissionTime {
    pub date: MonthDay,
    pub time: LocalTime,
}

impl TransmissionTime {
    /// Its five numbers of two digits.
    pub(super) fn pairs(self) -> [u8; 5] {
        [self.date.month, self.date.day, self.time.hour, self.time.minute, self.time.second]
    }
}

impl Value<'_> for TransmissionTime {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 10)?;
        Ok(Self { date: MonthDay::read_at(&field, 0)?, time: LocalTime::read_at(&field, 4)? })
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of_pairs(self.pairs()))
    }
}

/// YYMM (DE14): the card is valid to the end of that month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry {
    pub year: u8,
    pub month: u8,
}

impl Expiry {
    /// `None` for a month over 12 or a year over 99.
    pub fn new(year: u8, month: u8) -> Option<Self> {
        (year < 100 && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// Parses the four digits that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 4] = text.as_bytes().try_into().ok()?;
        let pair = |at: usize| (digits[at] - b'0') * 10 + digits[at + 1] - b'0';
        digits.iter().all(u8::is_ascii_digit).then(|| Self::new(pair(0), pair(2)))?
    }
}

impl Value<'_> for Expiry {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 4)?;
        Self::new(digits(&field, 0, 2)? as u8, digits(&field, 2, 4)? as u8).ok_or(ErrorKind::Date)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of_pairs([self.year, self.month]))
    }
}
