//! The plans that a dialect has made.
//!
//! Partners send few kinds of message, and thus few bitmaps: each is planned when the first message that has it was found
//! to be well formed. The table has its size from the start, whatever comes in; when the places for a bitmap are taken,
//! its messages are read without a plan, which takes longer and says the same.

use super::Dialect;
use super::plan::Plan;
use crate::bitmap::Bitmap;
use std::fmt;
use std::sync::OnceLock;

pub(super) struct Plans(Box<[OnceLock<Plan>]>);

/// Which of its dialect's plans a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlanNumber(u8);

impl Plans {
    const PLACES: usize = 64;
    /// Where a bitmap's plan may be: at its own place, or at one of those behind it.
    const TRIES: u8 = 4;

    pub(super) fn new() -> Self {
        Self((0..Self::PLACES).map(|_| OnceLock::new()).collect())
    }

    /// The places of a plan whose first bitmap stands at the start of `bytes`, in `length` of them.
    #[inline(always)]
    fn tries(bytes: &[u8], length: usize) -> Option<impl Iterator<Item = u8> + use<>> {
        let map = bytes.get(..length)?;
        let [first, last] = [map.first_chunk()?, map.last_chunk()?].map(|half| u64::from_ne_bytes(*half));
        // the golden ratio as a fraction: its product spreads neighbours over the high bits
        let start = ((first ^ last.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as u8;
        Some((0..Self::TRIES).map(move |step| (start + step) % Self::PLACES as u8))
    }
}

impl Dialect {
    /// The plan of a message whose bitmaps and elements are `bytes`, if there is one yet.
    #[inline(always)]
    pub(crate) fn find_plan(&self, bytes: &[u8]) -> Option<(PlanNumber, &Plan)> {
        for place in Plans::tries(bytes, self.bitmap.wire_len())? {
            let plan = self.plans.0.get(usize::from(place))?.get()?;
            if plan.is_of(bytes) {
                return Some((PlanNumber(place), plan));
            }
        }
        None
    }

    /// Makes a plan for messages with these bitmaps, if there is room for it and bitmaps tell all that a plan needs.
    pub(crate) fn make_plan(&self, bitmaps: &[u8], present: Bitmap) -> Option<(PlanNumber, &Plan)> {
        let mut made = Some(Plan::of(self, bitmaps, present)?);
        for place in Plans::tries(bitmaps, self.bitmap.wire_len())? {
            let plan =
                self.plans.0.get(usize::from(place))?.get_or_init(|| made.take().expect("a plan goes to one place"));
            if plan.is_of(bitmaps) {
                return Some((PlanNumber(place), plan));
            }
        }
        None
    }

    #[inline]
    pub(crate) fn plan(&self, number: PlanNumber) -> Option<&Plan> {
        self.plans.0.get(usize::from(number.0))?.get()
    }
}

impl Clone for Plans {
    /// A copy of a dialect makes its own.
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} plans", self.0.iter().filter(|place| place.get().is_some()).count())
    }
}
