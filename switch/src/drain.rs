//! The end of a run in good order: no new request is taken on, and what is under way ends as it would anyway, by its
//! answer or by its deadline. What is owed needs no waiting for: it is in the pending log.

use crate::core::Core;
use std::time::Duration;

/// From a request's deadline to its 91 on the wire: a reversal is built and synced, and hsmd makes a MAC.
const TO_ANSWER: Duration = Duration::from_secs(1);

impl Core {
    /// New requests are answered 91 from here on, with nothing sent and so nothing owed. Repeats, advices and reversals
    /// are taken as before: they are answered from what is known, or promised.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Requests that await a destination, and messages that await hsmd.
    pub fn under_way(&self) -> usize {
        self.requests.len() + self.parts.intake.awaiting_hsm()
    }

    /// How many messages are owed, in the pending log.
    pub fn owed(&self) -> usize {
        self.parts.saf.len()
    }

    /// By when after [`Core::drain`] nothing of before it can be under way.
    pub fn drained_within(&self) -> Duration {
        self.parts.destinations.longest_answer_timeout() + TO_ANSWER
    }
}
