//! BER-TLV as EMV uses it (EMV Book 3, annex B): tags of up to three bytes, lengths of up to two after the first.
//!
//! Order and duplicates are kept; padding of 00 and FF between tags is skipped, as many terminals send it.

use nom::bytes::complete::take;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};

/// One tag with its value, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'m> {
    pub tag: u32,
    pub value: &'m [u8],
}

impl std::fmt::Debug for Tlv<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}[{}]", self.tag, self.value.len())
    }
}

/// A fault in a sequence of tags: its offset, and the tag so far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad-tlv at byte {offset}{}{}", in_tag(*tag), sizes(*expected, *found))]
pub struct TlvError {
    pub offset: usize,
    pub tag: u32,
    /// Announced bytes of the value, if they are missing.
    pub expected: Option<usize>,
    pub found: Option<usize>,
}

fn in_tag(tag: u32) -> String {
    if tag == 0 { String::new() } else { format!(" in tag {tag:X}") }
}

fn sizes(expected: Option<usize>, found: Option<usize>) -> String {
    match (expected, found) {
        (Some(expected), Some(found)) => format!(" (expected {expected}, found {found})"),
        _ => String::new(),
    }
}

/// Iterator over tags; ends after the first fault.
#[derive(Clone, Debug)]
pub struct Tags<'m> {
    whole: usize,
    rest: &'m [u8],
}

/// The tags of a composite element.
pub fn tags(content: &[u8]) -> Tags<'_> {
    Tags { whole: content.len(), rest: content }
}

impl<'m> Iterator for Tags<'m> {
    type Item = Result<Tlv<'m>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((0x00 | 0xFF, rest)) = self.rest.split_first() {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.whole - self.rest.len();
        match cut(self.rest) {
            Ok((tag, value, end)) => {
                self.rest = &self.rest[end..];
                Some(Ok(Tlv { tag, value }))
            }
            Err(fault) => {
                self.rest = &[];
                Some(Err(TlvError { offset: offset + fault.offset, ..fault }))
            }
        }
    }
}

/// The first tag of `input`, its value, and its end.
pub(crate) fn cut(input: &[u8]) -> Result<(u32, &[u8], usize), TlvError> {
    let fault = |tag| TlvError { offset: 0, tag, expected: None, found: None };
    let (after_tag, tag) = tag(input).map_err(|_| fault(0))?;
    let (rest, count) = length(after_tag).map_err(|_| fault(tag))?;
    let value: IResult<&[u8], &[u8]> = take(count)(rest);
    match value {
        Ok((after, value)) => Ok((tag, value, input.len() - after.len())),
        Err(_) => Err(TlvError { expected: Some(count), found: Some(rest.len()), ..fault(tag) }),
    }
}

/// The value of the first occurrence of a tag.
///
/// # Errors
/// The sequence is malformed before the tag.
pub fn find(content: &[u8], wanted: u32) -> Result<Option<&[u8]>, TlvError> {
    for tlv in tags(content) {
        let tlv = tlv?;
        if tlv.tag == wanted {
            return Ok(Some(tlv.value));
        }
    }
    Ok(None)
}

/// Appends a tag; false, and nothing appended, for a value over 65,535 bytes.
pub fn write(tag: u32, value: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(value.len()) else { return false };
    let bytes = tag.to_be_bytes();
    let skip = (tag.leading_zeros() / 8).min(3) as usize;
    out.extend_from_slice(&bytes[skip..]);
    match length {
        0..=0x7F => out.push(length as u8),
        0x80..=0xFF => out.extend_from_slice(&[0x81, length as u8]),
        _ => {
            out.push(0x82);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(value);
    true
}

fn tag(input: &[u8]) -> IResult<&[u8], u32> {
    let (mut rest, first) = be_u8(input)?;
    let mut tag = u32::from(first);
    if first & 0x1F == 0x1F {
        loop {
            let (after, next) = be_u8(rest)?;
            rest = after;
            tag = tag << 8 | u32::from(next);
            if next & 0x80 == 0 {
                break;
            }
            if tag > 0xFFFF {
                return Err(nom::Err::Failure(nom::error::Error::new(rest, nom::error::ErrorKind::TooLarge)));
            }
        }
    }
    Ok((rest, tag))
}

fn length(input: &[u8]) -> IResult<&[u8], usize> {
    let (rest, first) = be_u8(input)?;
    match first {
        0..=0x7F => Ok((rest, usize::from(first))),
        0x81 => be_u8.map(usize::from).parse(rest),
        0x82 => nom::number::complete::be_u16.map(usize::from).parse(rest),
        _ => Err(nom::Err::Failure(nom::error::Error::new(rest, nom::error::ErrorKind::LengthValue))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_duplicates_are_kept() {
        let mut out = Vec::new();
        for (tag, value) in [(0x9F26, &b"\x01\x02"[..]), (0x82, b"\x00"), (0x9F26, b"\x03"), (0x5F34, b"")] {
            assert!(write(tag, value, &mut out));
        }
        let read: Vec<_> = tags(&out).map(|t| t.map(|t| (t.tag, t.value.to_vec()))).collect::<Result<_, _>>().unwrap();
        assert_eq!(read, [(0x9F26, vec![1, 2]), (0x82, vec![0]), (0x9F26, vec![3]), (0x5F34, vec![])]);
        assert_eq!(find(&out, 0x9F26), Ok(Some(&[1u8, 2][..])));
    }

    #[test]
    fn every_cut_inside_a_tag_is_an_error() {
        let mut out = Vec::new();
        write(0x9F10, &[7; 200], &mut out);
        for cut in 1..out.len() {
            assert!(tags(&out[..cut]).any(|t| t.is_err()), "cut at {cut}");
        }
    }
}
