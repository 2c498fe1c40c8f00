//! The layout of a message: positions of its elements.

use super::careful_read::Cursor;
use super::fast_read;
use crate::bitmap::Bitmap;
use crate::char_class::CharClass;
use crate::de;
use crate::dialect::{Dialect, Marks, Plan, PlanNumber, Tertiary};
use crate::error::{DecodeError, ErrorKind};

/// The present elements, and the positions that do not follow from the dialect alone.
#[derive(Clone)]
pub(super) struct Layout {
    pub(super) present: Bitmap,
    /// The plan that gives positions between the marks. Without one there is only the first mark, and an element is
    /// found by stepping over those before it.
    pub(super) plan: Option<PlanNumber>,
    pub(super) marks: Marks,
}

/// Position of an element's content: first byte, and length in characters, digits or bytes.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) units: usize,
}

impl Layout {
    pub(super) fn new() -> Self {
        Self { present: Bitmap::default(), plan: None, marks: [0; Plan::MARKS] }
    }

    /// Reads the bitmaps and each element that they announce, from `cursor` on. Elements before a fault stay readable.
    #[cold]
    pub(super) fn read_carefully(&mut self, cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        let bitmaps = cursor.at;
        *self = Self::new();
        self.present = cursor.bitmaps()?;
        let (start, announced) = (cursor.at, self.present);
        self.marks[0] = start as u16;
        let mut next = self.present.next(de::BITMAP + 1);
        while let Some(element) = next {
            if let Err(fault) = cursor.pass(element, &mut self.present) {
                self.present.truncate(element);
                return Err(fault);
            }
            next = self.present.next(element + 1);
        }
        if let Some((number, plan)) = cursor.dialect.make_plan(&cursor.bytes[bitmaps..start], announced)
            && fast_read::pass(plan, cursor.dialect, cursor.bytes, start, &mut self.marks).is_some()
        {
            self.plan = Some(number);
        }
        Ok(())
    }

    /// The error for a message of `length` bytes whose last element ends at `end`.
    #[cold]
    pub(super) fn trailing(&self, end: usize, length: usize) -> DecodeError {
        let last = self.present.last().unwrap_or(de::BITMAP);
        DecodeError::new(ErrorKind::TrailingData, last, end).sized(0, length - end)
    }

    /// The start of a present element: its prefix, or its content if it has none.
    #[inline]
    pub(super) fn place(&self, element: u8, bytes: &[u8], dialect: &Dialect) -> Option<usize> {
        let planned = self.plan.and_then(|number| dialect.plan(number)?.place(element, &self.marks));
        planned.or_else(|| self.walk(element, bytes, dialect))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn walk(&self, element: u8, bytes: &[u8], dialect: &Dialect) -> Option<usize> {
        let mut at = usize::from(self.marks[0]);
        let mut next = self.present.next(de::BITMAP + 1)?;
        while next < element {
            at = match dialect.third_bitmap_at(next) {
                Some((Tertiary::AfterSecondary | Tertiary::Chained, _)) => at,
                Some((Tertiary::InDe127, encoding)) => at + encoding.wire_len(),
                None => {
                    let span = span(next, at, bytes, dialect)?;
                    span.start + dialect.rule(next)?.wire_len(span.units)
                }
            };
            next = self.present.next(next + 1)?;
        }
        (next == element).then_some(at)
    }
}

/// The content of an element that begins at `at`, in a message that was read before.
#[inline(always)]
pub(super) fn span(element: u8, at: usize, bytes: &[u8], dialect: &Dialect) -> Option<Span> {
    let rule = dialect.rule(element)?;
    let read_rule = dialect.read_rules()[usize::from(element)];
    if read_rule.is_fixed() {
        return Some(Span { start: at, units: rule.max });
    }
    if read_rule.class != CharClass::Alone {
        let start = at + read_rule.prefix.wire_len();
        return Some(Span { start, units: read_rule.units(bytes, start)? as usize });
    }
    let mut cursor = Cursor { bytes, at, dialect };
    let units = cursor.units(element, rule).ok()?;
    Some(Span { start: cursor.at, units })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Format;
    use crate::{Builder, Mti, dialect};
    use std::sync::Arc;

    /// Every element that a dialect has a row for, or every third or seventh of them.
    fn full(dialect: &Arc<Dialect>, each: usize) -> Vec<u8> {
        let mut builder = Builder::new(dialect, Mti::of(b"0200"));
        for (element, rule) in dialect.elements().filter(|(n, _)| usize::from(*n) % each == 0) {
            let length = if rule.length == dialect::Length::Fixed { rule.max } else { rule.max.min(11) };
            let mut content = vec![if rule.format == Format::Text { b'A' } else { b'1' }; length];
            if rule.format == Format::SignedNumeric {
                content[0] = b'C';
            }
            builder.put_content(element, &content);
        }
        builder.encode().expect("content was made to suit").to_vec()
    }

    fn careful_reading(dialect: &Dialect, bytes: &[u8]) -> Option<(Layout, usize)> {
        let (mut cursor, mut layout) = (Cursor { bytes, at: 0, dialect }, Layout::new());
        cursor.start().ok()?;
        layout.read_carefully(&mut cursor).ok().map(|()| (layout, cursor.at))
    }

    /// The reading by plan, even if the dialect has no room for the plan; `None` if there can be no plan.
    fn fast_reading(dialect: &Dialect, bytes: &[u8]) -> Option<Option<(Plan, Marks, usize)>> {
        let mut cursor = Cursor { bytes, at: 0, dialect };
        let start = cursor.start().and_then(|_| cursor.bitmaps());
        let Ok(present) = start else { return Some(None) };
        let plan = Plan::of(dialect, &[], present)?;
        let mut marks = Marks::default();
        let end = fast_read::pass(&plan, dialect, bytes, cursor.at, &mut marks);
        Some(end.map(|end| (plan, marks, end)))
    }

    /// The fast way accepts the same messages as the slow one and finds the same positions, whatever one byte is
    /// changed to.
    #[test]
    fn the_fast_and_the_careful_reading_agree() {
        let inline = |text: &str| {
            let source = |base: &str| dialect::shipped_text(base).map(Into::into);
            Arc::new(Dialect::from_toml("inline", text, &source).expect("the dialect is well formed"))
        };
        let shipped = dialect::SHIPPED.iter().map(|(name, _)| dialect::shipped(name).expect("shipped dialects read"));
        let dialects = shipped.chain([
            inline("extends = \"iso87-binary\"\nlen = \"bin\"\nch = \"ebcdic\"\nlen_unit = \"bytes\"\npad = \"rightF\""),
            inline("extends = \"iso87-binary\"\npad = \"right0\"\npad_var = \"rightF\"\ntertiary = \"after-secondary\""),
            inline("extends = \"iso87-ascii\"\ntertiary = \"de127\"\n[fields.130]\nformat = \"n\"\nlen_type = \"fixed\"\nmax_len = 5"),
            inline("version = \"1987\"\nn = \"ebcdic\"\nch = \"ebcdic\"\nb = \"hexebcdic\"\nlen = \"ebcdic\"\nbitmap = \"hexebcdic\""),
        ]);
        for (dialect, each) in
            dialects.flat_map(|dialect| [(Arc::clone(&dialect), 1), (dialect.clone(), 3), (dialect, 7)])
        {
            let bytes = full(&dialect, each);
            for at in 0..bytes.len() {
                for change in [0x00, 0x01, 0x0A, 0x80, 0xF0] {
                    let mut bytes = bytes.clone();
                    bytes[at] ^= change;
                    let careful = careful_reading(&dialect, &bytes);
                    if let Some(fast) = fast_reading(&dialect, &bytes) {
                        assert_eq!(fast.is_some(), careful.is_some(), "{} byte {at} ^ {change:02X}", dialect.name);
                        let (Some((plan, marks, end)), Some((careful, careful_end))) = (fast, careful) else {
                            continue;
                        };
                        assert_eq!(end, careful_end, "{} byte {at}", dialect.name);
                        let walked = Layout { plan: None, ..careful };
                        let is_element = |n: &u8| *n != de::BITMAP && dialect.third_bitmap_at(*n).is_none();
                        for element in walked.present.iter().filter(is_element) {
                            let found = walked.place(element, &bytes, &dialect);
                            let planned = plan.place(element, &marks).or(found);
                            assert_eq!(planned, found, "{} byte {at}: {element}", dialect.name);
                        }
                    }
                }
            }
        }
    }
}
