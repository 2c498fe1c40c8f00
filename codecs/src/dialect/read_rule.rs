//! Rows compiled for reading: how to step over an element, and what to test.

use super::prefix::Prefix;
use super::{Dialect, Length, Rule, Tertiary};
use crate::char_class::CharClass;
use crate::encoding::{Content, Format, LengthUnit, Padding};

/// A row compiled for reading: the size of an element, and the class of its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRule {
    pub(crate) class: CharClass,
    pub(crate) prefix: Prefix,
    pub(crate) filler: Filler,
    /// Whether every readable prefix passes the class's test too.
    pub(crate) prefix_of_class: bool,
    /// Half bytes per unit.
    halves: u8,
    /// Bytes, if neither prefix nor filler needs a check; otherwise units, and with a prefix the largest number of
    /// them.
    pub(crate) size: u16,
}

/// Position, and thus value, of the filler nibble of an odd number of packed digits.
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

/// One read rule for each value of a byte, so that indexing needs no check.
pub(crate) type ReadRules = [ReadRule; 256];

impl ReadRule {
    /// An element that always needs to be read by itself.
    pub(super) const ALONE: Self = Self {
        class: CharClass::Alone,
        prefix: Prefix::NONE,
        filler: Filler::None,
        prefix_of_class: false,
        halves: 2,
        size: 0,
    };

    /// The read rules of a dialect's rows.
    pub(super) fn table(rules: &[Option<Rule>; 193], tertiary: Option<Tertiary>) -> Box<ReadRules> {
        Box::new(super::compiled(rules, tertiary, Self::ALONE, Self::of))
    }

    /// `None` if a test of single bytes cannot tell whether the element is well formed.
    fn of(rule: &Rule) -> Option<Self> {
        let (class, halves) = Self::class_of(rule)?;
        let filler = match rule.padding {
            _ if halves != 1 || (rule.length == Length::Fixed && rule.max.is_multiple_of(2)) => Filler::None,
            Padding::LeftZero => Filler::First,
            Padding::RightZero => Filler::Last,
            // a filler that is no digit cannot be distinguished from a wrong digit by its byte alone
            Padding::RightF if class == CharClass::Packed => return None,
            Padding::RightF => Filler::LastF,
        };
        let (prefix, size) = match rule.length {
            Length::Fixed if filler == Filler::None => (Prefix::NONE, rule.wire_len(rule.max)),
            Length::Fixed => (Prefix::NONE, rule.max),
            // no message contains more units than a u16 can count
            Length::Prefix(digits) => (Prefix::of(rule.prefix, digits)?, rule.max.min(usize::from(u16::MAX))),
        };
        let (prefix_of_class, size) = (prefix.passes(class), u16::try_from(size).ok()?);
        Some(Self { class, prefix, filler, prefix_of_class, halves, size })
    }

    fn class_of(rule: &Rule) -> Option<(CharClass, u8)> {
        Some(match (rule.content, rule.format) {
            (Content::Raw, _) => (CharClass::Any, 2),
            // the prefix counts hex digits, not bytes
            (Content::HexAscii, _) if rule.unit == LengthUnit::Digits && rule.length != Length::Fixed => return None,
            (Content::HexAscii, _) => (CharClass::Hex, 4),
            (Content::Ascii, Format::Numeric) => (CharClass::Digits, 2),
            (Content::Ascii, Format::Text | Format::Track) => (CharClass::Ascii, 2),
            (Content::Ebcdic(_), Format::Numeric) => (CharClass::EbcdicDigits, 2),
            (Content::Ebcdic(_), Format::Text | Format::Track) => (CharClass::Any, 2),
            // the prefix counts bytes; only the last nibble tells the number of digits
            (Content::Bcd, _) if rule.unit == LengthUnit::Bytes && rule.length != Length::Fixed => return None,
            (Content::Bcd, Format::Numeric) => (CharClass::Packed, 1),
            // a packed track has nibble D as its separator
            (Content::Bcd, Format::Track) => (CharClass::Any, 1),
            _ => return None,
        })
    }

    /// Whether the element has the same size in every message and no byte of it needs a check.
    #[inline(always)]
    pub(crate) fn is_fixed(self) -> bool {
        self.prefix.is_none() && self.filler == Filler::None && self.class != CharClass::Alone
    }

    /// The number of units of the element whose content begins at `start`; `None` if its prefix is malformed or exceeds
    /// the row's limit.
    #[inline(always)]
    pub(crate) fn units(self, bytes: &[u8], start: usize) -> Option<u32> {
        let most = u32::from(self.size);
        let units = if self.prefix.is_none() { most } else { self.prefix.read(bytes, start)? };
        (units <= most).then_some(units)
    }

    /// Bytes for that many units.
    #[inline(always)]
    pub(crate) fn wire_len(self, units: u32) -> usize {
        ((units * u32::from(self.halves) + 1) >> 1) as usize
    }
}

impl Filler {
    /// Whether `content`, an odd number of packed digits, has this filler.
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
    pub(crate) fn read_rules(&self) -> &ReadRules {
        &self.read_rules
    }
}
