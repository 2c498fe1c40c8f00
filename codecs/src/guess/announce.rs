//! The start of a message – type and bitmaps – under one way of writing them.

use super::evidence;
use crate::bitmap::Bitmap;
use crate::de;
use crate::dialect::BitmapEncoding;
use crate::encoding::{Content, hex_digit, hex_value};
use crate::mti::Mti;

/// A message of which type and bitmaps are read.
#[derive(Clone, Debug)]
pub(super) struct Announced<'b> {
    /// From the MTI to the end of the frame.
    pub bytes: &'b [u8],
    pub mti: Mti,
    /// What the bitmaps announce, without the bitmaps themselves.
    pub elements: Vec<u8>,
    /// Where the first element starts.
    pub body: usize,
    /// What type and bitmaps say for this way of writing them, in bits.
    pub gain: f32,
}

/// How type and bitmaps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub mti: Content,
    pub bitmap: BitmapEncoding,
    /// Bit 65 announces a third bitmap, written so.
    pub third: Option<BitmapEncoding>,
}

impl Opening {
    /// Bits against type and bitmap being written so, each in its own way: nobody was seen to do most of it.
    pub(super) fn oddity(&self) -> f32 {
        match (self.mti, self.bitmap) {
            (_, BitmapEncoding::Raw) => 0.0,
            (Content::Ascii, BitmapEncoding::HexAscii) | (Content::Ebcdic(_), BitmapEncoding::HexEbcdic) => 0.0,
            _ => 10.0,
        }
    }

    pub(super) fn read<'b>(&self, bytes: &'b [u8]) -> Option<Announced<'b>> {
        let width = self.mti.wire_len(4);
        let mti = message_type(self.mti, bytes.get(..width)?)?;
        let mut gain = evidence::message_type(mti, width)?;
        let mut at = width;
        let mut present = Bitmap::default();
        present.set_map(0, bitmap(self.bitmap, bytes, &mut at)?);
        let mut maps = 1;
        if present.has(de::BITMAP) {
            present.set_map(1, bitmap(self.bitmap, bytes, &mut at)?);
            maps = 2;
        }
        let wire = at - width;
        if present.has(de::BITMAP_TERTIARY)
            && let Some(third) = self.third
        {
            present.set_map(2, bitmap(third, bytes, &mut at)?);
            present.clear(de::BITMAP_TERTIARY);
        }
        let elements: Vec<u8> = present.iter().filter(|element| *element != de::BITMAP).collect();
        if elements.is_empty() {
            return None;
        }
        gain += evidence::bitmap(mti, &elements, maps, wire);
        Some(Announced { bytes, mti, elements, body: at, gain })
    }
}

fn message_type(content: Content, raw: &[u8]) -> Option<Mti> {
    let digits = match (content, raw) {
        (Content::Bcd, [high, low]) => [high >> 4, high & 15, low >> 4, low & 15].map(hex_digit),
        (Content::Ebcdic(page), [a, b, c, d]) => [*a, *b, *c, *d].map(|byte| page.decode(byte)),
        (_, [a, b, c, d]) => [*a, *b, *c, *d],
        _ => return None,
    };
    Mti::from_digits(digits)
}

/// Eight bytes, or sixteen hex digits.
pub(super) fn bitmap(encoding: BitmapEncoding, bytes: &[u8], at: &mut usize) -> Option<u64> {
    let start = *at;
    let digit = |char: u8| hex_value(char).map(u64::from);
    match encoding {
        BitmapEncoding::Raw => {
            *at += 8;
            bytes.get(start..*at).and_then(|raw| raw.try_into().ok()).map(u64::from_be_bytes)
        }
        BitmapEncoding::HexAscii | BitmapEncoding::HexEbcdic => {
            *at += 16;
            bytes.get(start..*at)?.iter().try_fold(0, |bits, byte| match encoding {
                BitmapEncoding::HexAscii => Some(bits << 4 | digit(*byte)?),
                _ => Some(bits << 4 | digit(crate::ebcdic::CodePage::Cp500.decode(*byte))?),
            })
        }
    }
}
