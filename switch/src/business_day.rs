//! The business date that is stamped on every request (DE15), and its announcement to the host at cut-over.
//!
//! The date is the operator's, not the wall clock's. A request keeps the stamp it was sent with; what is still at
//! the HSM when the date changes gets the new one.

use crate::core::{Awaited, Core, Turn};
use crate::event::{Effect, Now, Reply, Ticket};
use crate::metrics;
use crate::store::Record;
use crate::store::record::DateStamp;
use crate::trace;
use codecs::value::{MonthDay, ResponseCode};
use jiff::civil::Date;
use std::time::{Duration, Instant};

/// Between two announcements of a cut-over that the host has not acknowledged.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);

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
        Self { date: trace::utc(now.wall_ms).date(), announced: true, try_at: None, waiting: Vec::new() }
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

    fn record(&self) -> Record {
        Record::BusinessDate(DateStamp {
            year: self.date.year(),
            month: self.date.month() as u8,
            day: self.date.day() as u8,
            announced: self.announced,
        })
    }

    fn shown(&self) -> Reply {
        let (date, announced) = (self.date.to_string(), self.announced);
        Reply::Done(serde_json::json!({ "business_date": date, "acknowledged": announced }))
    }
}

impl Core {
    /// An operator's cut-over; without a date, to the next day.
    pub(crate) fn cut_over(&mut self, turn: &mut Turn<'_>, ticket: Ticket, date: Option<Date>) {
        let next = date.or_else(|| self.day.date.tomorrow().ok()).unwrap_or(self.day.date);
        if next < self.day.date {
            let reason = format!("the business date is {} and never goes back", self.day.date);
            return turn.push(Effect::Reply(ticket, Reply::Refused(reason)));
        }
        if next == self.day.date && self.day.announced {
            return turn.push(Effect::Reply(ticket, self.day.shown()));
        }
        if next != self.day.date {
            tracing::info!(from = %self.day.date, to = %next, "cut-over");
            self.day.date = next;
            self.day.announced = false;
            turn.push(Effect::Journal(self.day.record()));
        }
        self.day.waiting.push(ticket);
        self.day.try_at = Some(turn.now.mono);
    }

    /// Tells the host about a new date, again and again until it agrees.
    pub(crate) fn announce_date(&mut self, turn: &mut Turn<'_>) {
        if self.day.try_at.is_none_or(|at| at > turn.now.mono) {
            return;
        }
        self.day.try_at = Some(turn.now.mono + ANNOUNCE_AGAIN);
        let (host, date) = (self.host, self.day.date);
        if let Some(connection) = self.destination_mut(host).pick() {
            self.send_network(turn, host, connection, Awaited::CutOver(date));
        }
    }

    /// The host answered an announcement.
    pub(crate) fn date_answered(&mut self, turn: &mut Turn<'_>, date: Date, code: ResponseCode) {
        if code != ResponseCode::APPROVED {
            tracing::warn!(%date, %code, "the host does not accept the cut-over yet");
            return;
        }
        if date != self.day.date || self.day.announced {
            return;
        }
        self.day.announced = true;
        self.day.try_at = None;
        turn.push(Effect::Journal(self.day.record()));
        metrics::cut_over();
        tracing::info!(%date, "cut-over acknowledged by the host");
        for ticket in std::mem::take(&mut self.day.waiting) {
            turn.push(Effect::Reply(ticket, self.day.shown()));
        }
    }
}
