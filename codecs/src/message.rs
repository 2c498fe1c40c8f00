//! A message is its bytes plus where each element lies in them.

use crate::bitmap::Bitmap;
use crate::de::{self, DataElement};
use crate::dialect::{BitmapEncoding, Dialect, Length, Rule, Tertiary};
use crate::encoding::{Content, LengthUnit, hex_value};
use crate::error::{DecodeError, ErrorKind};
use crate::field::Field;
use crate::mti::Mti;
use crate::value::Value;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Where an element's content lies: first byte, and length in characters, digits or bytes.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u16,
    units: u16,
}

/// One decoded message. Cloning it shares the bytes.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    dialect: Arc<Dialect>,
    mti: Mti,
    present: Bitmap,
    /// Where the bitmaps start, after the MTI.
    body: u16,
    spans: [Span; 193],
}

impl Message {
    /// The most a message may hold; a larger frame is refused, not read.
    pub const MAX_BYTES: usize = u16::MAX as usize;

    /// Cuts `bytes` into elements by the rows of `dialect`.
    ///
    /// # Errors
    /// Kind, element and byte of the first thing that does not fit: short content, a length over the row's limit,
    /// characters outside the encoding or format, a bit without a row, bytes after the last element.
    pub fn decode(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<Self, DecodeError> {
        let mut message = Self::begun(dialect, bytes)?;
        let end = message.read()?;
        message.nothing_after(end)?;
        Ok(message)
    }

    /// As [`Message::decode`], but bytes may follow; returns how many were read.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn decode_prefix(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<(Self, usize), DecodeError> {
        let mut message = Self::begun(dialect, bytes)?;
        let end = message.read()?;
        Ok((message, end))
    }

    /// As [`Message::decode`], but a message with a fault is given up to the fault, with what is wrong – for people,
    /// who want to see how far it went, and for the answer to a broken message. `Err` where not even its MTI could be
    /// read.
    ///
    /// # Errors
    /// As [`Message::decode`], for the MTI.
    pub fn decode_to_fault(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<(Self, Option<DecodeError>), DecodeError> {
        let mut message = Self::begun(dialect, bytes)?;
        let fault = match message.read() {
            Ok(end) => message.nothing_after(end).err(),
            Err(fault) => Some(fault),
        };
        Ok((message, fault))
    }

    /// The elements before the first fault of a broken message, for an answer to it; `None` if not even the MTI
    /// can be read.
    pub fn decode_readable(dialect: &Arc<Dialect>, bytes: Bytes) -> Option<Self> {
        Self::decode_to_fault(dialect, bytes).ok().map(|(message, _)| message)
    }

    fn nothing_after(&self, end: usize) -> Result<(), DecodeError> {
        if end == self.bytes.len() {
            return Ok(());
        }
        let last = self.present.iter().last().unwrap_or(de::BITMAP);
        Err(DecodeError::new(ErrorKind::TrailingData, last, end).sized(0, self.bytes.len() - end))
    }

    /// A message of which the MTI is read; `body` says where the rest starts.
    #[inline]
    fn begun(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<Self, DecodeError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(DecodeError::new(ErrorKind::Framing, de::MTI, 0).sized(Self::MAX_BYTES, bytes.len()));
        }
        let mut cursor = Cursor { bytes: &bytes, at: 0, dialect };
        cursor.header()?;
        let mti = cursor.mti()?;
        let body = cursor.at as u16;
        let (present, spans) = (Bitmap::default(), [Span::default(); 193]);
        Ok(Self { bytes, dialect: Arc::clone(dialect), mti, present, body, spans })
    }

    /// Finds the place of each element that the bitmaps announce; returns where the last one ends.
    fn read(&mut self) -> Result<usize, DecodeError> {
        let dialect: &Dialect = &self.dialect;
        let mut cursor = Cursor { bytes: &self.bytes, at: usize::from(self.body), dialect };
        self.present = cursor.bitmaps()?;
        for map in 0..3u8 {
            // the third map may have come with element 127 of the second
            let mut left = self.present.map(usize::from(map));
            while left != 0 {
                let lead = left.leading_zeros() as u8;
                left &= !(1 << (63 - lead));
                let element = map * 64 + lead + 1;
                if element == de::BITMAP {
                    continue;
                }
                if let Err(fault) = cursor.place(element, &mut self.present, &mut self.spans) {
                    // what was read before stays readable
                    self.present.truncate(element);
                    return Err(fault);
                }
            }
        }
        Ok(cursor.at)
    }

    pub fn mti(&self) -> Mti {
        self.mti
    }

    pub fn dialect(&self) -> &Arc<Dialect> {
        &self.dialect
    }

    /// The whole message as it came, dialect header included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Numbers of the elements that are present, ascending; bitmaps are not among them.
    pub fn elements(&self) -> impl Iterator<Item = u8> + '_ {
        self.present.iter().filter(|n| self.holds(*n))
    }

    /// The bits that announce a bitmap in which nothing is set.
    pub(crate) fn empty_bitmaps(&self) -> impl Iterator<Item = u8> + '_ {
        self.present.iter().filter(|n| match self.dialect.third_bitmap_at(*n) {
            Some(_) => self.present.map(2) == 0,
            None => *n == de::BITMAP && self.present.map(1) == 0,
        })
    }

    fn holds(&self, element: u8) -> bool {
        element != de::BITMAP && self.present.has(element) && self.dialect.third_bitmap_at(element).is_none()
    }

    /// An element by number, for code that treats all elements alike.
    pub fn field(&self, element: u8) -> Option<Field<'_>> {
        if !self.holds(element) {
            return None;
        }
        let span = self.spans[usize::from(element)];
        let rule = self.dialect.rule(element)?;
        let start = usize::from(span.start);
        let raw = &self.bytes[start..start + rule.wire_len(usize::from(span.units))];
        Some(Field { raw, rule, units: usize::from(span.units) })
    }

    /// Where an element's content starts in [`Message::bytes`].
    pub fn offset(&self, element: u8) -> Option<usize> {
        self.holds(element).then(|| usize::from(self.spans[usize::from(element)].start))
    }

    pub fn has<E: DataElement>(&self) -> bool {
        self.holds(E::NUMBER)
    }

    /// The typed value of an element: absent, present, or present and wrong.
    ///
    /// # Errors
    /// The content is not such a value (no date, no digits, wrong length).
    pub fn get<E: DataElement>(&self) -> Result<Option<E::Value<'_>>, DecodeError> {
        let Some(field) = self.field(E::NUMBER) else { return Ok(None) };
        match E::Value::read(field) {
            Ok(value) => Ok(Some(value)),
            Err(kind) => Err(DecodeError::new(kind, E::NUMBER, usize::from(self.spans[usize::from(E::NUMBER)].start))),
        }
    }

    /// The typed value of an element that must be there.
    ///
    /// # Errors
    /// As [`Message::get`], and `missing-element`.
    pub fn require<E: DataElement>(&self) -> Result<E::Value<'_>, DecodeError> {
        self.get::<E>()?.ok_or(DecodeError::new(ErrorKind::MissingElement, E::NUMBER, self.bytes.len()))
    }
}

impl fmt::Debug for Message {
    /// Element names and masked values: what may be shown of a message, and no more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entry(&"mti", &self.mti);
        for element in self.elements() {
            if let Some(field) = self.field(element) {
                map.entry(&element, &de::shown(element, &field));
            }
        }
        map.finish()
    }
}

/// Reads forward through a message.
struct Cursor<'m> {
    bytes: &'m [u8],
    at: usize,
    dialect: &'m Dialect,
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

    fn header(&mut self) -> Result<(), DecodeError> {
        let wanted = &self.dialect.header;
        let found = self.take(de::MTI, wanted.len())?;
        if found == wanted { Ok(()) } else { Err(DecodeError::new(ErrorKind::Framing, de::MTI, 0)) }
    }

    fn mti(&mut self) -> Result<Mti, DecodeError> {
        let start = self.at;
        let raw = self.take(de::MTI, self.dialect.mti.wire_len(4))?;
        let digits = match self.dialect.mti {
            Content::Bcd => [raw[0] >> 4, raw[0] & 15, raw[1] >> 4, raw[1] & 15].map(crate::encoding::hex_digit),
            Content::Ebcdic(page) => [0, 1, 2, 3].map(|i: usize| page.decode(raw[i])),
            _ => [raw[0], raw[1], raw[2], raw[3]],
        };
        Mti::from_digits(digits).ok_or(DecodeError::new(ErrorKind::Charset, de::MTI, start))
    }

    fn bitmaps(&mut self) -> Result<Bitmap, DecodeError> {
        let mut present = Bitmap::default();
        let encoding = self.dialect.bitmap;
        present.set_map(0, self.bitmap(encoding)?);
        if present.has(de::BITMAP) {
            present.set_map(1, self.bitmap(encoding)?);
            if present.has(de::BITMAP_TERTIARY) {
                match self.dialect.tertiary {
                    Some((Tertiary::AfterSecondary, third)) => present.set_map(2, self.bitmap(third)?),
                    _ => return Err(DecodeError::new(ErrorKind::NoRule, de::BITMAP_TERTIARY, self.at)),
                }
            }
        }
        Ok(present)
    }

    fn bitmap(&mut self, encoding: BitmapEncoding) -> Result<u64, DecodeError> {
        let start = self.at;
        match encoding {
            BitmapEncoding::Raw => {
                let raw = self.take(de::BITMAP, 8)?;
                Ok(u64::from_be_bytes(raw.try_into().expect("eight bytes were taken")))
            }
            BitmapEncoding::HexAscii | BitmapEncoding::HexEbcdic => {
                let raw = self.take(de::BITMAP, 16)?;
                raw.iter().enumerate().try_fold(0u64, |bits, (i, &byte)| {
                    let fault = |kind| DecodeError::new(kind, de::BITMAP, start + i);
                    let char = match encoding {
                        BitmapEncoding::HexAscii if !byte.is_ascii() => return Err(fault(ErrorKind::Charset)),
                        BitmapEncoding::HexAscii => byte,
                        _ => self.dialect.ebcdic.decode(byte),
                    };
                    hex_value(char).map(|v| bits << 4 | u64::from(v)).ok_or(fault(ErrorKind::BadHex))
                })
            }
        }
    }

    /// Notes the place of an announced element – or reads the bitmap that stands there in its stead.
    #[inline]
    fn place(&mut self, element: u8, present: &mut Bitmap, spans: &mut [Span; 193]) -> Result<(), DecodeError> {
        match (self.dialect.third_bitmap_at(element), self.dialect.rule(element)) {
            (Some((Tertiary::AfterSecondary, _)), _) => {}
            (Some((Tertiary::InDe127, encoding)), _) => present.set_map(2, self.bitmap(encoding)?),
            (None, Some(rule)) => spans[usize::from(element)] = self.element(element, rule)?,
            (None, None) => return Err(DecodeError::new(ErrorKind::NoRule, element, self.at)),
        }
        Ok(())
    }

    #[inline]
    fn element(&mut self, element: u8, rule: &'m Rule) -> Result<Span, DecodeError> {
        let units = match rule.length {
            Length::Fixed => rule.max,
            Length::Prefix(digits) => self.prefix(element, rule, digits)?,
        };
        let start = self.at;
        let raw = self.take(element, rule.wire_len(units))?;
        if let Err((kind, at)) = (Field { raw, rule, units }).check() {
            return Err(DecodeError::new(kind, element, start + at));
        }
        Ok(Span { start: start as u16, units: units as u16 })
    }

    fn prefix(&mut self, element: u8, rule: &Rule, digits: u8) -> Result<usize, DecodeError> {
        let start = self.at;
        let raw = self.take(element, rule.prefix.wire_len(digits))?;
        let counted = rule.prefix.read(raw).ok_or_else(|| DecodeError::new(ErrorKind::BadLength, element, start))?;
        let units = match (rule.content, rule.unit) {
            // a byte count loses the parity of an odd digit count: only a trailing F can tell
            (Content::Bcd, LengthUnit::Bytes) => {
                let last = counted.checked_sub(1).and_then(|i| self.bytes.get(self.at + i));
                (counted * 2).saturating_sub(usize::from(last.is_some_and(|b| b & 15 == 15)))
            }
            _ => counted,
        };
        if units > rule.max {
            return Err(DecodeError::new(ErrorKind::LengthOverMax, element, start).sized(rule.max, units));
        }
        Ok(units)
    }
}
