//! Writes a message: values in, in any order; bytes out, in the order of the dialect.

use crate::bitmap::Bitmap;
use crate::class::all_digits;
use crate::de::{self, DataElement};
use crate::dialect::{BitmapEncoding, Dialect, Length, Rule, Tertiary};
use crate::encoding::{Content, Format, LengthUnit, Padding, hex_value, is_sign, put_hex};
use crate::error::EncodeError;
use crate::message::Message;
use crate::mti::Mti;
use crate::value::Value;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;

/// Collects values as characters (bytes, for binary content); nothing is checked before [`Builder::encode`].
#[derive(Clone)]
pub struct Builder {
    dialect: Arc<Dialect>,
    mti: Mti,
    present: Bitmap,
    /// Where each element's content lies in `arena`.
    places: [(u32, u32); 193],
    arena: Vec<u8>,
}

impl Builder {
    pub fn new(dialect: &Arc<Dialect>, mti: Mti) -> Self {
        let arena = Vec::with_capacity(512);
        Self { dialect: Arc::clone(dialect), mti, present: Bitmap::default(), places: [(0, 0); 193], arena }
    }

    /// Starts the answer to `request` in the request's own dialect, with its MTI turned and nothing else in it.
    pub fn answer_to(request: &Message) -> Self {
        Self::new(request.dialect(), request.mti().answer())
    }

    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// Gives the same elements another MTI: an advice sent once more goes out as its repeat.
    pub fn set_mti(&mut self, mti: Mti) -> &mut Self {
        self.mti = mti;
        self
    }

    /// Empties it for the next message, keeping its memory.
    pub fn restart(&mut self, mti: Mti) {
        self.mti = mti;
        self.present = Bitmap::default();
        self.arena.clear();
    }

    pub fn put<E: DataElement>(&mut self, value: E::Value<'_>) -> &mut Self {
        let start = self.arena.len();
        value.write(&mut self.arena);
        self.place(E::NUMBER, start)
    }

    /// Puts a value where there is one.
    pub fn put_some<E: DataElement>(&mut self, value: Option<E::Value<'_>>) -> &mut Self {
        if let Some(value) = value {
            self.put::<E>(value);
        }
        self
    }

    /// Puts canonical content – ASCII characters, or bytes for a binary element – by number.
    pub fn put_content(&mut self, element: u8, content: &[u8]) -> &mut Self {
        let start = self.arena.len();
        self.arena.extend_from_slice(content);
        self.place(element, start)
    }

    /// Copies an element of another message, which may be of another dialect; absent stays absent.
    pub fn copy<E: DataElement>(&mut self, from: &Message) -> &mut Self {
        self.copy_element(from, E::NUMBER)
    }

    pub fn copy_element(&mut self, from: &Message, element: u8) -> &mut Self {
        let Some(field) = from.field(element) else { return self };
        let start = self.arena.len();
        field.append_to(&mut self.arena);
        let packed_track = field.rule().format == Format::Track && field.rule().content == Content::Bcd;
        if packed_track && self.dialect.rule(element).is_some_and(|rule| rule.content != Content::Bcd) {
            // the separator is nibble D in packed form, and `=` in characters
            self.arena[start..].iter_mut().filter(|c| **c == b'D').for_each(|c| *c = b'=');
        }
        self.place(element, start)
    }

    /// Copies every element of another message; within one dialect the copy has the same bytes, hex digits in upper case.
    pub fn copy_all(&mut self, from: &Message) -> &mut Self {
        for element in from.elements() {
            self.copy_element(from, element);
        }
        if Arc::ptr_eq(&self.dialect, from.dialect()) {
            // some partners always send a second bitmap, empty or not
            from.empty_bitmaps().for_each(|announcing| self.present.set(announcing));
        }
        self
    }

    pub fn remove<E: DataElement>(&mut self) -> &mut Self {
        self.remove_element(E::NUMBER)
    }

    pub fn remove_element(&mut self, element: u8) -> &mut Self {
        self.present.clear(element);
        self
    }

    pub fn has<E: DataElement>(&self) -> bool {
        self.present.has(E::NUMBER)
    }

    /// Room for a message authentication code, as the last element; [`crate::mac::set`] fills it in the encoded bytes.
    pub fn reserve_mac(&mut self) -> &mut Self {
        let highest = self.present.iter().last().unwrap_or(0);
        self.put_content(Dialect::mac_element(highest), &[0; 8])
    }

    fn place(&mut self, element: u8, start: usize) -> &mut Self {
        self.places[usize::from(element)] = (start as u32, (self.arena.len() - start) as u32);
        self.present.set(element);
        self
    }

    /// The message's bytes.
    ///
    /// # Errors
    /// An element without a row, a value that does not fit its row.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::with_capacity(64 + self.arena.len() * 2);
        self.encode_into(&mut out)?;
        Ok(out.freeze())
    }

    /// Appends the message's bytes to `out`, allocating nothing if it has room.
    ///
    /// # Errors
    /// As [`Builder::encode`]; `out` may then hold part of the message.
    pub fn encode_into(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_slice(&self.dialect.header);
        self.write_mti(out);
        let present = self.with_bitmaps();
        let bitmap =
            |index: usize, encoding, out: &mut BytesMut| write_bitmap(present.map(index), encoding, &self.dialect, out);
        bitmap(0, self.dialect.bitmap, out);
        if present.has(de::BITMAP) {
            bitmap(1, self.dialect.bitmap, out);
        }
        if let Some((Tertiary::AfterSecondary, encoding)) = self.dialect.tertiary
            && present.has(de::BITMAP_TERTIARY)
        {
            bitmap(2, encoding, out);
        }
        for element in present.iter() {
            match self.dialect.third_bitmap_at(element) {
                Some((Tertiary::AfterSecondary, _)) => {}
                Some((Tertiary::InDe127, encoding)) => bitmap(2, encoding, out),
                None if element == de::BITMAP => {}
                None => {
                    let rule = self.dialect.rule(element).ok_or(EncodeError::NoRule(element))?;
                    let (start, len) = self.places[usize::from(element)];
                    write_element(element, rule, &self.arena[start as usize..(start + len) as usize], out)?;
                }
            }
        }
        Ok(())
    }

    /// The bits that announce further bitmaps follow from what is present.
    fn with_bitmaps(&self) -> Bitmap {
        let mut present = self.present;
        if present.map(2) != 0 {
            match self.dialect.tertiary {
                Some((Tertiary::AfterSecondary, _)) => present.set(de::BITMAP_TERTIARY),
                Some((Tertiary::InDe127, _)) => present.set(de::NESTED),
                None => {}
            }
        }
        if present.map(1) != 0 {
            present.set(de::BITMAP);
        }
        present
    }

    fn write_mti(&self, out: &mut BytesMut) {
        let d = self.mti.digits();
        match self.dialect.mti {
            Content::Bcd => out.put_slice(&[(d[0] & 15) << 4 | d[1] & 15, (d[2] & 15) << 4 | d[3] & 15]),
            Content::Ebcdic(page) => out.put_slice(&d.map(|c| page.encode(c))),
            _ => out.put_slice(d),
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Builder({} with {:?})", self.mti, self.present.iter().collect::<Vec<_>>())
    }
}

fn write_bitmap(bits: u64, encoding: BitmapEncoding, dialect: &Dialect, out: &mut BytesMut) {
    match encoding {
        BitmapEncoding::Raw => out.put_u64(bits),
        BitmapEncoding::HexAscii => put_hex(&bits.to_be_bytes(), out, |digit| digit),
        BitmapEncoding::HexEbcdic => put_hex(&bits.to_be_bytes(), out, |digit| dialect.ebcdic.encode(digit)),
    }
}

fn write_element(element: u8, rule: &Rule, content: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
    let wrong_length = EncodeError::Length { element, allowed: rule.max, found: content.len() };
    match rule.length {
        Length::Fixed if content.len() != rule.max => return Err(wrong_length),
        Length::Fixed => {}
        Length::Prefix(_) if content.len() > rule.max => return Err(wrong_length),
        Length::Prefix(digits) => {
            let counted = match (rule.content, rule.unit) {
                (Content::Bcd, LengthUnit::Bytes) => rule.wire_len(content.len()),
                _ => content.len(),
            };
            if !rule.prefix.write(digits, counted, out) {
                return Err(wrong_length);
            }
        }
    }
    if rule.content != Content::Bcd && !is_of_format(rule.format, content) {
        return Err(EncodeError::Class(element));
    }
    match rule.content {
        Content::Raw => out.put_slice(content),
        Content::HexAscii => put_hex(content, out, |digit| digit),
        Content::HexEbcdic(page) => put_hex(content, out, |digit| page.encode(digit)),
        Content::Ascii if content.is_ascii() => out.put_slice(content),
        Content::Ascii => return Err(EncodeError::Class(element)),
        Content::Ebcdic(page) => content.iter().for_each(|c| out.put_u8(page.encode(*c))),
        Content::Bcd => return write_packed(element, rule, content, out),
    }
    Ok(())
}

/// Whether characters are those of the format: what a reader of the message will insist on.
fn is_of_format(format: Format, content: &[u8]) -> bool {
    match format {
        Format::Numeric => all_digits(content),
        Format::SignedNumeric => match content.split_first() {
            Some((sign, digits)) => is_sign(*sign) && digits.iter().all(u8::is_ascii_digit),
            None => true,
        },
        _ => true,
    }
}

fn write_packed(element: u8, rule: &Rule, content: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
    let digits = match rule.format {
        Format::SignedNumeric if !content.is_empty() => {
            if !is_sign(content[0]) {
                return Err(EncodeError::Class(element));
            }
            out.put_u8(content[0]);
            &content[1..]
        }
        _ => content,
    };
    let nibble = |char: u8| match char {
        b'=' if rule.format == Format::Track => Ok(13),
        _ if rule.format == Format::Track => hex_value(char).ok_or(EncodeError::Class(element)),
        _ if char.is_ascii_digit() => Ok(char - b'0'),
        _ => Err(EncodeError::Class(element)),
    };
    let start = out.len();
    out.resize(start + digits.len().div_ceil(2), 0);
    let (mut place, mut rest) = (&mut out[start..], digits);
    if digits.len() % 2 == 1 && rule.padding == Padding::LeftZero {
        place[0] = nibble(rest[0])?;
        (place, rest) = (&mut place[1..], &rest[1..]);
    }
    for (byte, pair) in place.iter_mut().zip(rest.chunks(2)) {
        let low = match pair.get(1) {
            Some(char) => nibble(*char)?,
            None if rule.padding == Padding::RightF => 15,
            None => 0,
        };
        *byte = nibble(pair[0])? << 4 | low;
    }
    Ok(())
}
