//! One event's worth of work: when it is, the numbers that it takes, and what is to be done because of it.

use crate::event::Effect;
use crate::now::Now;
use crate::numbers::Numbers;
use codecs::value::MonthDay;

pub(crate) struct Turn<'t> {
    pub now: Now,
    /// The business date that is stamped on messages (DE15).
    pub business_date: MonthDay,
    pub numbers: &'t mut Numbers,
    effects: &'t mut Vec<Effect>,
}

impl<'t> Turn<'t> {
    pub(crate) fn new(
        now: Now,
        business_date: MonthDay,
        numbers: &'t mut Numbers,
        effects: &'t mut Vec<Effect>,
    ) -> Self {
        Self { now, business_date, numbers, effects }
    }

    /// Behind the effects so far: they are done in this order.
    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
