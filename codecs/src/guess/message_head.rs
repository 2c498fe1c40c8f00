//! The start of a message, type and bitmaps, read under one hypothesis of how they are written.

use super::evidence;
use crate::bitmap::Bitmap;
use crate::de;
use crate::dialect::BitmapEncoding;
use crate::encoding::{Content, hex_digit, hex_value};
use crate::mti::Mti;

/// A message whose type and bitmaps have been read.
#[derive(Clone, Debug)]
pub(super) struct MessageHead<'b> {
    /// The bytes from the MTI to the end of the frame.
    pub bytes: &'b [u8],
    pub mti: Mti,
    /// The announced elements, without the bitmaps.
    pub elements: Vec<u8>,
    /// Where the first element starts.
    pub body: usize,
    /// Evidence for this way of writing from type and bitmaps, in bits.
    pub gain: f32,
}

/// A way to write type and bitmaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadEncoding {
    pub mti: Content,
    pub bitmap: BitmapEncoding,
    /// Encoding of a third bitmap that bit 65 announces.
    pub third: Option<BitmapEncoding>,
}

impl HeadEncoding {
    /// Bits against this combination of encodings for type and bitmap: most combinations were never seen in use.
    pub(super) fn penalty(&self) -> f32 {
        match (self.mti, self.bitmap) {
            (_, BitmapEncoding::Raw) => 0.0,
            (Content::Ascii, BitmapEncoding::HexAscii) | (Content::Ebcdic(_), BitmapEncoding::HexEbcdic) => 0.0,
            _ => 10.0,
        }
    }

    pub(super) fn read<'b>(&self, bytes: &'b [u8]) -> Option<MessageHead<'b>> {
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
        Some(MessageHead { bytes, mti, elements, body: at, gain })
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

/// A bitmap of eight bytes, or of sixteen hex digits.
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
