//! Decoded messages: the bytes, plus the position of each element in them.

use crate::de::{self, DataElement};
use crate::dialect::Dialect;
use crate::error::{DecodeError, ErrorKind};
use crate::field::Field;
use crate::mti::Mti;
use crate::value::Value;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

mod careful_read;
mod fast_read;
mod layout;

use careful_read::Cursor;
use layout::{Layout, Span};

/// One decoded message. Cloning it shares the bytes.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    dialect: Arc<Dialect>,
    mti: Mti,
    layout: Layout,
}

/// Position of an element's content, small enough for a register: a value just written to memory in parts can only be
/// read back as a whole after a delay.
struct Extent {
    start: u16,
    end: u16,
    /// Length in characters, digits or bytes.
    units: u32,
}

impl Message {
    /// The largest size of a message; a larger frame is refused unread.
    pub const MAX_BYTES: usize = u16::MAX as usize;
    const NO_MTI: Mti = Mti::of(b"0000");

    /// Decodes `bytes` by the rows of `dialect`.
    ///
    /// # Errors
    /// Kind, element and byte of the first fault: truncated content, a length over the row's limit, characters outside
    /// the encoding or format, a bit without a row, bytes after the last element.
    pub fn decode(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<Self, DecodeError> {
        let mut message = Self::unread(dialect, bytes);
        let is_whole = message.read_fast() == Some(message.bytes.len());
        if is_whole { Ok(message) } else { message.read_whole() }
    }

    #[cold]
    #[inline(never)]
    fn read_whole(mut self) -> Result<Self, DecodeError> {
        let end = self.read_carefully()?;
        if end == self.bytes.len() { Ok(self) } else { Err(self.layout.trailing(end, self.bytes.len())) }
    }

    /// As [`Message::decode`], but other bytes may follow; also returns the number of bytes read.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn decode_prefix(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<(Self, usize), DecodeError> {
        let mut message = Self::unread(dialect, bytes);
        let end = match message.read_fast() {
            Some(end) => end,
            None => message.read_carefully()?,
        };
        Ok((message, end))
    }

    /// As [`Message::decode`], but a malformed message is returned up to its fault, with the fault: for display, and
    /// for the answer to such a message. `Err` if not even the MTI could be read.
    ///
    /// # Errors
    /// As [`Message::decode`], for the MTI.
    pub fn decode_to_fault(dialect: &Arc<Dialect>, bytes: Bytes) -> Result<(Self, Option<DecodeError>), DecodeError> {
        let mut message = Self::unread(dialect, bytes);
        let mut cursor = Self::cursor(dialect, &message.bytes)?;
        message.mti = cursor.start()?;
        let read = message.layout.read_carefully(&mut cursor);
        let (end, len) = (cursor.at, message.bytes.len());
        let fault = match read {
            Ok(()) if end != len => Some(message.layout.trailing(end, len)),
            read => read.err(),
        };
        Ok((message, fault))
    }

    #[inline(always)]
    fn unread(dialect: &Arc<Dialect>, bytes: Bytes) -> Self {
        Self { bytes, dialect: Arc::clone(dialect), mti: Self::NO_MTI, layout: Layout::new() }
    }

    /// The end of the last element by the fast way; `None` if the message needs the slow one.
    #[inline(always)]
    fn read_fast(&mut self) -> Option<usize> {
        if self.bytes.len() > Self::MAX_BYTES {
            return None;
        }
        let (mti, end) = fast_read::read(&self.dialect, &self.bytes, &mut self.layout)?;
        self.mti = mti;
        Some(end)
    }

    /// The end of the last element by the slow way, or the fault.
    fn read_carefully(&mut self) -> Result<usize, DecodeError> {
        let mut cursor = Self::cursor(&self.dialect, &self.bytes)?;
        self.mti = cursor.start()?;
        self.layout.read_carefully(&mut cursor)?;
        Ok(cursor.at)
    }

    /// The elements of a malformed message before its first fault, for an answer to it; `None` if not even the MTI can
    /// be read.
    pub fn decode_readable(dialect: &Arc<Dialect>, bytes: Bytes) -> Option<Self> {
        Self::decode_to_fault(dialect, bytes).ok().map(|(message, _)| message)
    }

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

    /// The whole message as received, including the dialect's header.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The header before the MTI as received; of a named header, including the sender's part.
    pub fn header(&self) -> &[u8] {
        &self.bytes[..self.dialect.header.len()]
    }

    /// Numbers of the elements that are present, ascending; bitmaps are not among them.
    pub fn elements(&self) -> impl Iterator<Item = u8> + '_ {
        self.layout.present.iter().filter(|n| self.holds(*n))
    }

    /// The bits that announce an empty bitmap.
    pub(crate) fn empty_bitmaps(&self) -> impl Iterator<Item = u8> + '_ {
        self.layout.present.iter().filter(|n| match self.dialect.third_bitmap_at(*n) {
            Some(_) => self.layout.present.map(2) == 0,
            None => *n == de::BITMAP && self.layout.present.map(1) == 0,
        })
    }

    fn holds(&self, element: u8) -> bool {
        element != de::BITMAP && self.layout.present.has(element) && self.dialect.third_bitmap_at(element).is_none()
    }

    /// An element by number, for code that handles all elements alike.
    #[inline]
    pub fn field(&self, element: u8) -> Option<Field<'_>> {
        let Extent { start, end, units } = self.extent(element)?;
        let raw = self.bytes.get(usize::from(start)..usize::from(end))?;
        Some(Field { raw, rule: self.dialect.rule(element)?, units: units as usize })
    }

    #[inline(never)]
    fn extent(&self, element: u8) -> Option<Extent> {
        if !self.holds(element) {
            return None;
        }
        let rule = self.dialect.rule(element)?;
        let Span { start, units } = self.span(element)?;
        let end = start + rule.wire_len(units);
        Some(Extent { start: u16::try_from(start).ok()?, end: u16::try_from(end).ok()?, units: units as u32 })
    }

    /// An element as on the wire, including its prefix.
    pub(crate) fn wire(&self, element: u8) -> Option<&[u8]> {
        let at = self.layout.place(element, &self.bytes, &self.dialect)?;
        let Span { start, units } = layout::span(element, at, &self.bytes, &self.dialect)?;
        self.bytes.get(at..start + self.dialect.rule(element)?.wire_len(units))
    }

    /// Each element with its start (that of its prefix), and the end of the last one. Elements are adjacent; `None` if
    /// a third bitmap is among them.
    pub(crate) fn places(&self) -> Option<(impl Iterator<Item = (u8, usize)> + '_, usize)> {
        let mut elements = self.layout.present;
        elements.clear(de::BITMAP);
        if elements.map(2) != 0 || self.dialect.tertiary.is_some_and(|(third, _)| elements.has(third.element())) {
            return None;
        }
        let last = elements.last()?;
        let end = self.layout.place(last, &self.bytes, &self.dialect)? + self.wire(last)?.len();
        let plan = self.layout.plan.and_then(|number| self.dialect.plan(number));
        let places = elements.iter().map_while(move |element| {
            let planned = plan.and_then(|plan| plan.place(element, &self.layout.marks));
            Some((element, planned.or_else(|| self.layout.walk(element, &self.bytes, &self.dialect))?))
        });
        Some((places, end))
    }

    fn span(&self, element: u8) -> Option<Span> {
        let at = self.layout.place(element, &self.bytes, &self.dialect)?;
        layout::span(element, at, &self.bytes, &self.dialect)
    }

    /// Offset of an element's content in [`Message::bytes`].
    pub fn offset(&self, element: u8) -> Option<usize> {
        if self.holds(element) { self.span(element).map(|span| span.start) } else { None }
    }

    pub fn has<E: DataElement>(&self) -> bool {
        self.holds(E::NUMBER)
    }

    /// The typed value of an element; `None` if it is absent.
    ///
    /// # Errors
    /// The content is not a valid value (no date, no digits, wrong length).
    #[inline]
    pub fn get<E: DataElement>(&self) -> Result<Option<E::Value<'_>>, DecodeError> {
        let Some(field) = self.field(E::NUMBER) else { return Ok(None) };
        E::Value::read(field).map(Some).map_err(|kind| self.wrong(kind, E::NUMBER))
    }

    /// The typed value of a mandatory element.
    ///
    /// # Errors
    /// As [`Message::get`], and `missing-element`.
    #[inline]
    pub fn require<E: DataElement>(&self) -> Result<E::Value<'_>, DecodeError> {
        let Some(field) = self.field(E::NUMBER) else { return Err(self.missing(E::NUMBER)) };
        E::Value::read(field).map_err(|kind| self.wrong(kind, E::NUMBER))
    }

    #[cold]
    fn wrong(&self, kind: ErrorKind, element: u8) -> DecodeError {
        DecodeError::new(kind, element, self.offset(element).unwrap_or_default())
    }

    #[cold]
    fn missing(&self, element: u8) -> DecodeError {
        DecodeError::new(ErrorKind::MissingElement, element, self.bytes.len())
    }
}

impl fmt::Debug for Message {
    /// Element names and masked values: everything that may be shown of a message.
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
