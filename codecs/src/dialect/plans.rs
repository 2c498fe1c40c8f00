//! The table of a dialect's plans.
//!
//! Partners send few kinds of message, and thus few bitmaps: the plan of a bitmap is made when the first message with
//! it was found to be well formed. The table has a fixed size. If the places for a bitmap are taken, its messages are
//! read without a plan, which is slower and has the same result.

use super::Dialect;
use super::plan::Plan;
use crate::bitmap::Bitmap;
use std::fmt;
use std::sync::OnceLock;

pub(super) struct Plans(Box<[OnceLock<Plan>]>);

/// Index of a plan in the table of its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlanNumber(u8);

impl Plans {
    const PLACES: usize = 64;
    /// Number of places at which a bitmap's plan may be: its own, and those after it.
    const TRIES: u8 = 4;

    pub(super) fn new() -> Self {
        Self((0..Self::PLACES).map(|_| OnceLock::new()).collect())
    }

    /// The places for the plan of a message whose `length` bytes of bitmaps begin `bytes`.
    #[inline(always)]
    fn tries(bytes: &[u8], length: usize) -> Option<impl Iterator<Item = u8> + use<>> {
        let map = bytes.get(..length)?;
        let [first, last] = [map.first_chunk()?, map.last_chunk()?].map(|half| u64::from_ne_bytes(*half));
        // the golden ratio as a fraction: multiplying by it spreads neighbours over the high bits
        let start = ((first ^ last.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as u8;
        Some((0..Self::TRIES).map(move |step| (start + step) % Self::PLACES as u8))
    }
}

impl Dialect {
    /// The plan of a message with these bitmaps and elements, if it has been made.
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

    /// Makes the plan of these bitmaps, if there is a free place and the bitmaps determine the layout.
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
    /// A copy of a dialect starts with an empty table.
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} plans", self.0.iter().filter(|place| place.get().is_some()).count())
    }
}
