//! The context in which one event is handled: its time, the business date, the numbers to assign, and the effects so
//! far.

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

    /// Appends an effect: effects are carried out in this order.
    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}
