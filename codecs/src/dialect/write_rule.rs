//! Rows compiled for writing: how to encode an element from its characters.

use super::prefix::Prefix;
use super::read_rule::Filler;
use super::{Dialect, Length, Rule, Tertiary};
use crate::char_class::{self, CharClass};
use crate::ebcdic::CodePage;
use crate::encoding::{Content, Format, Padding};
use crate::value::FixedDigits;
use crate::wire::Wire;
use crate::{hex, packed};
use std::num::NonZeroUsize;

/// A row compiled for writing: the class of the characters, their encoding, and the limits of their number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteRule {
    form: Form,
    /// The required class of the characters.
    class: CharClass,
    /// The set of classes that are within it.
    passing: u16,
    prefix: Prefix,
    filler: Filler,
    /// The number of digits and the encoding for numbers that need no other check; 0 if the row is not for numbers.
    number: u8,
    /// The smallest number of characters or bytes.
    least: u16,
    /// How many more are allowed.
    span: u16,
}

/// Encoding of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Characters or bytes unchanged.
    Verbatim,
    Packed,
    /// Two upper-case hex digits in ASCII per byte.
    Hex,
    HexEbcdic,
    Ebcdic(CodePage),
    /// Encoded step by step.
    ByRow,
}

/// Encoding of a number's digits, if their count is the only thing to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum NumberForm {
    Ascii = 1 << 5,
    Packed = 2 << 5,
    /// Digits are the same in every code page.
    Ebcdic = 3 << 5,
}

/// One write rule for each value of a byte, so that indexing needs no check.
pub(super) type WriteRules = [WriteRule; 256];

impl WriteRule {
    const BY_ROW: Self = Self {
        form: Form::ByRow,
        class: CharClass::Any,
        passing: 0,
        prefix: Prefix::NONE,
        filler: Filler::None,
        number: 0,
        least: 0,
        span: 0,
    };

    /// The write rules of a dialect's rows.
    pub(super) fn table(rules: &[Option<Rule>; 193], tertiary: Option<Tertiary>) -> WriteRules {
        super::compiled(rules, tertiary, Self::BY_ROW, |rule| {
            Self::of(rule).map(|write_rule| write_rule.with_number(rule))
        })
    }

    fn of(rule: &Rule) -> Option<Self> {
        let (prefix, least, most) = match rule.length {
            Length::Fixed => (Prefix::NONE, rule.max, rule.max),
            Length::Prefix(digits) => {
                let prefix = Prefix::of(rule.prefix, digits)?;
                (prefix, 0, rule.max.min(prefix.most()))
            }
        };
        let filler = match rule.padding {
            _ if rule.content != Content::Bcd => Filler::None,
            Padding::LeftZero => Filler::First,
            Padding::RightZero => Filler::Last,
            Padding::RightF => Filler::LastF,
        };
        let (form, class) = match (rule.content, rule.format) {
            (Content::Ascii, Format::Numeric) => (Form::Verbatim, CharClass::Digits),
            (Content::Ascii, Format::Text | Format::Track) => (Form::Verbatim, CharClass::Ascii),
            (Content::Raw, Format::Binary) => (Form::Verbatim, CharClass::Any),
            (Content::Ebcdic(page), Format::Numeric) => (Form::Ebcdic(page), CharClass::Digits),
            // every code page has all characters of Latin-1
            (Content::Ebcdic(page), Format::Text | Format::Track) => (Form::Ebcdic(page), CharClass::Any),
            // there the prefix does not count characters
            (Content::HexAscii | Content::HexEbcdic(_) | Content::Bcd, _)
                if rule.length != Length::Fixed && rule.counted(3) != 3 =>
            {
                return None;
            }
            (Content::HexAscii, Format::Binary) => (Form::Hex, CharClass::Any),
            (Content::HexEbcdic(_), Format::Binary) => (Form::HexEbcdic, CharClass::Any),
            (Content::Bcd, Format::Numeric) => (Form::Packed, CharClass::Digits),
            // the separator of a track is packed to its low nibble
            (Content::Bcd, Format::Track) => (Form::Packed, CharClass::TrackDigits),
            _ => return None,
        };
        let (least, span) = (u16::try_from(least).ok()?, u16::try_from(most - least).ok()?);
        Some(Self { form, class, passing: class.passing(), prefix, filler, number: 0, least, span })
    }

    fn with_number(self, rule: &Rule) -> Self {
        let form = match (rule.content, rule.format) {
            _ if rule.length != Length::Fixed || rule.max > FixedDigits::MOST => None,
            (Content::Ascii, Format::Numeric | Format::Text) => Some(NumberForm::Ascii),
            (Content::Ebcdic(_), Format::Numeric | Format::Text) => Some(NumberForm::Ebcdic),
            // a number is aligned to the right
            (Content::Bcd, Format::Numeric) if rule.max.is_multiple_of(2) || self.filler == Filler::First => {
                Some(NumberForm::Packed)
            }
            _ => None,
        };
        Self { number: form.map_or(0, |form| form as u8 | rule.max as u8), ..self }
    }

    /// Writes a number after the content of the wire, and returns the number of bytes; `None` if the row is not for a
    /// number with that many digits, or if there is no room.
    #[inline(always)]
    pub(crate) fn put_number(&self, number: FixedDigits, wire: &mut Wire) -> Option<usize> {
        let count = number.count();
        let is = |form: NumberForm| self.number == count as u8 | form as u8;
        // a whole block is written, of which only the beginning is used
        if is(NumberForm::Ascii) {
            match count {
                0..=4 => *wire.block()? = number.four_chars(),
                5..=8 => *wire.block()? = number.eight_chars(b'0'),
                _ => *wire.block()? = number.chars(b'0'),
            }
            return Some(count);
        }
        if is(NumberForm::Packed) {
            match count {
                0..=4 => *wire.block()? = number.two_packed(),
                5..=8 => *wire.block()? = number.four_packed(),
                _ => *wire.block()? = number.packed(),
            }
            return Some(count.div_ceil(2));
        }
        if is(NumberForm::Ebcdic) {
            *wire.block()? = number.chars(0xF0);
            return Some(count);
        }
        None
    }

    /// Writes prefix and content to the beginning of `rest`, and returns the number of bytes; the content is known to
    /// be of the class with the bit `known`. `None` if the row needs another way, something is wrong, or there is no
    /// room.
    #[inline(never)]
    pub(crate) fn put(&self, content: &[u8], known: u16, rest: &mut [u8]) -> Option<NonZeroUsize> {
        if content.len().wrapping_sub(usize::from(self.least)) > usize::from(self.span) {
            return None;
        }
        if !self.prefix.is_none() {
            *rest.first_chunk_mut()? = self.prefix.written(content.len());
        }
        let prefix = self.prefix.wire_len();
        let room = rest.get_mut(prefix..)?;
        let class = if self.passing & known != 0 { CharClass::Any } else { self.class };
        if self.form == Form::Verbatim && content.len() <= char_class::SHORT {
            let passed = char_class::copy_short(content, class, room)?;
            if passed { NonZeroUsize::new(prefix.wrapping_add(content.len())) } else { None }
        } else {
            self.put_in_form(content, class, room)
        }
    }

    /// The part of [`WriteRule::put`] after the prefix, for content that is converted or long; its characters must be of
    /// `class`.
    #[inline(never)]
    fn put_in_form(&self, content: &[u8], class: CharClass, room: &mut [u8]) -> Option<NonZeroUsize> {
        if class != CharClass::Any && !class.holds(content) {
            return None;
        }
        let count = match self.form {
            Form::Verbatim => {
                room.get_mut(..content.len())?.copy_from_slice(content);
                content.len()
            }
            Form::Hex => hex::write(content, hex::HexDigits::ASCII, room)?,
            Form::HexEbcdic => hex::write(content, hex::HexDigits::EBCDIC, room)?,
            Form::Packed => packed::write(content, self.filler, room)?,
            Form::Ebcdic(page) => {
                let (bytes, places) = (page.bytes(), room.get_mut(..content.len())?);
                places.iter_mut().zip(content).for_each(|(place, char)| *place = bytes[usize::from(*char)]);
                content.len()
            }
            Form::ByRow => return None,
        };
        NonZeroUsize::new(self.prefix.wire_len() + count)
    }
}

impl Dialect {
    #[inline]
    pub(crate) fn write_rule(&self, element: u8) -> &WriteRule {
        &self.write_rules[usize::from(element)]
    }
}
