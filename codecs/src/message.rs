//! A message is its bytes plus where each element lies in them.

use crate::bitmap::Bitmap;
use crate::de::{self, DataElement};
use crate::dialect::Dialect;
use crate::error::{DecodeError, ErrorKind};
use crate::field::Field;
use crate::mti::Mti;
use crate::value::Value;
use bytes::Bytes;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

mod cursor;
mod layout;
mod sweep;

use cursor::Cursor;
use layout::{Layout, Span};

/// One decoded message. Cloning it shares the bytes.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    dialect: Arc<Dialect>,
    mti: Mti,
    layout: Layout,
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
        let (mti, layout, end) = Self::place(dialect, &bytes)?;
        if end != bytes.len() {
            return Err(layout.trailing(end, bytes.len()));
        }
        Ok(Self { bytes, dialect: Arc::clone(dialect), mti, layout })
    }

    /// As [`Message::decode`], but bytes may follow; returns how many were read.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn decode_prefix(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<(Self, usize), DecodeError> {
        let (mti, layout, end) = Self::place(dialect, &bytes)?;
        Ok((Self { bytes, dialect: Arc::clone(dialect), mti, layout }, end))
    }

    #[inline(always)]
    fn place(dialect: &Dialect, bytes: &[u8]) -> Result<(Mti, Layout, usize), DecodeError> {
        let mut cursor = Self::cursor(dialect, bytes)?;
        let mti = cursor.start()?;
        let mut layout = Layout::new(cursor.bitmaps()?);
        layout.read(&mut cursor)?;
        Ok((mti, layout, cursor.at))
    }

    /// As [`Message::decode`], but a message with a fault is given up to the fault, with what is wrong – for people,
    /// who want to see how far it went, and for the answer to a broken message. `Err` where not even its MTI could be
    /// read.
    ///
    /// # Errors
    /// As [`Message::decode`], for the MTI.
    pub fn decode_to_fault(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<(Self, Option<DecodeError>), DecodeError> {
        let mut cursor = Self::cursor(dialect, &bytes)?;
        let mti = cursor.start()?;
        let mut layout = Layout::new(Bitmap::default());
        let read = cursor.bitmaps().and_then(|present| {
            layout.present = present;
            layout.read(&mut cursor)
        });
        let (end, len) = (cursor.at, bytes.len());
        let fault = match read {
            Ok(()) if end != len => Some(layout.trailing(end, len)),
            read => read.err(),
        };
        Ok((Self { bytes, dialect: Arc::clone(dialect), mti, layout }, fault))
    }

    /// The elements before the first fault of a broken message, for an answer to it; `None` if not even the MTI
    /// can be read.
    pub fn decode_readable(dialect: &Arc<Dialect>, bytes: Bytes) -> Option<Self> {
        Self::decode_to_fault(dialect, bytes).ok().map(|(message, _)| message)
    }

    #[inline(always)]
    fn cursor<'m>(dialect: &'m Dialect, bytes: &'m [u8]) -> Result<Cursor<'m>, DecodeError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(DecodeError::new(ErrorKind::Framing, de::MTI, 0).sized(Self::MAX_BYTES, bytes.len()));
        }
        Ok(Cursor { bytes, at: 0, dialect })
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

    /// What stands before the MTI, as it came: of a named header, the sender's part too.
    pub fn header(&self) -> &[u8] {
        &self.bytes[..self.dialect.header.len()]
    }

    /// Numbers of the elements that are present, ascending; bitmaps are not among them.
    pub fn elements(&self) -> impl Iterator<Item = u8> + '_ {
        self.layout.present.iter().filter(|n| self.holds(*n))
    }

    /// The bits that announce a bitmap in which nothing is set.
    pub(crate) fn empty_bitmaps(&self) -> impl Iterator<Item = u8> + '_ {
        self.layout.present.iter().filter(|n| match self.dialect.third_bitmap_at(*n) {
            Some(_) => self.layout.present.map(2) == 0,
            None => *n == de::BITMAP && self.layout.present.map(1) == 0,
        })
    }

    fn holds(&self, element: u8) -> bool {
        element != de::BITMAP && self.layout.present.has(element) && self.dialect.third_bitmap_at(element).is_none()
    }

    /// An element by number, for code that treats all elements alike.
    pub fn field(&self, element: u8) -> Option<Field<'_>> {
        if !self.holds(element) {
            return None;
        }
        let rule = self.dialect.rule(element)?;
        let Span { start, units } = self.span(element)?;
        Some(Field { raw: self.bytes.get(start..start + rule.wire_len(units))?, rule, units })
    }

    /// An element as it stands on the wire, its prefix included.
    pub(crate) fn wire(&self, element: u8) -> Option<&[u8]> {
        let at = self.layout.place(element, &self.bytes, &self.dialect)?;
        let Span { start, units } = layout::span(element, at, &self.bytes, &self.dialect)?;
        self.bytes.get(at..start + self.dialect.rule(element)?.wire_len(units))
    }

    /// Each element with the bytes that it takes, prefix included; `None` if there is more than the first bitmap.
    pub(crate) fn pieces(&self) -> Option<impl Iterator<Item = (u8, Range<usize>)> + '_> {
        let mut elements = self.layout.present.iter().filter(|element| *element != de::BITMAP).peekable();
        let only_primary = self.layout.present.map(1) | self.layout.present.map(2) == 0;
        only_primary.then(|| {
            std::iter::from_fn(move || {
                let element = elements.next()?;
                let start = self.layout.primary_place(element);
                // an element ends where the next begins
                let end = match elements.peek() {
                    Some(next) => self.layout.primary_place(*next),
                    None => start + self.wire(element)?.len(),
                };
                Some((element, start..end))
            })
        })
    }

    fn span(&self, element: u8) -> Option<Span> {
        let at = self.layout.place(element, &self.bytes, &self.dialect)?;
        layout::span(element, at, &self.bytes, &self.dialect)
    }

    /// Where an element's content starts in [`Message::bytes`].
    pub fn offset(&self, element: u8) -> Option<usize> {
        if self.holds(element) { self.span(element).map(|span| span.start) } else { None }
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
            Err(kind) => Err(DecodeError::new(kind, E::NUMBER, self.offset(E::NUMBER).unwrap_or_default())),
        }
    }

    /// The typed value of an element that must be there.
    ///
    /// # Errors
    /// As [`Message::get`], and `missing-element`.
    pub fn require<E: DataElement>(&self) -> Result<E::Value<'_>, DecodeError> {
        self.get::<E>()?.ok_or_else(|| DecodeError::new(ErrorKind::MissingElement, E::NUMBER, self.bytes.len()))
    }
}

impl fmt::Debug for Message {
    /// Element names and masked values: what may be shown of a message, and no more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entry(&"mti", &self.mti);
        for element in self.elements() {
            if let Some(field) = self.field(element) {
                map.entry(&element, &de::shown(&field));
            }
        }
        map.finish()
    }
}
