//! One element within a message: its bytes, and the row by which they are read.

use crate::char_class::{all_digits, all_hex, all_packed_digits};
use crate::decimal;
use crate::dialect::Rule;
use crate::encoding::{Content, Format, Padding, hex_digit, hex_pair, hex_value, is_sign};
use crate::error::ErrorKind;
use std::borrow::Cow;

/// A borrowed element. Nothing is copied until a value is requested.
#[derive(Clone, Copy)]
pub struct Field<'m> {
    pub(crate) raw: &'m [u8],
    pub(crate) rule: &'m Rule,
    /// Characters, digits or (for binary content) bytes.
    pub(crate) units: usize,
}

impl<'m> Field<'m> {
    /// The bytes on the wire, prefix excluded.
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    pub fn rule(&self) -> &'m Rule {
        self.rule
    }

    /// Length in characters, digits or (for binary content) bytes.
    pub fn len(&self) -> usize {
        self.units
    }

    pub fn is_empty(&self) -> bool {
        self.units == 0
    }

    /// Character `index` in ASCII, whatever the encoding; for binary content, the byte.
    pub fn char_at(&self, index: usize) -> u8 {
        match self.rule.content {
            Content::Ascii | Content::Raw => self.raw[index],
            Content::Ebcdic(page) => page.decode(self.raw[index]),
            Content::Bcd => self.packed(index),
            Content::HexAscii => hex_pair(self.raw[index * 2], self.raw[index * 2 + 1]),
            Content::HexEbcdic(page) => {
                hex_pair(page.decode(self.raw[index * 2]), page.decode(self.raw[index * 2 + 1]))
            }
        }
    }

    fn packed(&self, index: usize) -> u8 {
        let (digits, index) = match self.rule.format {
            // the sign is a whole byte before the packed digits
            Format::SignedNumeric if index == 0 => return self.raw[0],
            Format::SignedNumeric => (self.units - 1, index - 1 + 2),
            _ => (self.units, index),
        };
        let skip = usize::from(digits % 2 == 1 && self.rule.padding == Padding::LeftZero);
        let byte = self.raw[(index + skip) / 2];
        hex_digit(if (index + skip).is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }

    /// Characters in ASCII (bytes, for binary content), in order.
    pub fn chars(&self) -> impl Iterator<Item = u8> + '_ {
        (0..self.units).map(|i| self.char_at(i))
    }

    /// The content as ASCII characters or bytes; borrowed if it is the same on the wire.
    pub fn content(&self) -> Cow<'m, [u8]> {
        match self.rule.content {
            Content::Ascii | Content::Raw => Cow::Borrowed(self.raw),
            _ => Cow::Owned(self.chars().collect()),
        }
    }

    /// Copies the content into `buffer` and returns its length; `None` if the buffer is too small.
    pub fn copy_to(&self, buffer: &mut [u8]) -> Option<usize> {
        let target = buffer.get_mut(..self.units)?;
        match self.rule.content {
            Content::Ascii | Content::Raw => target.copy_from_slice(self.raw),
            Content::HexAscii => {
                target
                    .iter_mut()
                    .zip(self.raw.chunks_exact(2))
                    .for_each(|(byte, pair)| *byte = hex_pair(pair[0], pair[1]));
            }
            Content::Bcd if self.rule.format != Format::SignedNumeric => {
                let skip = self.filler_before();
                for (i, char) in target.iter_mut().enumerate() {
                    let byte = self.raw[(i + skip) / 2];
                    *char = hex_digit(if (i + skip).is_multiple_of(2) { byte >> 4 } else { byte & 15 });
                }
            }
            _ => target.iter_mut().enumerate().for_each(|(i, char)| *char = self.char_at(i)),
        }
        Some(self.units)
    }

    /// Appends the content as ASCII characters or bytes.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.units, 0);
        self.copy_to(&mut out[start..]).expect("room was made for all of it");
    }

    /// Number of filler nibbles before packed digits.
    fn filler_before(&self) -> usize {
        usize::from(self.units % 2 == 1 && self.rule.padding == Padding::LeftZero)
    }

    /// The number in the digits; `None` for another character or a value of more than 18 digits.
    pub fn number(&self) -> Option<u64> {
        self.number_in(0, self.units)
    }

    /// The number in characters `from..to`.
    pub fn number_in(&self, from: usize, to: usize) -> Option<u64> {
        if to > self.units {
            return None;
        }
        match self.rule.content {
            Content::Ascii => decimal::of_chars(self.raw.get(from..to)?, b'0'),
            // digits are the same in every code page
            Content::Ebcdic(_) => decimal::of_chars(self.raw.get(from..to)?, 0xF0),
            Content::Bcd if self.rule.format == Format::Numeric => {
                let skip = self.filler_before();
                decimal::of_nibbles(self.raw, from + skip, to + skip)
            }
            _ => decimal::one_by_one((from..to).map(|i| self.char_at(i).wrapping_sub(b'0'))),
        }
    }

    /// Checks the content against encoding and format; the error is the kind and the byte within `raw`.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), (ErrorKind, usize)> {
        match self.rule.content {
            Content::Raw => Ok(()),
            // one pass for each common case; the position of a fault is searched only if there is one
            Content::HexAscii if all_hex(self.raw) => Ok(()),
            Content::HexAscii => self.every(|b| hex_value(b).is_some(), ErrorKind::BadHex),
            Content::HexEbcdic(page) => self.every(|b| hex_value(page.decode(b)).is_some(), ErrorKind::BadHex),
            Content::Bcd => self.check_packed(),
            Content::Ascii if self.rule.format == Format::Numeric && all_digits(self.raw) => Ok(()),
            Content::Ascii if self.rule.format == Format::Text && self.raw.is_ascii() => Ok(()),
            Content::Ascii => self.every(|b| b.is_ascii(), ErrorKind::Charset).and_then(|()| self.check_class()),
            Content::Ebcdic(_) => self.check_class(),
        }
    }

    fn every(&self, test: impl Fn(u8) -> bool, kind: ErrorKind) -> Result<(), (ErrorKind, usize)> {
        match self.raw.iter().position(|b| !test(*b)) {
            Some(at) => Err((kind, at)),
            None => Ok(()),
        }
    }

    fn check_class(&self) -> Result<(), (ErrorKind, usize)> {
        let wrong = match self.rule.format {
            Format::Numeric => (0..self.units).find(|i| !self.char_at(*i).is_ascii_digit()),
            Format::SignedNumeric => (0..self.units).find(|i| {
                let char = self.char_at(*i);
                if *i == 0 { !is_sign(char) } else { !char.is_ascii_digit() }
            }),
            _ => None,
        };
        wrong.map_or(Ok(()), |at| Err((ErrorKind::Class, at)))
    }

    fn check_packed(&self) -> Result<(), (ErrorKind, usize)> {
        // an empty element has no sign either
        let digits = self.units.saturating_sub(usize::from(self.rule.format == Format::SignedNumeric));
        if digits % 2 == 1 {
            let (at, filler) = match self.rule.padding {
                Padding::LeftZero => (0, self.raw[self.raw.len() - digits.div_ceil(2)] >> 4),
                _ => (self.raw.len() - 1, self.raw[self.raw.len() - 1] & 15),
            };
            let wanted = if self.rule.padding == Padding::RightF { 15 } else { 0 };
            if filler != wanted {
                return Err((ErrorKind::BadPad, at));
            }
        }
        match self.rule.format {
            // a packed track has nibble D as its separator, and filler
            Format::Track => Ok(()),
            Format::Numeric if self.rule.padding != Padding::RightF && all_packed_digits(self.raw) => Ok(()),
            _ => self.check_class().map_err(|(kind, at)| (kind, at / 2)),
        }
    }
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // content is shown only through typed values, which hide their secrets
        write!(f, "Field({} of {:?})", self.units, self.rule.format)
    }
}
