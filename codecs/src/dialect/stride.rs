//! What the reader of a message needs of a row, compiled once for each dialect into eight bytes.

use super::{Dialect, Length, Rule, Tertiary};
use crate::class::{Class, all_digits, all_track_digits};
use crate::de::{self, DataElement};
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};

/// How far an element takes the reader, and what its bytes must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stride {
    pub(crate) class: Class,
    pub(crate) prefix: Prefix,
    pub(crate) filler: Filler,
    /// Whether every prefix that can be read passes the test of the class too.
    pub(crate) prefix_of_class: bool,
    pub(crate) form: Form,
    /// Half bytes that a unit takes.
    halves: u8,
    /// Bytes, where neither prefix nor filler needs a look; otherwise units, and if there is a prefix the most of them.
    pub(crate) size: u16,
}

/// How content comes to its form on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// It stands there as its characters, or its bytes, are.
    Verbatim,
    /// Of fixed length, and packed digits behind filler, if their number is odd.
    PackedFixed,
    Other,
}

/// The length prefixes that dialects are made of; an element with another is read on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Prefix {
    /// There is none, and no filler either.
    None,
    /// There is none: the row says how many units there are.
    Implied,
    Ascii2,
    Ascii3,
    Ebcdic2,
    Ebcdic3,
    /// Two digits in a byte.
    Packed1,
    /// Up to four digits in two bytes.
    Packed2,
    Binary1,
    Binary2,
}

/// Which nibble is filler where packed digits are odd in number, and so which value it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Filler {
    None,
    /// The high nibble of the first byte is 0.
    First,
    /// The low nibble of the last byte is 0.
    Last,
    /// The low nibble of the last byte is F.
    LastF,
}

/// One stride for each number that a byte can hold, so that no number needs to be checked.
pub(crate) type Strides = [Stride; 256];

impl Stride {
    /// Nothing is known of the element but that it needs a closer look.
    const ALONE: Self = Self {
        class: Class::Alone,
        prefix: Prefix::None,
        filler: Filler::None,
        prefix_of_class: false,
        form: Form::Other,
        halves: 2,
        size: 0,
    };

    /// The strides of a dialect's rows. Where a bitmap stands at the place of an element, there is none.
    pub(super) fn table(rules: &[Option<Rule>; 193], tertiary: Option<Tertiary>) -> Box<Strides> {
        let mut strides = Box::new([Self::ALONE; 256]);
        for (element, (stride, rule)) in strides.iter_mut().zip(rules).enumerate() {
            let is_bitmap = tertiary.is_some_and(|place| place.element() == element as u8);
            *stride = rule.as_ref().filter(|_| !is_bitmap).and_then(Self::of).unwrap_or(Self::ALONE);
        }
        strides
    }

    /// `None` where a test of single bytes cannot tell whether the element is well formed.
    fn of(rule: &Rule) -> Option<Self> {
        let (class, halves) = Self::class_of(rule)?;
        let filler = match rule.padding {
            _ if halves != 1 || (rule.length == Length::Fixed && rule.max.is_multiple_of(2)) => Filler::None,
            Padding::LeftZero => Filler::First,
            Padding::RightZero => Filler::Last,
            // a filler that is no digit cannot be told from a wrong digit by a look at the byte alone
            Padding::RightF if class == Class::Packed => return None,
            Padding::RightF => Filler::LastF,
        };
        let (prefix, size) = match rule.length {
            Length::Fixed if filler == Filler::None => (Prefix::None, rule.wire_len(rule.max)),
            Length::Fixed => (Prefix::Implied, rule.max),
            // no message holds more units than a u16 can count
            Length::Prefix(digits) => (Prefix::of(rule.prefix, digits)?, rule.max.min(usize::from(u16::MAX))),
        };
        let form = match (rule.content, prefix) {
            (Content::Ascii | Content::Raw, _) => Form::Verbatim,
            (Content::Bcd, Prefix::None) if class == Class::Packed => Form::PackedFixed,
            (Content::Bcd, Prefix::Implied) if class == Class::Packed && filler == Filler::First => Form::PackedFixed,
            _ => Form::Other,
        };
        let (prefix_of_class, size) = (prefix.passes(class), u16::try_from(size).ok()?);
        Some(Self { class, prefix, filler, prefix_of_class, form, halves, size })
    }

    fn class_of(rule: &Rule) -> Option<(Class, u8)> {
        Some(match (rule.content, rule.format) {
            (Content::Raw, _) => (Class::Any, 2),
            // a count of hex digits is not one of the bytes they mean
            (Content::HexAscii, _) if rule.unit == LengthUnit::Digits && rule.length != Length::Fixed => return None,
            (Content::HexAscii, _) => (Class::Hex, 4),
            (Content::Ascii, Format::Numeric) => (Class::Digits, 2),
            (Content::Ascii, Format::Text | Format::Track) => (Class::Ascii, 2),
            (Content::Ebcdic(_), Format::Numeric) => (Class::EbcdicDigits, 2),
            (Content::Ebcdic(_), Format::Text | Format::Track) => (Class::Any, 2),
            // a count of bytes leaves the number of digits to the last nibble
            (Content::Bcd, _) if rule.unit == LengthUnit::Bytes && rule.length != Length::Fixed => return None,
            (Content::Bcd, Format::Numeric) => (Class::Packed, 1),
            // a packed track holds nibble D as its separator
            (Content::Bcd, Format::Track) => (Class::Any, 1),
            _ => return None,
        })
    }

    /// How many units the element has that begins, with its prefix, at the start of `bytes`; `None` if that is not to
    /// be read, or more than the row allows.
    #[inline(always)]
    pub(crate) fn units(self, bytes: &[u8]) -> Option<usize> {
        let most = u32::from(self.size);
        let units = if self.prefix == Prefix::Implied { most } else { self.prefix.read(bytes)? };
        (units <= most).then_some(units as usize)
    }

    /// Writes the prefix of an element into the room that was left for it at `start`, before its verbatim content; false
    /// where the content does not fit the row. Digits pass the test of every class that is verbatim.
    #[inline]
    pub(crate) fn seal(&self, wire: &mut [u8], start: usize, digits: bool) -> bool {
        let (size, content) = (usize::from(self.size), start + self.prefix.wire_len());
        let Some(length) = wire.len().checked_sub(content) else { return false };
        let length_fits = match self.prefix {
            Prefix::None => length == size,
            prefix => length <= size && prefix.write(length, &mut wire[start..content]),
        };
        length_fits && (digits || self.class.holds(&wire[content..]))
    }

    /// Whether so many characters, each by its low nibble, make packed content of the row; `digits` if they are known
    /// to be such.
    #[inline]
    pub(crate) fn packs(&self, chars: &[u8], digits: bool) -> bool {
        match self.class {
            Class::Packed => digits || all_digits(chars),
            // the separator of a track has the nibble that it is packed to
            Class::Any => self.halves == 1 && all_track_digits(chars),
            _ => false,
        }
    }

    /// Appends the prefix of so many units; false where the row does not allow them.
    #[inline]
    pub(crate) fn announce(&self, units: usize, out: &mut Vec<u8>) -> bool {
        let size = usize::from(self.size);
        match self.prefix {
            Prefix::None => units * usize::from(self.halves) == 2 * size,
            Prefix::Implied => units == size,
            prefix => {
                let start = out.len();
                out.extend_from_slice(&[0; Prefix::MOST_BYTES]);
                out.truncate(start + prefix.wire_len());
                units <= size && prefix.write(units, &mut out[start..])
            }
        }
    }

    /// Bytes of content where the row says how long it is.
    #[inline]
    pub(crate) fn wire_len_implied(&self) -> usize {
        if self.prefix == Prefix::None { usize::from(self.size) } else { self.wire_len(usize::from(self.size)) }
    }

    /// Bytes that `units` take.
    #[inline]
    pub(crate) fn wire_len(self, units: usize) -> usize {
        (units * usize::from(self.halves)).div_ceil(2)
    }
}

impl Prefix {
    pub(crate) const MOST_BYTES: usize = 3;

    fn of(encoding: PrefixEncoding, digits: u8) -> Option<Self> {
        Some(match (encoding, encoding.wire_len(digits)) {
            (PrefixEncoding::Ascii, 2) => Self::Ascii2,
            (PrefixEncoding::Ascii, 3) => Self::Ascii3,
            (PrefixEncoding::Ebcdic, 2) => Self::Ebcdic2,
            (PrefixEncoding::Ebcdic, 3) => Self::Ebcdic3,
            (PrefixEncoding::Bcd, 1) => Self::Packed1,
            (PrefixEncoding::Bcd, 2) => Self::Packed2,
            (PrefixEncoding::Binary, 1) => Self::Binary1,
            (PrefixEncoding::Binary, 2) => Self::Binary2,
            _ => return None,
        })
    }

    fn passes(self, class: Class) -> bool {
        match self {
            Self::None | Self::Implied => true,
            Self::Ascii2 | Self::Ascii3 => matches!(class, Class::Any | Class::Digits | Class::Ascii | Class::Hex),
            Self::Ebcdic2 | Self::Ebcdic3 => matches!(class, Class::Any | Class::EbcdicDigits),
            Self::Packed1 | Self::Packed2 => matches!(class, Class::Any | Class::Packed),
            Self::Binary1 | Self::Binary2 => class == Class::Any,
        }
    }

    /// Bytes it takes.
    #[inline]
    pub(crate) fn wire_len(self) -> usize {
        match self {
            Self::None | Self::Implied => 0,
            Self::Packed1 | Self::Binary1 => 1,
            Self::Ascii2 | Self::Ebcdic2 | Self::Packed2 | Self::Binary2 => 2,
            Self::Ascii3 | Self::Ebcdic3 => 3,
        }
    }

    /// Writes `number` into `place`, which is as long as the prefix; false if it does not fit.
    #[inline]
    fn write(self, number: usize, place: &mut [u8]) -> bool {
        // of known length each, so that the digits are written without a loop
        let written = match self {
            Self::None | Self::Implied => return true,
            Self::Ascii2 => place.first_chunk_mut::<2>().map(|place| PrefixEncoding::Ascii.write(number, place)),
            Self::Ascii3 => place.first_chunk_mut::<3>().map(|place| PrefixEncoding::Ascii.write(number, place)),
            Self::Ebcdic2 | Self::Ebcdic3 => Some(PrefixEncoding::Ebcdic.write(number, place)),
            Self::Packed1 => place.first_chunk_mut::<1>().map(|place| PrefixEncoding::Bcd.write(number, place)),
            Self::Packed2 => place.first_chunk_mut::<2>().map(|place| PrefixEncoding::Bcd.write(number, place)),
            Self::Binary1 | Self::Binary2 => Some(PrefixEncoding::Binary.write(number, place)),
        };
        written.unwrap_or_default()
    }

    /// The number it holds at the start of `bytes`; `None` if it holds none or is not there whole.
    #[inline(always)]
    fn read(self, bytes: &[u8]) -> Option<u32> {
        Some(match self {
            Self::None | Self::Implied => 0,
            Self::Ascii2 => decimal(*bytes.first_chunk::<2>()?, b'0')?,
            Self::Ascii3 => decimal(*bytes.first_chunk::<3>()?, b'0')?,
            Self::Ebcdic2 => decimal(*bytes.first_chunk::<2>()?, 0xF0)?,
            Self::Ebcdic3 => decimal(*bytes.first_chunk::<3>()?, 0xF0)?,
            Self::Packed1 => decimal(nibbles(*bytes.first()?), 0)?,
            Self::Packed2 => {
                let [first, second] = *bytes.first_chunk::<2>()?;
                decimal(nibbles(first), 0)? * 100 + decimal(nibbles(second), 0)?
            }
            Self::Binary1 => u32::from(*bytes.first()?),
            Self::Binary2 => u32::from(u16::from_be_bytes(*bytes.first_chunk()?)),
        })
    }
}

#[inline]
fn nibbles(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15]
}

#[inline]
fn decimal<const N: usize>(digits: [u8; N], zero: u8) -> Option<u32> {
    let digits = digits.map(|digit| digit.wrapping_sub(zero));
    // no early exit: a prefix is nearly always well formed
    let right = digits.iter().fold(true, |right, digit| right & (*digit <= 9));
    right.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(*digit)))
}

impl Filler {
    /// Whether `content`, an odd number of packed digits, has it.
    #[inline]
    pub(crate) fn is_in(self, content: &[u8]) -> bool {
        match (self, content) {
            (Self::First, [first, ..]) => first >> 4 == 0,
            (Self::Last, [.., last]) => last & 15 == 0,
            (Self::LastF, [.., last]) => last & 15 == 15,
            _ => true,
        }
    }
}

impl Dialect {
    #[inline]
    pub(crate) fn strides(&self) -> &Strides {
        &self.strides
    }

    /// Whether the characters of a number stand on the wire as they are, and so nearly all others too.
    pub(crate) fn is_verbatim(&self) -> bool {
        self.strides[usize::from(<de::Stan as DataElement>::NUMBER)].form == Form::Verbatim
    }
}
