//! Plans: the layout of all messages with one bitmap, as far as it is the same for all of them, computed once.
//!
//! Adjacent elements of fixed length are one stretch of known length. Neighbours of one class are one run, which is
//! tested in one pass. Only an element whose length is in the message needs a step of its own.

use super::{Dialect, Filler, ReadRule, Tertiary};
use crate::bitmap::Bitmap;
use crate::char_class::CharClass;
use crate::de;

/// The steps through the elements of a bitmap, and the position of each element between them. Its size does not depend
/// on the bitmap: a message cannot make a dialect grow.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The bitmaps as on the wire, followed by zeros.
    bitmaps: [u8; 32],
    bitmaps_len: u8,
    step_count: u8,
    steps: [PlanStep; Plan::STEPS],
    /// By element number: how many elements of unknown length come before it, and its distance from the end of the last
    /// of them. The position is that of its prefix.
    breaks: [u8; Plan::ELEMENTS],
    offsets: [u16; Plan::ELEMENTS],
    present: Bitmap,
}

/// A stretch of known length, then possibly an element of unknown length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanStep {
    /// Bytes of the stretch.
    pub(crate) ahead: u16,
    /// The class of the run that ends after the stretch, if one does.
    pub(crate) ends: Option<CharClass>,
    pub(crate) then: Then,
    pub(crate) element: u8,
    pub(crate) read_rule: ReadRule,
}

/// What follows the stretch. The common kinds of prefix are distinguished here, once, instead of in each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// No element: only a run ends.
    Nothing,
    /// An element of fixed length that begins with a filler nibble.
    Nibble,
    /// An element with a length prefix in characters.
    Chars,
    /// An element with a packed length prefix.
    Packed,
    /// Another element whose end its read rule can find.
    ByRule,
    /// An element that is read by itself.
    Alone,
}

/// The start of the first element and the ends of elements of unknown length: the only positions that a message stores.
pub(crate) type Marks = [u16; Plan::MARKS];

impl Plan {
    /// The number of marks that a message stores. Elements after more elements of unknown length are found by stepping
    /// through.
    pub(crate) const MARKS: usize = 24;
    const STEPS: usize = 64;
    /// Element numbers up to the end of the second bitmap.
    const ELEMENTS: usize = 129;

    /// `None` if the bitmap does not determine the layout (an element without a row, a bitmap among the elements), or
    /// if it needs more steps than a plan has.
    pub(crate) fn of(dialect: &Dialect, bitmaps: &[u8], present: Bitmap) -> Option<Self> {
        let mut draft = Draft::new();
        draft.plan.bitmaps.get_mut(..bitmaps.len())?.copy_from_slice(bitmaps);
        (draft.plan.bitmaps_len, draft.plan.present) = (bitmaps.len() as u8, present);
        for element in present.iter().filter(|element| *element != de::BITMAP) {
            match dialect.third_bitmap_at(element) {
                Some((Tertiary::AfterSecondary | Tertiary::Chained, _)) => continue,
                Some((Tertiary::InDe127, _)) => return None,
                None => dialect.rule(element)?,
            };
            draft.add(element, dialect.read_rules()[usize::from(element)])?;
        }
        draft.end()
    }

    /// Whether the plan applies to a message with these bitmaps and elements.
    #[inline(always)]
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        self.bitmaps.get(..self.bitmaps_len()).is_some_and(|bitmaps| bytes.starts_with(bitmaps))
    }

    pub(crate) fn present(&self) -> &Bitmap {
        &self.present
    }

    /// Size of the bitmaps in bytes.
    #[inline(always)]
    pub(crate) fn bitmaps_len(&self) -> usize {
        usize::from(self.bitmaps_len)
    }

    #[inline(always)]
    pub(crate) fn steps(&self) -> &[PlanStep] {
        self.steps.get(..usize::from(self.step_count)).unwrap_or_default()
    }

    /// The start of a present element, with its prefix; `None` if it is after the last mark.
    #[inline]
    pub(crate) fn place(&self, element: u8, marks: &Marks) -> Option<usize> {
        let mark = marks.get(usize::from(*self.breaks.get(usize::from(element))?))?;
        Some(usize::from(*mark) + usize::from(*self.offsets.get(usize::from(element))?))
    }
}

/// A plan under construction, element by element.
struct Draft {
    plan: Plan,
    /// Class of the current run.
    run: CharClass,
    /// Bytes after the last step.
    ahead: u16,
    /// Elements of unknown length so far.
    breaks: u8,
    /// Bytes after the last element of unknown length.
    offset: u16,
}

impl Draft {
    fn new() -> Self {
        let nowhere = PlanStep { ahead: 0, ends: None, then: Then::Nothing, element: 0, read_rule: ReadRule::ALONE };
        let plan = Plan {
            bitmaps: [0; 32],
            bitmaps_len: 0,
            step_count: 0,
            steps: [nowhere; Plan::STEPS],
            breaks: [0; Plan::ELEMENTS],
            offsets: [0; Plan::ELEMENTS],
            present: Bitmap::default(),
        };
        Self { plan, run: CharClass::Any, ahead: 0, breaks: 0, offset: 0 }
    }

    fn add(&mut self, element: u8, read_rule: ReadRule) -> Option<()> {
        *self.plan.breaks.get_mut(usize::from(element))? = self.breaks;
        *self.plan.offsets.get_mut(usize::from(element))? = self.offset;
        let then = match read_rule.class {
            CharClass::Alone => Then::Alone,
            _ if read_rule.is_fixed() => Then::Nothing,
            _ if read_rule.prefix.is_none() && read_rule.filler == Filler::First => Then::Nibble,
            _ if read_rule.prefix.is_chars() => Then::Chars,
            _ if read_rule.prefix.is_packed() => Then::Packed,
            _ => Then::ByRule,
        };
        if read_rule.class != self.run || !read_rule.prefix_of_class {
            let ends = std::mem::replace(&mut self.run, read_rule.class);
            self.step(Some(ends), then, element, read_rule)?;
        } else if then != Then::Nothing {
            self.step(None, then, element, read_rule)?;
        }
        let fixed = match then {
            Then::Nothing => Some(read_rule.size),
            Then::Nibble => Some(read_rule.wire_len(read_rule.size.into()) as u16),
            _ => None,
        };
        if let Some(bytes) = fixed {
            self.ahead = self.ahead.checked_add(bytes)?;
            self.offset = self.offset.checked_add(bytes)?;
        } else {
            (self.breaks, self.offset) = (self.breaks.checked_add(1)?, 0);
        }
        Some(())
    }

    fn step(&mut self, ends: Option<CharClass>, then: Then, element: u8, read_rule: ReadRule) -> Option<()> {
        let ahead = std::mem::take(&mut self.ahead);
        *self.plan.steps.get_mut(usize::from(self.plan.step_count))? =
            PlanStep { ahead, ends, then, element, read_rule };
        self.plan.step_count += 1;
        Some(())
    }

    fn end(mut self) -> Option<Plan> {
        self.step(Some(self.run), Then::Nothing, 0, ReadRule::ALONE)?;
        Some(self.plan)
    }
}
