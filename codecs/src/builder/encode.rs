//! Encodes the elements of a builder as a message: MTI, bitmaps, elements in the order of the dialect.

use super::{Builder, ElementRange};
use crate::bitmap::Bitmap;
use crate::de;
use crate::dialect::{BitmapEncoding, Tertiary};
use crate::encoding::Content;
use crate::error::EncodeError;
use crate::hex::{self, HexDigits};
use bytes::{Bytes, BytesMut};

impl Builder {
    /// The message's bytes.
    ///
    /// # Errors
    /// An element without a row, a value that does not fit its row.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::with_capacity(self.dialect.header.len() + Self::HEAD + self.wire.end());
        self.encode_into(&mut out)?;
        Ok(out.freeze())
    }

    /// The largest size of MTI and bitmaps.
    const HEAD: usize = 4 + 3 * 16;

    /// Appends the message's bytes to `out`, without an allocation if it has room.
    ///
    /// # Errors
    /// As [`Builder::encode`]; nothing is then appended.
    pub fn encode_into(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let present = self.with_bitmaps();
        if !self.faults.is_empty() || present.map(2) != 0 {
            self.fault(&present).map_or(Ok(()), Err)?;
        }
        out.reserve(self.dialect.header.len() + Self::HEAD + self.wire.end());
        if !self.dialect.header.is_empty() {
            out.extend_from_slice(if self.header.is_empty() { &self.dialect.header } else { &self.header });
        }
        self.write_mti(out);
        self.write_bitmap(present.map(0), self.dialect.bitmap, out);
        if present.has(de::BITMAP) {
            self.write_bitmap(present.map(1), self.dialect.bitmap, out);
        }
        match self.dialect.tertiary {
            Some((place, encoding)) if present.has(place.element()) => {
                self.write_with_third(&present, place, encoding, out)
            }
            _ if self.in_order => out.extend_from_slice(self.wire.held()),
            _ => self.write_elements(&present, 0, u8::MAX, out),
        }
        Ok(())
    }

    /// The first element that cannot be encoded.
    #[cold]
    fn fault(&self, present: &Bitmap) -> Option<EncodeError> {
        let unannounced = present.next(de::THIRD).filter(|_| self.dialect.tertiary.is_none()).map(EncodeError::NoRule);
        let fault = self.faults.iter().min_by_key(|(element, _)| *element).map(|(_, fault)| *fault);
        fault.or(unannounced)
    }

    fn write_with_third(&self, present: &Bitmap, place: Tertiary, encoding: BitmapEncoding, out: &mut BytesMut) {
        match place {
            Tertiary::AfterSecondary | Tertiary::Chained => {
                self.write_bitmap(present.map(2), encoding, out);
                self.write_elements(present, 0, u8::MAX, out);
            }
            Tertiary::InDe127 => {
                self.write_elements(present, 0, de::NESTED, out);
                self.write_bitmap(present.map(2), encoding, out);
                self.write_elements(present, de::NESTED + 1, u8::MAX, out);
            }
        }
    }

    /// Writes the elements within `from..to`; elements that were put one after the other are copied as one block.
    fn write_elements(&self, present: &Bitmap, from: u8, to: u8, out: &mut BytesMut) {
        let mut piece = ElementRange::default();
        let mut elements = *present;
        elements.clear(de::BITMAP);
        self.dialect.tertiary.iter().for_each(|(third, _)| elements.clear(third.element()));
        for element in elements.iter().filter(|element| (from..to).contains(element)) {
            let place = self.ranges[usize::from(element)];
            if place.start != piece.end {
                out.extend_from_slice(&self.wire.held()[piece.start as usize..piece.end as usize]);
                piece = place;
            }
            piece.end = place.end;
        }
        out.extend_from_slice(&self.wire.held()[piece.start as usize..piece.end as usize]);
    }

    /// The present elements, and the bits that announce further bitmaps.
    fn with_bitmaps(&self) -> Bitmap {
        let mut present = self.present;
        if present.map(2) != 0
            && let Some((place, _)) = self.dialect.tertiary
        {
            present.set(place.element());
        }
        if present.map(1) != 0 {
            present.set(de::BITMAP);
        }
        present
    }

    fn write_mti(&self, out: &mut BytesMut) {
        let d = self.mti.digits();
        match self.dialect.mti {
            Content::Bcd => out.extend_from_slice(&[(d[0] & 15) << 4 | d[1] & 15, (d[2] & 15) << 4 | d[3] & 15]),
            Content::Ebcdic(page) => out.extend_from_slice(&d.map(|c| page.encode(c))),
            _ => out.extend_from_slice(d),
        }
    }

    #[inline]
    fn write_bitmap(&self, bits: u64, encoding: BitmapEncoding, out: &mut BytesMut) {
        match encoding {
            BitmapEncoding::Raw => out.extend_from_slice(&bits.to_be_bytes()),
            BitmapEncoding::HexAscii => out.extend_from_slice(&hex::word_digits(bits, HexDigits::ASCII)),
            BitmapEncoding::HexEbcdic => out.extend_from_slice(&hex::word_digits(bits, HexDigits::EBCDIC)),
        }
    }
}
