//! Where each element of a message lies.

use super::cursor::Cursor;
use super::sweep;
use crate::bitmap::Bitmap;
use crate::class::Class;
use crate::de;
use crate::dialect::{Dialect, Tertiary};
use crate::error::{DecodeError, ErrorKind};

/// Which elements there are, and the places of those that messages are mostly made of.
#[derive(Clone)]
pub(super) struct Layout {
    pub(super) present: Bitmap,
    /// Where each element of the first bitmap begins, its prefix included.
    pub(super) primary: [u16; 64],
    /// Where those of the second and third begin; 0 where there are none. They are few and rarely asked for: each is found by stepping over
    /// those before it, and the message stays small enough to be handed around.
    pub(super) beyond: u16,
}

/// Where an element's content lies: first byte, and length in characters, digits or bytes.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) units: usize,
}

impl Layout {
    pub(super) fn new(present: Bitmap) -> Self {
        Self { present, primary: [0; 64], beyond: 0 }
    }

    /// Finds the place of each element that the bitmaps announce; `cursor` stands behind them, and afterwards behind
    /// the last element. What was read before a fault stays readable.
    #[inline(always)]
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        let (start, announced) = (cursor.at, self.present);
        if sweep::pass(cursor, self).is_some() {
            return Ok(());
        }
        (cursor.at, self.present, self.beyond) = (start, announced, 0);
        self.read_closely(cursor)
    }

    #[cold]
    #[inline(never)]
    fn read_closely(&mut self, cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        let mut next = self.present.next(de::BITMAP + 1);
        while let Some(element) = next {
            self.note(usize::from(element), cursor.at);
            if let Err(fault) = cursor.pass(element, &mut self.present) {
                self.present.truncate(element);
                return Err(fault);
            }
            next = self.present.next(element + 1);
        }
        Ok(())
    }

    /// What is wrong with a message of `length` bytes whose last element ends at `end`.
    #[cold]
    pub(super) fn trailing(&self, end: usize, length: usize) -> DecodeError {
        let last = self.present.iter().last().unwrap_or(de::BITMAP);
        DecodeError::new(ErrorKind::TrailingData, last, end).sized(0, length - end)
    }

    /// An element begins at `at`.
    #[inline(always)]
    pub(super) fn note(&mut self, element: usize, at: usize) {
        match self.primary.get_mut(element - 1) {
            Some(place) => *place = at as u16,
            None if self.beyond == 0 => self.beyond = at as u16,
            None => {}
        }
    }

    /// As [`Layout::place`], of an element of the first bitmap.
    #[inline]
    pub(super) fn primary_place(&self, element: u8) -> usize {
        usize::from(self.primary[usize::from(element - 1) % 64])
    }

    /// Where the prefix of a present element begins, or its content if it has none.
    #[inline]
    pub(super) fn place(&self, element: u8, bytes: &[u8], dialect: &Dialect) -> Option<usize> {
        match self.primary.get(usize::from(element).checked_sub(1)?) {
            Some(place) => Some(usize::from(*place)),
            None => self.walk(element, bytes, dialect),
        }
    }

    fn walk(&self, element: u8, bytes: &[u8], dialect: &Dialect) -> Option<usize> {
        let mut at = usize::from(self.beyond);
        let mut next = self.present.next(self.primary.len() as u8 + 1)?;
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

/// The content of an element whose prefix, if it has one, begins at `at`. The message has been read before.
#[inline]
pub(super) fn span(element: u8, at: usize, bytes: &[u8], dialect: &Dialect) -> Option<Span> {
    let rule = dialect.rule(element)?;
    let stride = dialect.strides()[usize::from(element)];
    if stride.class != Class::Alone {
        if stride.prefix.wire_len() == 0 {
            return Some(Span { start: at, units: rule.max });
        }
        return Some(Span { start: at + stride.prefix.wire_len(), units: stride.units(bytes.get(at..)?)? });
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

    fn read(
        dialect: &Dialect,
        bytes: &[u8],
        how: impl Fn(&mut Layout, &mut Cursor<'_>) -> bool,
    ) -> Option<(Layout, usize)> {
        let mut cursor = Cursor { bytes, at: 0, dialect };
        cursor.start().ok()?;
        let mut layout = Layout::new(cursor.bitmaps().ok()?);
        how(&mut layout, &mut cursor).then_some((layout, cursor.at))
    }

    /// The quick way takes what the close one takes and finds the same places, whatever one byte is changed to.
    #[test]
    fn the_quick_way_and_the_close_one_agree() {
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
            let mut bytes = full(&dialect, each);
            for at in 0..bytes.len() {
                for change in [0x00, 0x01, 0x0A, 0x80, 0xF0] {
                    bytes[at] ^= change;
                    let quick = read(&dialect, &bytes, |layout, cursor| sweep::pass(cursor, layout).is_some());
                    let close = read(&dialect, &bytes, |layout, cursor| layout.read_closely(cursor).is_ok());
                    assert_eq!(quick.is_some(), close.is_some(), "{} byte {at} ^ {change:02X}", dialect.name);
                    if let (Some((quick, quick_end)), Some((close, close_end))) = (quick, close) {
                        assert_eq!(
                            (quick.present, quick.primary),
                            (close.present, close.primary),
                            "{} byte {at}",
                            dialect.name
                        );
                        assert_eq!((quick.beyond, quick_end), (close.beyond, close_end), "{} byte {at}", dialect.name);
                    }
                    bytes[at] ^= change;
                }
            }
        }
    }
}
