//! A dialect is data: per element, how long, how encoded, how secret.

mod dictionary;
mod difference;
mod file;
mod load;
mod plan;
mod plans;
mod prefix;
mod shipped;
mod stride;
mod stroke;
mod words;

pub use dictionary::Word;
pub use difference::Change;
pub use file::{DialectError, Keys};
pub use load::load;
pub(crate) use plan::{Marks, Plan, Then};
pub(crate) use plans::PlanNumber;
pub use shipped::{SHIPPED, shipped, shipped_text};
pub(crate) use stride::{Filler, Stride, Strides};

use crate::composite::Inner;
use crate::de::{self, Exposure};
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};
use std::collections::BTreeMap;

/// The edition of the standard whose field table a dialect starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    V1987,
    V1993,
    /// Provisional: no public wire sample was found.
    V2003,
}

/// Where the length of an element comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Fixed,
    /// A prefix of so many decimal digits (1–6).
    Prefix(u8),
}

/// One row: how an element stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub format: Format,
    pub content: Content,
    pub length: Length,
    /// Characters, digits or bytes: the length if fixed, the limit if not.
    pub max: usize,
    pub prefix: PrefixEncoding,
    pub unit: LengthUnit,
    pub padding: Padding,
    pub exposure: Exposure,
}

impl Rule {
    /// Bytes on the wire of `units` characters, prefix excluded.
    pub fn wire_len(&self, units: usize) -> usize {
        match (self.format, self.content) {
            (Format::SignedNumeric, Content::Bcd) if units > 0 => 1 + (units - 1).div_ceil(2),
            _ => self.content.wire_len(units),
        }
    }

    /// Where unit `index` of the content starts in the bytes on the wire.
    pub(crate) fn place_of(&self, index: usize) -> usize {
        match self.content {
            Content::Bcd => index / 2,
            content => content.wire_len(index),
        }
    }

    /// What a length prefix says where the content is `units` long.
    #[inline]
    pub(crate) fn counted(&self, units: usize) -> usize {
        match (self.content, self.unit) {
            (Content::Bcd, LengthUnit::Bytes) | (Content::HexAscii | Content::HexEbcdic(_), LengthUnit::Digits) => {
                self.wire_len(units)
            }
            _ => units,
        }
    }

    /// How long the content is where the prefix before `rest` says `counted`; `None` for half a byte.
    #[inline]
    pub(crate) fn units(&self, counted: usize, rest: &[u8]) -> Option<usize> {
        match (self.content, self.unit) {
            // a byte count loses the parity of an odd digit count: only a trailing F can tell, or that there cannot be as many
            (Content::Bcd, LengthUnit::Bytes) => {
                // a sign takes a whole byte
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

/// Where a third bitmap is, in dialects that have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tertiary {
    /// After the second, announced by bit 65.
    AfterSecondary,
    /// The same in a row of bitmaps whose first bits each announce the next: bit 129 is then no element but would
    /// announce a fourth.
    Chained,
    /// At the place of element 127, announced by bit 127.
    InDe127,
}

impl Tertiary {
    /// The bit that would announce a fourth bitmap.
    pub(crate) const FOURTH: u8 = 129;

    /// The element whose bit announces it.
    #[inline]
    pub fn element(self) -> u8 {
        match self {
            Self::AfterSecondary | Self::Chained => de::BITMAP_TERTIARY,
            Self::InDe127 => de::NESTED,
        }
    }
}

/// How a bitmap stands in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapEncoding {
    Raw,
    HexAscii,
    HexEbcdic,
}

impl BitmapEncoding {
    /// Bytes that one bitmap takes.
    #[inline]
    pub(crate) fn wire_len(self) -> usize {
        match self {
            Self::Raw => 8,
            Self::HexAscii | Self::HexEbcdic => 16,
        }
    }
}

/// A partner's way of writing ISO 8583.
#[derive(Clone, Debug)]
pub struct Dialect {
    pub name: String,
    /// The dialect that its file starts from.
    pub extends: Option<String>,
    /// One line for people, from the dialect's file.
    pub description: String,
    pub version: Version,
    pub mti: Content,
    pub bitmap: BitmapEncoding,
    pub tertiary: Option<(Tertiary, BitmapEncoding)>,
    /// The bytes before the MTI, as a message that answers none has them.
    pub header: Vec<u8>,
    /// Which of their bits never differ: a named header leaves some to the sender.
    header_mask: Vec<u8>,
    pub ebcdic: crate::ebcdic::CodePage,
    rules: Box<[Option<Rule>; 193]>,
    strides: Box<Strides>,
    strokes: stroke::Strokes,
    plans: plans::Plans,
    /// What holds for every element without an exception.
    defaults: file::Defaults,
    /// What the partner keeps in an element, in prose.
    notes: BTreeMap<u8, String>,
    /// The elements whose content has parts.
    inners: BTreeMap<u8, Inner>,
}

/// What is compiled of each row, by its element's number; `otherwise` where there is no row, or none that `of` can do with. At
/// the place of a bitmap there is no row.
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
    /// The third bitmap, if this is the element whose bit announces it: there is then no element of that number.
    #[inline]
    pub fn third_bitmap_at(&self, element: u8) -> Option<(Tertiary, BitmapEncoding)> {
        self.tertiary.filter(|(place, _)| place.element() == element)
    }

    /// Whether bytes of the header's length are such a header.
    pub(crate) fn is_header(&self, found: &[u8]) -> bool {
        let same = |((found, own), mask): ((&u8, &u8), &u8)| (found ^ own) & mask == 0;
        found.len() == self.header.len() && found.iter().zip(&self.header).zip(&self.header_mask).all(same)
    }

    /// The row of an element, if the dialect has one.
    #[inline]
    pub fn rule(&self, element: u8) -> Option<&Rule> {
        self.rules.get(usize::from(element)).and_then(Option::as_ref)
    }

    /// What the dialect's file says the partner keeps in an element.
    pub fn note(&self, element: u8) -> Option<&str> {
        self.notes.get(&element).map(String::as_str)
    }

    /// How the content of an element is made of parts, if it is.
    pub fn inner(&self, element: u8) -> Option<&Inner> {
        self.inners.get(&element)
    }

    /// Elements that have a row, ascending.
    pub fn elements(&self) -> impl Iterator<Item = (u8, &Rule)> {
        (2..=192u8).filter_map(|n| self.rule(n).map(|rule| (n, rule)))
    }

    /// The element that carries the message authentication code when the highest element is `highest`.
    pub fn mac_element(highest: u8) -> u8 {
        if highest > de::MAC_PRIMARY { de::MAC_SECONDARY } else { de::MAC_PRIMARY }
    }
}
