//! The business date that is stamped on every message (DE15), and the cut-over: an operator sets a new date, which is
//! announced to the host until it agrees. The date does not follow the wall clock.
//!
//! A request keeps the stamp it was sent with; one that is still at the HSM when the date changes gets the new one.

use crate::destination::Destinations;
use crate::event::{Effect, Reply, Ticket};
use crate::metrics;
use crate::now::{self, Now};
use crate::record::{DateStamp, Record};
use crate::turn::Turn;
use codecs::value::{MonthDay, ResponseCode};
use jiff::civil::Date;
use std::time::{Duration, Instant};

/// A later date than so many days from now is taken for a slip of the hand: weekends and holidays are shorter.
const MOST_DAYS_AHEAD: i32 = 5;
/// Between two announcements of a cut-over that the host has not acknowledged.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct BusinessDay {
    date: Date,
    /// The host has agreed to it.
    acknowledged: bool,
    /// When to announce the date next; `None` once the host has agreed.
    try_at: Option<Instant>,
    /// Operators who wait for the host's acknowledgement.
    waiting: Vec<Ticket>,
}

impl BusinessDay {
    /// The first date of a new installation is today's; it is journaled at that start, or it would be another day's at the
    /// next.
    pub(crate) fn starting(now: Now) -> Self {
        Self { date: now::utc(now.wall_ms).date(), acknowledged: true, try_at: None, waiting: Vec::new() }
    }

    pub(crate) fn date(&self) -> Date {
        self.date
    }

    /// DE15 of a message.
    pub(crate) fn stamp(&self) -> MonthDay {
        MonthDay { month: self.date.month() as u8, day: self.date.day() as u8 }
    }

    /// When the next announcement is due.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.try_at
    }

    /// The host's link is up: a due announcement is made at once.
    pub(crate) fn retry_now(&mut self, now: Instant) {
        self.try_at = self.try_at.map(|at| at.min(now));
    }

    /// Takes the date from the pending log.
    pub(crate) fn restore(&mut self, stamp: DateStamp, now: Now) {
        if let Ok(date) = Date::new(stamp.year, stamp.month as i8, stamp.day as i8) {
            self.date = date;
            self.acknowledged = stamp.acknowledged;
            self.try_at = (!stamp.acknowledged).then_some(now.mono);
        }
    }

    /// An operator's cut-over; without a date, to the next day. The operator is answered when the host agrees.
    pub(crate) fn cut_over(&mut self, turn: &mut Turn<'_>, operator: Ticket, date: Option<Date>, force: bool) {
        let next = date.or_else(|| self.date.tomorrow().ok()).unwrap_or(self.date);
        let today = now::utc(turn.now.wall_ms).date();
        let ahead = next.since(today.max(self.date)).map_or(i32::MAX, |span| span.get_days());
        if ahead > MOST_DAYS_AHEAD && !force {
            let reason =
                format!("{next} is more than {MOST_DAYS_AHEAD} days ahead, and the date never goes back: force=true");
            return turn.push(Effect::Reply(operator, Reply::Refused(reason)));
        }
        if next < self.date {
            let reason = format!("the business date is {} and never goes back", self.date);
            return turn.push(Effect::Reply(operator, Reply::Refused(reason)));
        }
        if next == self.date && self.acknowledged {
            return turn.push(Effect::Reply(operator, self.shown()));
        }
        if next != self.date {
            tracing::info!(from = %self.date, to = %next, "cut-over");
            self.date = next;
            self.acknowledged = false;
            turn.push(Effect::Journal(self.record()));
        }
        self.waiting.push(operator);
        self.try_at = Some(turn.now.mono);
    }

    /// Announces a new date to the host when that is due: every second until it agrees.
    pub(crate) fn announce(&mut self, turn: &mut Turn<'_>, destinations: &mut Destinations) {
        if self.try_at.is_some_and(|at| at <= turn.now.mono) {
            self.try_at = Some(turn.now.mono + ANNOUNCE_AGAIN);
            destinations.announce(turn, self.date);
        }
    }

    /// The host answered the announcement of `date`.
    pub(crate) fn answered(&mut self, turn: &mut Turn<'_>, date: Date, code: ResponseCode) {
        if code != ResponseCode::APPROVED {
            tracing::warn!(%date, %code, "the host does not accept the cut-over yet");
            return;
        }
        if date != self.date || self.acknowledged {
            return;
        }
        self.acknowledged = true;
        self.try_at = None;
        turn.push(Effect::Journal(self.record()));
        metrics::cut_over();
        tracing::info!(%date, "cut-over acknowledged by the host");
        for operator in std::mem::take(&mut self.waiting) {
            turn.push(Effect::Reply(operator, self.shown()));
        }
    }

    pub(crate) fn record(&self) -> Record {
        Record::BusinessDate(DateStamp {
            year: self.date.year(),
            month: self.date.month() as u8,
            day: self.date.day() as u8,
            acknowledged: self.acknowledged,
        })
    }

    fn shown(&self) -> Reply {
        let (date, acknowledged) = (self.date.to_string(), self.acknowledged);
        Reply::Done(serde_json::json!({ "business_date": date, "acknowledged": acknowledged }))
    }
}
