//! Dialects: one partner's way of writing ISO 8583, as data. For each element: length, encoding, exposure.

mod dictionary;
mod difference;
mod file;
mod load;
mod plan;
mod plans;
mod prefix;
mod read_rule;
mod shipped;
mod words;
mod write_rule;

pub use dictionary::Word;
pub use difference::Change;
pub use file::{DialectError, Keys};
pub use load::load;
pub(crate) use plan::{Marks, Plan, Then};
pub(crate) use plans::PlanNumber;
pub(crate) use read_rule::{Filler, ReadRule, ReadRules};
pub use shipped::{SHIPPED, shipped, shipped_text};

use crate::composite::Inner;
use crate::de::{self, Exposure};
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};
use std::collections::BTreeMap;

/// The edition of the standard whose field table a dialect is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    V1987,
    V1993,
    /// Provisional: no public message of this version was found to test it on.
    V2003,
}

/// Where the length of an element comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Fixed,
    /// A prefix of so many decimal digits (1–6).
    Prefix(u8),
}

/// One row: length and encoding of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub format: Format,
    pub content: Content,
    pub length: Length,
    /// Characters, digits or bytes: the length if fixed, the largest length if not.
    pub max: usize,
    pub prefix: PrefixEncoding,
    pub unit: LengthUnit,
    pub padding: Padding,
    pub exposure: Exposure,
}

impl Rule {
    /// Bytes on the wire for `units` characters, without the prefix.
    pub fn wire_len(&self, units: usize) -> usize {
        match (self.format, self.content) {
            (Format::SignedNumeric, Content::Bcd) if units > 0 => 1 + (units - 1).div_ceil(2),
            _ => self.content.wire_len(units),
        }
    }

    /// Offset on the wire of unit `index` of the content.
    pub(crate) fn place_of(&self, index: usize) -> usize {
        match self.content {
            Content::Bcd => index / 2,
            content => content.wire_len(index),
        }
    }

    /// The number in the length prefix of content with `units` units.
    #[inline]
    pub(crate) fn counted(&self, units: usize) -> usize {
        match (self.content, self.unit) {
            (Content::Bcd, LengthUnit::Bytes) | (Content::HexAscii | Content::HexEbcdic(_), LengthUnit::Digits) => {
                self.wire_len(units)
            }
            _ => units,
        }
    }

    /// The number of units for a prefix of `counted` before `rest`; `None` for half a byte.
    #[inline]
    pub(crate) fn units(&self, counted: usize, rest: &[u8]) -> Option<usize> {
        match (self.content, self.unit) {
            // a count of bytes loses the parity of an odd number of digits: only a trailing F, or a limit that is
            // exceeded, reveals it
            (Content::Bcd, LengthUnit::Bytes) => {
                // the sign takes a whole byte
                let signs = usize::from(self.format == Format::SignedNumeric && counted > 0);
                let last = counted.checked_sub(1).and_then(|i| rest.get(i)).filter(|_| counted > signs);
                let ends_in_f = last.is_some_and(|byte| byte & 15 == 15);
                let nibbles = signs + (counted - signs) * 2;
                Some(nibbles - usize::from(ends_in_f || nibbles == self.max + 1))
            }
            (Content::HexAscii | Content::HexEbcdic(_), LengthUnit::Digits) => {
                counted.is_multiple_of(2).then_some(counted / 2)
            }
            _ => Some(counted),
        }
    }
}

/// Where a third bitmap is located.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tertiary {
    /// After the second, announced by bit 65.
    AfterSecondary,
    /// After the second, in a chain in which the first bit of each bitmap announces the next: bit 129 would announce a
    /// fourth bitmap and is no element.
    Chained,
    /// In place of element 127, announced by bit 127.
    InDe127,
}

impl Tertiary {
    /// The bit that would announce a fourth bitmap.
    pub(crate) const FOURTH: u8 = 129;

    /// The element whose bit announces the third bitmap.
    #[inline]
    pub fn element(self) -> u8 {
        match self {
            Self::AfterSecondary | Self::Chained => de::BITMAP_TERTIARY,
            Self::InDe127 => de::NESTED,
        }
    }
}

/// Encoding of a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapEncoding {
    Raw,
    HexAscii,
    HexEbcdic,
}

impl BitmapEncoding {
    /// Bytes of one bitmap on the wire.
    #[inline]
    pub(crate) fn wire_len(self) -> usize {
        match self {
            Self::Raw => 8,
            Self::HexAscii | Self::HexEbcdic => 16,
        }
    }
}

/// A partner's way of writing ISO 8583: encodings, header, bitmaps, and a row per element.
#[derive(Clone, Debug)]
pub struct Dialect {
    pub name: String,
    /// Name of the dialect that its file extends.
    pub extends: Option<String>,
    /// One line of description, from the dialect's file.
    pub description: String,
    pub version: Version,
    pub mti: Content,
    pub bitmap: BitmapEncoding,
    pub tertiary: Option<(Tertiary, BitmapEncoding)>,
    /// The header before the MTI, in a message that is no answer.
    pub header: Vec<u8>,
    /// Mask of the header's constant bits: a named header leaves the others to the sender.
    header_mask: Vec<u8>,
    pub ebcdic: crate::ebcdic::CodePage,
    rules: Box<[Option<Rule>; 193]>,
    read_rules: Box<ReadRules>,
    write_rules: write_rule::WriteRules,
    plans: plans::Plans,
    /// The choices for every element without an exception.
    defaults: file::Defaults,
    /// The file's notes on elements: what the partner keeps there.
    notes: BTreeMap<u8, String>,
    /// The forms of composite elements.
    inners: BTreeMap<u8, Inner>,
}

/// Compiles each row; the result is indexed by element number. `otherwise` stands where there is no row, where a bitmap
/// is, or where `of` returns `None`.
fn compiled<T: Copy>(
    rules: &[Option<Rule>; 193],
    tertiary: Option<Tertiary>,
    otherwise: T,
    of: impl Fn(&Rule) -> Option<T>,
) -> [T; 256] {
    let mut table = [otherwise; 256];
    for (element, (place, rule)) in table.iter_mut().zip(rules).enumerate() {
        let is_bitmap = tertiary.is_some_and(|place| place.element() == element as u8);
        *place = rule.as_ref().filter(|_| !is_bitmap).and_then(&of).unwrap_or(otherwise);
    }
    table
}

impl Dialect {
    /// The third bitmap, if the bit of this element announces it: there is no element of that number then.
    #[inline]
    pub fn third_bitmap_at(&self, element: u8) -> Option<(Tertiary, BitmapEncoding)> {
        self.tertiary.filter(|(place, _)| place.element() == element)
    }

    /// Whether these bytes are a valid header of the dialect.
    pub(crate) fn is_header(&self, found: &[u8]) -> bool {
        let same = |((found, own), mask): ((&u8, &u8), &u8)| (found ^ own) & mask == 0;
        found.len() == self.header.len() && found.iter().zip(&self.header).zip(&self.header_mask).all(same)
    }

    /// The row of an element, if the dialect has one.
    #[inline]
    pub fn rule(&self, element: u8) -> Option<&Rule> {
        self.rules.get(usize::from(element)).and_then(Option::as_ref)
    }

    /// The file's note on an element.
    pub fn note(&self, element: u8) -> Option<&str> {
        self.notes.get(&element).map(String::as_str)
    }

    /// The form of an element's content, if it is composite.
    pub fn inner(&self, element: u8) -> Option<&Inner> {
        self.inners.get(&element)
    }

    /// Elements that have a row, ascending.
    pub fn elements(&self) -> impl Iterator<Item = (u8, &Rule)> {
        (2..=192u8).filter_map(|n| self.rule(n).map(|rule| (n, rule)))
    }

    /// The element of the message authentication code in a message whose highest element is `highest`.
    pub fn mac_element(highest: u8) -> u8 {
        if highest > de::MAC_PRIMARY { de::MAC_SECONDARY } else { de::MAC_PRIMARY }
    }
}
