//! The business date that is stamped on every request (DE15), and whether the host has agreed to it.
//!
//! The date is the operator's, not the wall clock's.

use crate::event::{Now, Reply, Ticket};
use crate::now;
use crate::store::Record;
use crate::store::record::DateStamp;
use codecs::value::MonthDay;
use jiff::civil::Date;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct BusinessDay {
    pub date: Date,
    pub announced: bool,
    /// An announcement is under way, or was not possible: when to try again.
    try_at: Option<Instant>,
    /// Operators who wait for the host's acknowledgement.
    waiting: Vec<Ticket>,
}

impl BusinessDay {
    /// The first date of a new installation is today's.
    pub fn starting(now: Now) -> Self {
        Self { date: now::utc(now.wall_ms).date(), announced: true, try_at: None, waiting: Vec::new() }
    }

    pub fn stamp(&self) -> MonthDay {
        MonthDay { month: self.date.month() as u8, day: self.date.day() as u8 }
    }

    pub fn next_try(&self) -> Option<Instant> {
        self.try_at
    }

    /// The host's link is up: an announcement need not wait for its next turn.
    pub fn hurry(&mut self, now: Instant) {
        self.try_at = self.try_at.map(|at| at.min(now));
    }

    pub fn restore(&mut self, stamp: DateStamp, now: Now) {
        if let Ok(date) = Date::new(stamp.year, stamp.month as i8, stamp.day as i8) {
            self.date = date;
            self.announced = stamp.announced;
            self.try_at = (!stamp.announced).then_some(now.mono);
        }
    }

    /// A new date, of which the host has yet to hear.
    pub fn begin(&mut self, date: Date) {
        self.date = date;
        self.announced = false;
    }

    /// An operator waits for the host's acknowledgement, which is asked for at once.
    pub fn awaited_by(&mut self, operator: Ticket, now: Instant) {
        self.waiting.push(operator);
        self.try_at = Some(now);
    }

    pub fn is_announcement_due(&self, now: Instant) -> bool {
        self.try_at.is_some_and(|at| at <= now)
    }

    pub fn try_again_at(&mut self, at: Instant) {
        self.try_at = Some(at);
    }

    /// The host agrees; returns the operators who waited for that.
    pub fn acknowledged(&mut self) -> Vec<Ticket> {
        self.announced = true;
        self.try_at = None;
        std::mem::take(&mut self.waiting)
    }

    pub fn record(&self) -> Record {
        Record::BusinessDate(DateStamp {
            year: self.date.year(),
            month: self.date.month() as u8,
            day: self.date.day() as u8,
            announced: self.announced,
        })
    }

    pub fn shown(&self) -> Reply {
        let (date, announced) = (self.date.to_string(), self.announced);
        Reply::Done(serde_json::json!({ "business_date": date, "acknowledged": announced }))
    }
}
