//! Encodes one element: checks its content against its row, and writes it in the row's encoding.

use crate::char_class::all_digits;
use crate::dialect::{Length, Rule};
use crate::encoding::{Content, Format, Padding, hex_value, is_sign};
use crate::error::EncodeError;
use crate::hex::{self, HexDigits};

/// Appends prefix and content; appends nothing if the content does not fit.
pub(crate) fn write(element: u8, rule: &Rule, content: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let written = write_prefix(element, rule, content, out).and_then(|()| write_content(element, rule, content, out));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Checks the length, and appends it as a prefix if the row has one.
fn write_prefix(element: u8, rule: &Rule, content: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let wrong_length = EncodeError::Length { element, allowed: rule.max, found: content.len() };
    let digits = match rule.length {
        Length::Fixed if content.len() != rule.max => return Err(wrong_length),
        Length::Fixed => return Ok(()),
        Length::Prefix(_) if content.len() > rule.max => return Err(wrong_length),
        Length::Prefix(digits) => digits,
    };
    let counted = rule.counted(content.len());
    let start = out.len();
    out.resize(start + rule.prefix.wire_len(digits), 0);
    if rule.prefix.write(counted, &mut out[start..]) { Ok(()) } else { Err(wrong_length) }
}

fn write_content(element: u8, rule: &Rule, content: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if rule.content != Content::Bcd && !is_of_format(rule.format, content) {
        return Err(EncodeError::Class(element));
    }
    match rule.content {
        Content::Raw => out.extend_from_slice(content),
        Content::HexAscii => put_hex(content, HexDigits::ASCII, out),
        Content::HexEbcdic(_) => put_hex(content, HexDigits::EBCDIC, out),
        Content::Ascii if content.is_ascii() => out.extend_from_slice(content),
        Content::Ascii => return Err(EncodeError::Class(element)),
        Content::Ebcdic(page) => out.extend(content.iter().map(|char| page.encode(*char))),
        Content::Bcd => return write_packed(element, rule, content, out),
    }
    Ok(())
}

fn put_hex(content: &[u8], digits: HexDigits, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * content.len(), 0);
    hex::write(content, digits, &mut out[start..]).expect("there is room for two digits of each byte");
}

/// Whether the characters are allowed by the format; a reader of the message checks the same.
fn is_of_format(format: Format, content: &[u8]) -> bool {
    match format {
        Format::Numeric => all_digits(content),
        Format::SignedNumeric => match content.split_first() {
            Some((sign, digits)) => is_sign(*sign) && all_digits(digits),
            None => true,
        },
        _ => true,
    }
}

fn write_packed(element: u8, rule: &Rule, content: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let digits = match (rule.format, content) {
        (Format::SignedNumeric, [sign, digits @ ..]) => {
            if !is_sign(*sign) {
                return Err(EncodeError::Class(element));
            }
            out.push(*sign);
            digits
        }
        _ => content,
    };
    let packed = match rule.format {
        Format::Track => pack(digits, rule.padding, out, pack_track),
        _ if all_digits(digits) => pack(digits, rule.padding, out, |high, low| Some((high & 15) << 4 | low & 15)),
        _ => None,
    };
    packed.ok_or(EncodeError::Class(element))
}

/// A packed track has nibble D as its separator, and may contain other letters of the track's code set.
fn pack_track(high: u8, low: u8) -> Option<u8> {
    let nibble = |char| if char == b'=' { Some(13) } else { hex_value(char) };
    Some(nibble(high)? << 4 | nibble(low)?)
}

/// Appends one byte for each two characters; an odd number of them is filled up.
#[inline]
fn pack(chars: &[u8], padding: Padding, out: &mut Vec<u8>, pair: impl Fn(u8, u8) -> Option<u8>) -> Option<()> {
    let start = out.len();
    out.resize(start + chars.len().div_ceil(2), 0);
    let (mut place, mut chars) = (&mut out[start..], chars);
    if chars.len() % 2 == 1 {
        let (char, byte);
        if padding == Padding::LeftZero {
            ((char, chars), (byte, place)) = (chars.split_first()?, place.split_first_mut()?);
            *byte = pair(b'0', *char)?;
        } else {
            ((char, chars), (byte, place)) = (chars.split_last()?, place.split_last_mut()?);
            *byte = pair(*char, b'0')? | if padding == Padding::RightF { 15 } else { 0 };
        }
    }
    for (byte, [high, low]) in place.iter_mut().zip(chars.as_chunks::<2>().0) {
        *byte = pair(*high, *low)?;
    }
    Some(())
}
