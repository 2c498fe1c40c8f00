//! Axes: the independent choices of a dialect, as far as a message has shown them.

use crate::dialect::{BitmapEncoding, Rule, Version};
use crate::ebcdic::CodePage;
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};

/// Bits against an element that departs from the choice already made: it would be an exception.
pub(super) const EXCEPTION: f32 = 9.0;

/// The EBCDIC page assumed if a message does not show it: digits and letters are the same in all pages.
pub(super) const EBCDIC: Content = Content::Ebcdic(CodePage::Cp500);

/// One choice per axis; `None` until an element depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axes {
    pub version: Version,
    pub mti: Content,
    pub bitmap: BitmapEncoding,
    pub n: Option<Content>,
    pub ch: Option<Content>,
    pub z: Option<Content>,
    pub b: Option<Content>,
    pub len: Option<PrefixEncoding>,
    pub len_unit: Option<LengthUnit>,
    pub pad: Option<Padding>,
    pub pad_var: Option<Padding>,
}

impl Axes {
    pub(super) fn of(version: Version, mti: Content, bitmap: BitmapEncoding) -> Self {
        Self {
            version,
            mti,
            bitmap,
            n: None,
            ch: None,
            z: None,
            b: None,
            len: None,
            len_unit: None,
            pad: None,
            pad_var: None,
        }
    }

    pub(super) fn content(&self, format: Format) -> Option<Content> {
        match format {
            Format::Numeric | Format::SignedNumeric => self.n,
            Format::Text => self.ch,
            Format::Binary => self.b,
            Format::Track => self.z,
        }
    }

    pub(super) fn set_content(&mut self, format: Format, content: Content) {
        let slot = match format {
            Format::Numeric | Format::SignedNumeric => &mut self.n,
            Format::Text => &mut self.ch,
            Format::Binary => &mut self.b,
            Format::Track => &mut self.z,
        };
        slot.get_or_insert(content);
    }

    /// The possible encodings of an element of this format, with the bits against each.
    pub(super) fn contents(&self, format: Format) -> [(Content, f32); 3] {
        let ways = match format {
            Format::Binary => [Content::Raw, Content::HexAscii, Content::HexEbcdic(CodePage::Cp500)],
            // letters are never packed: text has two encodings, and repeating one does no harm
            Format::Text => [Content::Ascii, EBCDIC, EBCDIC],
            _ => [Content::Ascii, Content::Bcd, EBCDIC],
        };
        ways.map(|way| (way, self.content_cost(format, way)))
    }

    fn content_cost(&self, format: Format, way: Content) -> f32 {
        if let Some(bound) = self.content(format) {
            return if bound == way { 0.0 } else { EXCEPTION };
        }
        let digits = self.n.unwrap_or(self.mti);
        match format {
            Format::Numeric | Format::SignedNumeric => {
                if way == self.mti {
                    0.2
                } else {
                    4.0
                }
            }
            Format::Track => {
                if way == digits {
                    0.3
                } else {
                    3.0
                }
            }
            Format::Text => match (digits, way) {
                (Content::Bcd, Content::Ascii) => 0.3,
                (Content::Bcd, _) => 2.5,
                (digits, way) if digits == way => 0.1,
                _ => 6.0,
            },
            Format::Binary => match (self.bitmap, way) {
                (BitmapEncoding::Raw, Content::Raw) => 0.3,
                (BitmapEncoding::HexAscii, Content::HexAscii) | (BitmapEncoding::HexEbcdic, Content::HexEbcdic(_)) => {
                    0.5
                }
                (_, Content::Raw) => 2.0,
                (BitmapEncoding::Raw, Content::HexAscii) => 2.5,
                _ => 8.0,
            },
        }
    }

    pub(super) fn prefixes(&self) -> [(PrefixEncoding, f32); 4] {
        let digits = self.n.unwrap_or(self.mti);
        [PrefixEncoding::Ascii, PrefixEncoding::Bcd, PrefixEncoding::Binary, PrefixEncoding::Ebcdic].map(|way| {
            let cost = match (self.len, digits, way) {
                (Some(bound), ..) => {
                    if bound == way {
                        0.0
                    } else {
                        EXCEPTION
                    }
                }
                (None, Content::Bcd, PrefixEncoding::Bcd) => 0.5,
                (None, Content::Bcd, PrefixEncoding::Binary) => 2.0,
                (None, Content::Ascii, PrefixEncoding::Ascii) | (None, Content::Ebcdic(_), PrefixEncoding::Ebcdic) => {
                    0.2
                }
                (None, ..) => 4.0,
            };
            (way, cost)
        })
    }

    /// The possible positions of the filler for an odd number of packed digits.
    pub(super) fn paddings(&self, variable: bool) -> [(Padding, f32); 3] {
        let bound = if variable { self.pad_var } else { self.pad };
        [Padding::LeftZero, Padding::RightZero, Padding::RightF].map(|way| {
            let cost = match (bound, variable, way) {
                (Some(bound), ..) => {
                    if bound == way {
                        0.0
                    } else {
                        EXCEPTION
                    }
                }
                (None, false, Padding::LeftZero) => 0.4,
                (None, false, Padding::RightZero) => 2.0,
                (None, true, Padding::LeftZero | Padding::RightZero) => 1.3,
                (None, _, _) => 3.0,
            };
            (way, cost)
        })
    }

    pub(super) fn set_padding(&mut self, variable: bool, padding: Padding) {
        if variable { &mut self.pad_var } else { &mut self.pad }.get_or_insert(padding);
    }

    /// The possible units of prefixes of packed elements. There are no exceptions from this choice.
    pub(super) fn units(&self) -> Vec<(LengthUnit, f32)> {
        match self.len_unit {
            Some(bound) => vec![(bound, 0.0)],
            None => vec![(LengthUnit::Digits, 0.4), (LengthUnit::Bytes, 3.0)],
        }
    }

    /// The row with these choices applied.
    pub(super) fn applied(&self, row: &Rule) -> Rule {
        let variable = row.length != crate::dialect::Length::Fixed;
        let pad = if variable { self.pad_var.or(self.pad) } else { self.pad };
        let content = self.content(row.format).or_else(|| self.fallback(row.format)).unwrap_or(row.content);
        Rule {
            content,
            prefix: self.len.unwrap_or(row.prefix),
            unit: self.len_unit.unwrap_or(row.unit),
            padding: pad.unwrap_or(row.padding),
            ..*row
        }
    }

    /// The axis that determines one that has not been shown.
    fn fallback(&self, format: Format) -> Option<Content> {
        match format {
            Format::Track => self.n,
            Format::Numeric | Format::SignedNumeric => Some(self.mti),
            _ => None,
        }
    }
}
