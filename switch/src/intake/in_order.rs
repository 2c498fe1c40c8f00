//! Messages about one transaction leave the HSM's checks in the order in which they arrived, whatever the order of the
//! HSM's replies: a reversal does not overtake its original, nor a repeat.

use super::Inbound;
use crate::event::{HsmAnswer, ListenerId, Ticket};
use std::collections::HashMap;

/// What a message is about: its listener, and the trace number of the transaction. Those of other terminals with the same
/// number share it, which costs nothing.
type About = (ListenerId, u32);

/// The messages that wait for the HSM, or for one before them that does.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    waiting: HashMap<Ticket, Waiting>,
    /// The last message about each transaction.
    last: HashMap<About, Ticket>,
}

#[derive(Debug)]
struct Waiting {
    inbound: Box<Inbound>,
    answer: Option<HsmAnswer>,
    /// None about the same transaction is before it.
    is_first: bool,
    behind: Option<Ticket>,
}

impl InOrder {
    /// Whether a message about the same transaction waits.
    pub(super) fn has_one_before(&self, inbound: &Inbound) -> bool {
        self.last.contains_key(&about(inbound))
    }

    /// Adds a message. `answer` is the HSM's, if it need not be asked.
    pub(super) fn add(&mut self, ticket: Ticket, inbound: Inbound, answer: Option<HsmAnswer>) {
        let before = self.last.insert(about(&inbound), ticket);
        if let Some(before) = before.and_then(|before| self.waiting.get_mut(&before)) {
            before.behind = Some(ticket);
        }
        let is_first = before.is_none();
        self.waiting.insert(ticket, Waiting { inbound: Box::new(inbound), answer, is_first, behind: None });
    }

    /// Notes the HSM's reply; gives it back if the ticket is that of no message.
    pub(super) fn answered(&mut self, ticket: Ticket, answer: HsmAnswer) -> Result<(), HsmAnswer> {
        match self.waiting.get_mut(&ticket) {
            Some(waiting) => {
                waiting.answer = Some(answer);
                Ok(())
            }
            None => Err(answer),
        }
    }

    /// Takes the message with this ticket, if it has its reply and none is before it; and the ticket of the one behind it,
    /// which may be taken then.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<(Inbound, HsmAnswer, Option<Ticket>)> {
        let waiting = self.waiting.get(&ticket)?;
        if !waiting.is_first || waiting.answer.is_none() {
            return None;
        }
        let Waiting { inbound, answer, behind, .. } = self.waiting.remove(&ticket)?;
        match behind.and_then(|behind| self.waiting.get_mut(&behind)) {
            Some(next) => next.is_first = true,
            None => _ = self.last.remove(&about(&inbound)),
        }
        Some((*inbound, answer?, behind))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

fn about(inbound: &Inbound) -> About {
    (inbound.origin.listener, inbound.key.stan().map_or(0, |stan| stan.0))
}
