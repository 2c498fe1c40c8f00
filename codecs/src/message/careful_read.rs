//! The slow way to read a message: element by element, with an exact error for a fault.

use crate::bitmap::Bitmap;
use crate::de;
use crate::dialect::{BitmapEncoding, Dialect, Length, Rule, Tertiary};
use crate::encoding::hex_value;
use crate::error::{DecodeError, ErrorKind};
use crate::field::Field;
use crate::hex;
use crate::mti::Mti;

pub(super) struct Cursor<'m> {
    pub(super) bytes: &'m [u8],
    pub(super) at: usize,
    pub(super) dialect: &'m Dialect,
}

impl<'m> Cursor<'m> {
    fn take(&mut self, element: u8, count: usize) -> Result<&'m [u8], DecodeError> {
        let Some(taken) = self.bytes.get(self.at..self.at + count) else { return Err(self.cut_short(element, count)) };
        self.at += count;
        Ok(taken)
    }

    #[cold]
    fn cut_short(&self, element: u8, wanted: usize) -> DecodeError {
        let left = self.bytes.len() - self.at;
        DecodeError::new(ErrorKind::Truncated, element, self.at).sized(wanted, left)
    }

    /// Reads the dialect's header and the MTI.
    #[inline]
    pub(super) fn start(&mut self) -> Result<Mti, DecodeError> {
        let wanted = &self.dialect.header;
        if !wanted.is_empty() && !self.dialect.is_header(self.take(de::MTI, wanted.len())?) {
            return Err(DecodeError::new(ErrorKind::Framing, de::MTI, 0));
        }
        let start = self.at;
        let raw = self.take(de::MTI, self.dialect.mti.wire_len(4))?;
        Mti::from_wire(raw, self.dialect.mti).ok_or(DecodeError::new(ErrorKind::Charset, de::MTI, start))
    }

    #[inline]
    pub(super) fn bitmaps(&mut self) -> Result<Bitmap, DecodeError> {
        let mut present = Bitmap::default();
        let encoding = self.dialect.bitmap;
        present.set_map(0, self.bitmap(encoding)?);
        if present.has(de::BITMAP) {
            present.set_map(1, self.bitmap(encoding)?);
            if present.has(de::BITMAP_TERTIARY) {
                match self.dialect.tertiary {
                    Some((Tertiary::AfterSecondary | Tertiary::Chained, third)) => {
                        present.set_map(2, self.bitmap(third)?)
                    }
                    _ => return Err(DecodeError::new(ErrorKind::NoRule, de::BITMAP_TERTIARY, self.at)),
                }
            }
        }
        Ok(present)
    }

    #[inline]
    fn bitmap(&mut self, encoding: BitmapEncoding) -> Result<u64, DecodeError> {
        let start = self.at;
        let raw = self.take(de::BITMAP, encoding.wire_len())?;
        match encoding {
            BitmapEncoding::Raw => Ok(u64::from_be_bytes(raw.try_into().expect("eight bytes were taken"))),
            BitmapEncoding::HexAscii => {
                let digits = raw.try_into().expect("sixteen bytes were taken");
                hex::word(digits).ok_or_else(|| not_hex(start, digits.map(|char| char.is_ascii().then_some(char))))
            }
            BitmapEncoding::HexEbcdic => {
                let digits = <[u8; 16]>::try_from(raw).expect("sixteen bytes were taken");
                let digits = digits.map(|byte| self.dialect.ebcdic.decode(byte));
                hex::word(&digits).ok_or_else(|| not_hex(start, digits.map(Some)))
            }
        }
    }

    /// Reads over an announced element, or reads the bitmap that takes its place.
    pub(super) fn pass(&mut self, element: u8, present: &mut Bitmap) -> Result<(), DecodeError> {
        match (self.dialect.third_bitmap_at(element), self.dialect.rule(element)) {
            (Some((Tertiary::AfterSecondary | Tertiary::Chained, _)), _) => Ok(()),
            (Some((Tertiary::InDe127, encoding)), _) => {
                present.set_map(2, self.bitmap(encoding)?);
                Ok(())
            }
            (None, Some(rule)) => self.element(element, rule),
            (None, None) => Err(DecodeError::new(ErrorKind::NoRule, element, self.at)),
        }
    }

    fn element(&mut self, element: u8, rule: &'m Rule) -> Result<(), DecodeError> {
        let units = self.units(element, rule)?;
        let start = self.at;
        let raw = self.take(element, rule.wire_len(units))?;
        let checked = Field { raw, rule, units }.check();
        checked.map_err(|(kind, at)| DecodeError::new(kind, element, start + at))
    }

    /// The length of the element that begins here, from its row or its prefix, which is consumed.
    pub(super) fn units(&mut self, element: u8, rule: &Rule) -> Result<usize, DecodeError> {
        let Length::Prefix(digits) = rule.length else { return Ok(rule.max) };
        let start = self.at;
        let raw = self.take(element, rule.prefix.wire_len(digits))?;
        let counted = rule.prefix.read(raw).ok_or_else(|| DecodeError::new(ErrorKind::BadLength, element, start))?;
        let units = rule.units(counted, &self.bytes[self.at..]);
        let units = units.ok_or_else(|| DecodeError::new(ErrorKind::BadLength, element, start))?;
        if units > rule.max {
            return Err(DecodeError::new(ErrorKind::LengthOverMax, element, start).sized(rule.max, units));
        }
        Ok(units)
    }
}

/// The error for the first character of a bitmap that is no hex digit; `None` is one that is not even ASCII.
#[cold]
fn not_hex(start: usize, chars: [Option<u8>; 16]) -> DecodeError {
    let wrong = chars.iter().position(|char| char.and_then(hex_value).is_none()).unwrap_or(0);
    let kind = if chars[wrong].is_some() { ErrorKind::BadHex } else { ErrorKind::Charset };
    DecodeError::new(kind, de::BITMAP, start + wrong)
}
