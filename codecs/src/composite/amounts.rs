//! Sets of additional amounts (DE54): account type 2, amount type 2, currency 3, in 2003 its exponent, sign, amount 12.

use super::{CutError, Part, Parts, PathStep, text};

/// Characters of a set in 1987 and 1993.
pub(crate) const SET: usize = 20;
/// Characters of a set in 2003, which includes the currency's exponent.
pub(crate) const SET_2003: usize = 21;

impl<'c> Parts<'c> {
    pub(super) fn amount(&mut self, width: usize) -> Result<Part<'c>, CutError> {
        let step = PathStep::Number(u8::try_from(self.count + 1).unwrap_or(u8::MAX));
        if self.left() < width {
            return Err(self.short(self.at, width).in_step(step));
        }
        Ok(self.part(step, self.at, self.at + width, text))
    }
}
