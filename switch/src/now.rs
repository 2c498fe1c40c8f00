//! The time of an event, and the dates and times that messages carry.

use codecs::value::{LocalTime, MonthDay, TransmissionTime};
use jiff::{Timestamp, civil::DateTime, tz::Offset};
use std::time::Instant;

/// The two clocks: one for intervals, one for dates.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub mono: Instant,
    /// UTC, milliseconds since 1970.
    pub wall_ms: i64,
}

/// The date and time of a wall clock reading, in UTC.
pub fn utc(wall_ms: i64) -> DateTime {
    let timestamp = Timestamp::from_millisecond(wall_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(timestamp)
}

/// DE7 of a message sent now.
pub fn transmission_time(wall_ms: i64) -> TransmissionTime {
    let at = utc(wall_ms);
    TransmissionTime {
        date: MonthDay { month: at.month() as u8, day: at.day() as u8 },
        time: LocalTime { hour: at.hour() as u8, minute: at.minute() as u8, second: at.second() as u8 },
    }
}
