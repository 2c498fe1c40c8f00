//! What the writer of a message needs of a row, compiled once for each dialect.

use super::prefix::Prefix;
use super::stride::Filler;
use super::{Dialect, Length, Rule, Tertiary};
use crate::class::Class;
use crate::encoding::{Content, Format, Padding, put_hex};
use crate::packed;
use crate::value::Digits;

/// How an element comes from characters to the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    form: Form,
    /// What the characters must be.
    class: Class,
    prefix: Prefix,
    filler: Filler,
    /// How many digits a number must have that needs no other look; 0 where there is no such number.
    digits: u8,
    /// Zero as it stands on the wire, where a digit is a character there.
    zero: u8,
    /// Characters or bytes: how many, or if there is a prefix the most of them.
    size: u16,
}

/// How content comes to its form on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    /// It stands there as its characters, or its bytes, are.
    Verbatim,
    Packed,
    /// Two upper-case hex digits in ASCII for each byte.
    Hex,
    /// It is written by its row, step by step.
    ByRow,
}

/// One stroke for each number that a byte can hold, so that no number needs to be checked.
pub(super) type Strokes = [Stroke; 256];

impl Stroke {
    const BY_ROW: Self = Self {
        form: Form::ByRow,
        class: Class::Any,
        prefix: Prefix::NONE,
        filler: Filler::None,
        digits: 0,
        zero: b'0',
        size: 0,
    };

    /// The strokes of a dialect's rows.
    pub(super) fn table(rules: &[Option<Rule>; 193], tertiary: Option<Tertiary>) -> Box<Strokes> {
        super::compiled(rules, tertiary, Self::BY_ROW, Self::of)
    }

    fn of(rule: &Rule) -> Option<Self> {
        let size = u16::try_from(rule.max).ok()?;
        let prefix = match rule.length {
            Length::Fixed => Prefix::NONE,
            Length::Prefix(digits) => Prefix::of(rule.prefix, digits)?,
        };
        let filler = match rule.padding {
            _ if rule.content != Content::Bcd => Filler::None,
            Padding::LeftZero => Filler::First,
            Padding::RightZero => Filler::Last,
            Padding::RightF => Filler::LastF,
        };
        let has_number =
            rule.length == Length::Fixed && matches!(rule.format, Format::Numeric | Format::Text) && size <= 16;
        let digits = if has_number { size as u8 } else { 0 };
        let whole = Self { prefix, filler, digits, size, ..Self::BY_ROW };
        Some(match (rule.content, rule.format) {
            (Content::Ascii, Format::Numeric) => Self { form: Form::Verbatim, class: Class::Digits, ..whole },
            (Content::Ascii, Format::Text | Format::Track) => {
                Self { form: Form::Verbatim, class: Class::Ascii, ..whole }
            }
            (Content::Raw, Format::Binary) => Self { form: Form::Verbatim, ..whole },
            // a number is the same in every code page
            (Content::Ebcdic(_), Format::Numeric | Format::Text) => Self { zero: 0xF0, ..whole },
            // there the prefix does not say how many characters there are
            (Content::HexAscii | Content::Bcd, _) if rule.length != Length::Fixed && rule.counted(3) != 3 => {
                return None;
            }
            (Content::HexAscii, Format::Binary) => Self { form: Form::Hex, ..whole },
            (Content::Bcd, Format::Numeric) => {
                let left = size.is_multiple_of(2) || filler == Filler::First;
                let digits = if left { digits } else { 0 };
                Self { form: Form::Packed, class: Class::Digits, digits, ..whole }
            }
            // the separator of a track has the nibble that it is packed to
            (Content::Bcd, Format::Track) => Self { form: Form::Packed, class: Class::TrackDigits, ..whole },
            _ => return None,
        })
    }

    /// Appends a number; false, and nothing appended, where the row is not for a number of so many digits.
    #[inline(always)]
    pub(crate) fn put_number(&self, number: Digits, out: &mut Vec<u8>) -> bool {
        let count = number.count();
        if usize::from(self.digits) != count {
            return false;
        }
        let start = out.len();
        // a whole block goes out at once, and what is too much of it is taken back
        if self.form == Form::Packed {
            out.extend_from_slice(&number.packed());
            out.truncate(start + count.div_ceil(2));
        } else if count <= 8 {
            out.extend_from_slice(&number.eight_chars(self.zero));
            out.truncate(start + count);
        } else {
            out.extend_from_slice(&number.chars(self.zero));
            out.truncate(start + count);
        }
        true
    }

    /// Whether content goes out as it is, without a look at it.
    #[inline(always)]
    pub(crate) fn is_plain(&self, length: usize, known: Class) -> bool {
        let plain = self.form == Form::Verbatim && self.prefix.is_none();
        plain && length == usize::from(self.size) && known.is_within(self.class)
    }

    /// Appends prefix and content, of which `known` is known; false where the row has it otherwise, or something is wrong:
    /// what was appended is then to be taken back.
    #[inline(never)]
    pub(crate) fn put(&self, content: &[u8], known: Class, out: &mut Vec<u8>) -> bool {
        let size = usize::from(self.size);
        let fits = if self.prefix.is_none() { content.len() == size } else { content.len() <= size };
        if !fits || !(known.is_within(self.class) || self.class.holds(content)) || !self.prefix.put(content.len(), out)
        {
            return false;
        }
        match self.form {
            Form::Verbatim => out.extend_from_slice(content),
            Form::Packed => packed::append(content, self.filler, out),
            Form::Hex => put_hex(content, out, |digit| digit),
            Form::ByRow => return false,
        }
        true
    }
}

impl Dialect {
    #[inline]
    pub(crate) fn stroke(&self, element: u8) -> &Stroke {
        &self.strokes[usize::from(element)]
    }
}
