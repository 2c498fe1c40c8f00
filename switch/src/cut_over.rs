//! The cut-over: an operator's new business date, and its announcement to the host until it agrees.
//!
//! A request keeps the stamp it was sent with; what is still at the HSM when the date changes gets the new one.

use crate::core::Core;
use crate::event::{Effect, Reply, Ticket};
use crate::metrics;
use crate::turn::Turn;
use codecs::value::ResponseCode;
use jiff::civil::Date;
use std::time::Duration;

/// Between two announcements of a cut-over that the host has not acknowledged.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);

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
            self.day.begin(next);
            turn.push(Effect::Journal(self.day.record()));
        }
        self.day.awaited_by(ticket, turn.now.mono);
    }

    /// Tells the host about a new date, again and again until it agrees.
    pub(crate) fn announce_date(&mut self, turn: &mut Turn<'_>) {
        if !self.day.is_announcement_due(turn.now.mono) {
            return;
        }
        self.day.try_again_at(turn.now.mono + ANNOUNCE_AGAIN);
        self.parts.destinations.announce(turn, self.day.date);
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
        let waiting = self.day.acknowledged();
        turn.push(Effect::Journal(self.day.record()));
        metrics::cut_over();
        tracing::info!(%date, "cut-over acknowledged by the host");
        for ticket in waiting {
            turn.push(Effect::Reply(ticket, self.day.shown()));
        }
    }
}
