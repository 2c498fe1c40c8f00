//! One event's worth of work: when it is, and what is to be done because of it.

use crate::event::{Effect, Now};

pub(crate) struct Turn<'t> {
    pub now: Now,
    effects: &'t mut Vec<Effect>,
}

impl<'t> Turn<'t> {
    pub(crate) fn new(now: Now, effects: &'t mut Vec<Effect>) -> Self {
        Self { now, effects }
    }

    /// Behind the effects so far: they are done in this order.
    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
