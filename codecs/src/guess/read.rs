//! Reads one element by a row that may be wrong.

use crate::dialect::{Length, Rule};
use crate::encoding::{Content, Format, Padding, hex_digit, hex_value, is_sign};
use crate::error::ErrorKind;

/// An element's position, and its content as ASCII characters (bytes, for binary content).
#[derive(Clone, Debug)]
pub(super) struct ElementReading {
    /// Offset of the content, after the prefix.
    pub start: usize,
    pub end: usize,
    pub units: usize,
    pub chars: Vec<u8>,
}

/// Reads the element that begins at `at`.
///
/// # Errors
/// The kind of fault and its offset.
pub(super) fn read(bytes: &[u8], at: usize, rule: &Rule) -> Result<ElementReading, (ErrorKind, usize)> {
    let (start, units) = match rule.length {
        Length::Fixed => (at, rule.max),
        Length::Prefix(digits) => prefix(bytes, at, rule, digits)?,
    };
    let end = start + rule.wire_len(units);
    let raw = bytes.get(start..end).ok_or((ErrorKind::Truncated, start))?;
    let chars = content(raw, units, rule).map_err(|(kind, within)| (kind, start + within))?;
    Ok(ElementReading { start, end, units, chars })
}

fn prefix(bytes: &[u8], at: usize, rule: &Rule, digits: u8) -> Result<(usize, usize), (ErrorKind, usize)> {
    let start = at + rule.prefix.wire_len(digits);
    let raw = bytes.get(at..start).ok_or((ErrorKind::Truncated, at))?;
    let counted = rule.prefix.read(raw).ok_or((ErrorKind::BadLength, at))?;
    let units = match rule.content {
        Content::Bcd => rule.units(counted, &bytes[start..]).ok_or((ErrorKind::BadLength, at))?,
        // a prefix in hex digits is not among the guesses, so it counts bytes
        _ => counted,
    };
    if units > rule.max { Err((ErrorKind::LengthOverMax, at)) } else { Ok((start, units)) }
}

fn content(raw: &[u8], units: usize, rule: &Rule) -> Result<Vec<u8>, (ErrorKind, usize)> {
    match rule.content {
        Content::Raw => Ok(raw.to_vec()),
        Content::Ascii => classed(raw.to_vec(), rule.format, 1),
        Content::Ebcdic(page) => classed(raw.iter().map(|b| page.decode(*b)).collect(), rule.format, 1),
        Content::HexAscii => unhex(raw.iter().copied()),
        Content::HexEbcdic(page) => unhex(raw.iter().map(|b| page.decode(*b))),
        Content::Bcd => unpack(raw, units, rule),
    }
}

/// The characters, if the format allows each of them; `width` is the number of characters per byte.
fn classed(chars: Vec<u8>, format: Format, width: usize) -> Result<Vec<u8>, (ErrorKind, usize)> {
    let allowed = |(i, char): (usize, &u8)| match format {
        Format::Numeric => char.is_ascii_digit(),
        Format::SignedNumeric if i == 0 => is_sign(*char),
        Format::SignedNumeric => char.is_ascii_digit(),
        // a packed track ends in filler
        Format::Track => char.is_ascii_digit() || b"=DdF;?^ ".contains(char) || (width == 1 && char.is_ascii_graphic()),
        _ => char.is_ascii(),
    };
    match chars.iter().enumerate().position(|item| !allowed(item)) {
        Some(at) if chars[at].is_ascii() => Err((ErrorKind::Class, at / width)),
        Some(at) => Err((ErrorKind::Charset, at / width)),
        None => Ok(chars),
    }
}

fn unhex(chars: impl Iterator<Item = u8>) -> Result<Vec<u8>, (ErrorKind, usize)> {
    let mut bytes = Vec::new();
    let mut high = None;
    for (at, char) in chars.enumerate() {
        let value = hex_value(char).ok_or((ErrorKind::BadHex, at))?;
        match high.take() {
            Some(above) => bytes.push(above << 4 | value),
            None => high = Some(value),
        }
    }
    Ok(bytes)
}

fn unpack(raw: &[u8], units: usize, rule: &Rule) -> Result<Vec<u8>, (ErrorKind, usize)> {
    let signed = rule.format == Format::SignedNumeric;
    let (sign, packed) = match raw.split_first() {
        Some((sign, packed)) if signed => (Some(*sign), packed),
        _ => (None, raw),
    };
    let digits = units - usize::from(sign.is_some());
    let mut nibbles: Vec<u8> = packed.iter().flat_map(|b| [b >> 4, b & 15]).collect();
    if digits % 2 == 1 {
        let (place, filler) = match rule.padding {
            Padding::LeftZero => (0, 0),
            Padding::RightZero => (digits, 0),
            Padding::RightF => (digits, 15),
        };
        if nibbles.remove(place) != filler {
            return Err((ErrorKind::BadPad, place / 2));
        }
    }
    let chars = sign.into_iter().chain(nibbles.into_iter().map(hex_digit)).collect();
    classed(chars, rule.format, 2)
}
