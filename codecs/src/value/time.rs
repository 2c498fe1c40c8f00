//! Dates and times as messages carry them: parts without a year, checked to be possible.

use super::{Value, digits, exactly, write_digits};
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;

/// How many days a month can have; 29 for February because the year is not on the wire.
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
                let mut chars = Vec::with_capacity(12);
                self.write(&mut chars);
                f.write_str(&String::from_utf8_lossy(&chars))
            }
        }
    )* };
}

shown_as_written!(MonthDay YearMonthDay LocalTime LocalDateTime TransmissionTime Expiry);

/// MMDD (DE 13, 15, 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonthDay {
    pub month: u8,
    pub day: u8,
}

impl MonthDay {
    /// `None` for a day that no year has.
    pub fn new(month: u8, day: u8) -> Option<Self> {
        month_length(month).filter(|last| (1..=*last).contains(&day)).map(|_| Self { month, day })
    }

    fn read_at(field: &Field<'_>, from: usize) -> Result<Self, ErrorKind> {
        let number = digits(field, from, from + 4)?;
        Self::new((number / 100) as u8, (number % 100) as u8).ok_or(ErrorKind::Date)
    }

    /// Its four digits as one number.
    fn number(self) -> u64 {
        u64::from(self.month) * 100 + u64::from(self.day)
    }
}

impl Value<'_> for MonthDay {
    const WRITES_DIGITS: bool = true;

    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        // some dialects carry a whole date; its last four digits are the month and day
        let from = field.len().checked_sub(4).ok_or(ErrorKind::BadLength)?;
        Self::read_at(&field, from)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_digits::<4>(self.number(), out);
    }
}

/// YYMMDD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearMonthDay {
    pub year: u8,
    pub date: MonthDay,
}

impl Value<'_> for YearMonthDay {
    const WRITES_DIGITS: bool = true;

    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 6)?;
        Ok(Self { year: digits(&field, 0, 2)? as u8, date: MonthDay::read_at(&field, 2)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_digits::<6>(u64::from(self.year) * 10_000 + self.date.number(), out);
    }
}

/// hhmmss (DE 12 of 1987).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime {
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl LocalTime {
    /// `None` for a time that no clock shows; second 60 exists.
    pub fn new(hour: u8, minute: u8, second: u8) -> Option<Self> {
        (hour < 24 && minute < 60 && second <= 60).then_some(Self { hour, minute, second })
    }

    fn read_at(field: &Field<'_>, from: usize) -> Result<Self, ErrorKind> {
        let number = digits(field, from, from + 6)?;
        let pair = |unit| (number / unit % 100) as u8;
        Self::new(pair(10_000), pair(100), pair(1)).ok_or(ErrorKind::Date)
    }

    /// Its six digits as one number.
    fn number(self) -> u64 {
        (u64::from(self.hour) * 100 + u64::from(self.minute)) * 100 + u64::from(self.second)
    }
}

impl Value<'_> for LocalTime {
    const WRITES_DIGITS: bool = true;

    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 6)?;
        Self::read_at(&field, 0)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_digits::<6>(self.number(), out);
    }
}

/// YYMMDDhhmmss (DE 12 of 1993).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDateTime {
    pub year: u8,
    pub date: MonthDay,
    pub time: LocalTime,
}

impl Value<'_> for LocalDateTime {
    const WRITES_DIGITS: bool = true;

    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 12)?;
        let date = MonthDay::read_at(&field, 2)?;
        Ok(Self { year: digits(&field, 0, 2)? as u8, date, time: LocalTime::read_at(&field, 6)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_digits::<12>((u64::from(self.year) * 10_000 + self.date.number()) * 1_000_000 + self.time.number(), out);
    }
}

/// MMDDhhmmss in UTC (DE 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransmissionTime {
    pub date: MonthDay,
    pub time: LocalTime,
}

impl Value<'_> for TransmissionTime {
    const WRITES_DIGITS: bool = true;

    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 10)?;
        Ok(Self { date: MonthDay::read_at(&field, 0)?, time: LocalTime::read_at(&field, 4)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_digits::<10>(self.date.number() * 1_000_000 + self.time.number(), out);
    }
}

/// YYMM (DE 14): the card is good to the end of that month.
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
}

impl Value<'_> for Expiry {
    const WRITES_DIGITS: bool = true;

    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 4)?;
        Self::new(digits(&field, 0, 2)? as u8, digits(&field, 2, 4)? as u8).ok_or(ErrorKind::Date)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_digits::<4>(u64::from(self.year) * 100 + u64::from(self.month), out);
    }
}
