//! TR-31 key blocks (ANSI X9.143): a key is sent between two parties who share a protection key, with its permitted use in the
//! header. This file reads and writes the text; [`super::tr31`] does the cryptography.
use std::fmt;

/// Versions that are read and written. A and C, which protect by key variants, are deprecated and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Protection key is double- or triple-length DES; MAC of 8 bytes.
    B,
    /// Protection key is AES; MAC of 16 bytes.
    D,
}

impl Version {
    /// Block length of the cipher, and length of the MAC, in bytes.
    pub(crate) fn block(self) -> usize {
        match self {
            Self::B => 8,
            Self::D => 16,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::B => 'B',
            Self::D => 'D',
        }
    }
}

/// The header of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub version: Version,
    /// Key usage, such as `P0` for PIN encipherment.
    pub usage: [u8; 2],
    /// `T` triple DES, `A` AES.
    pub algorithm: u8,
    /// Mode of use, such as `B` for both directions.
    pub mode: u8,
    /// Two characters; `00` if keys are not numbered.
    pub key_version: [u8; 2],
    /// `N` never, `E` under a trusted key block, `S` as the parties agree.
    pub exportability: u8,
    /// Optional blocks in their order, the filler left out.
    pub blocks: Vec<OptionalBlock>,
}

/// An optional block of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionalBlock {
    pub id: [u8; 2],
    pub data: Vec<u8>,
}

/// Why a text is not accepted as a key block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("shorter than a header")]
    Short,
    #[error("characters outside printable ASCII")]
    Characters,
    #[error("a version other than B and D")]
    Version,
    #[error("the length in the header is not the length of the block")]
    Length,
    #[error("an optional block")]
    OptionalBlock,
    #[error("the enciphered key")]
    Payload,
}

/// The parts of a block.
pub(crate) struct Parsed<'a> {
    pub header: Header,
    /// The header's text with its optional blocks, which the MAC covers besides the key.
    pub covered: &'a [u8],
    pub enciphered: Vec<u8>,
    pub mac: Vec<u8>,
}

const HEADER: usize = 16;
/// The longest block: four decimal digits.
const LONGEST: usize = 9999;
/// Identifier of the filler that brings a header to whole cipher blocks.
const FILLER: [u8; 2] = *b"PB";

/// Splits a block into its parts. They cannot be trusted until the MAC has been checked.
pub(crate) fn parse(text: &str) -> Result<Parsed<'_>, Malformed> {
    let bytes = text.as_bytes();
    if bytes.len() < HEADER {
        return Err(Malformed::Short);
    }
    if !bytes.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        return Err(Malformed::Characters);
    }
    let version = match bytes[0] {
        b'B' => Version::B,
        b'D' => Version::D,
        _ => return Err(Malformed::Version),
    };
    if decimal(&bytes[1..5]) != Some(bytes.len()) {
        return Err(Malformed::Length);
    }
    let count = decimal(&bytes[12..14]).ok_or(Malformed::OptionalBlock)?;
    let (blocks, end) = optional_blocks(bytes, count)?;
    if !end.is_multiple_of(version.block()) {
        return Err(Malformed::OptionalBlock);
    }
    let header = Header {
        version,
        usage: [bytes[5], bytes[6]],
        algorithm: bytes[7],
        mode: bytes[8],
        key_version: [bytes[9], bytes[10]],
        exportability: bytes[11],
        blocks,
    };
    let (covered, rest) = bytes.split_at(end);
    let rest = std::str::from_utf8(rest).ok().and_then(crate::hex::unhex).ok_or(Malformed::Payload)?;
    let block = version.block();
    if rest.len() < 2 * block || !rest.len().is_multiple_of(block) {
        return Err(Malformed::Payload);
    }
    let (enciphered, mac) = rest.split_at(rest.len() - block);
    Ok(Parsed { header, covered, enciphered: enciphered.to_vec(), mac: mac.to_vec() })
}

fn optional_blocks(bytes: &[u8], count: usize) -> Result<(Vec<OptionalBlock>, usize), Malformed> {
    let mut blocks: Vec<OptionalBlock> = Vec::new();
    let mut at = HEADER;
    for _ in 0..count {
        let field = |from: usize, length: usize| bytes.get(from..from + length).ok_or(Malformed::OptionalBlock);
        let id: [u8; 2] = field(at, 2)?.try_into().map_err(|_| Malformed::OptionalBlock)?;
        let mut length = hexadecimal(field(at + 2, 2)?)?;
        let mut begin = at + 4;
        if length == 0 {
            // an extended length: how many bytes it has, then itself
            let digits = 2 * hexadecimal(field(begin, 2)?)?;
            if !(2..=8).contains(&digits) {
                return Err(Malformed::OptionalBlock);
            }
            length = hexadecimal(field(begin + 2, digits)?)?;
            begin += 2 + digits;
        }
        let end = at.checked_add(length).filter(|end| *end >= begin).ok_or(Malformed::OptionalBlock)?;
        let data = bytes.get(begin..end).ok_or(Malformed::OptionalBlock)?;
        if id != FILLER {
            if blocks.iter().any(|block| block.id == id) {
                return Err(Malformed::OptionalBlock);
            }
            blocks.push(OptionalBlock { id, data: data.to_vec() });
        }
        at = end;
    }
    Ok((blocks, at))
}

fn decimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + usize::from(digit - b'0')))
}

fn hexadecimal(digits: &[u8]) -> Result<usize, Malformed> {
    digits.iter().try_fold(0, |value: usize, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(Malformed::OptionalBlock)?;
        Ok(value << 4 | digit as usize)
    })
}

impl Header {
    /// The header's text before a payload of so many bytes, filler added where optional blocks leave a cipher block unfilled.
    pub(crate) fn text(&self, payload: usize) -> Result<String, Malformed> {
        let mut optional = String::new();
        for block in &self.blocks {
            optional.push_str(&written(block.id, &block.data)?);
        }
        let mut count = self.blocks.len();
        let block = self.version.block();
        if !optional.len().is_multiple_of(block) {
            let fill = (optional.len() + 4).next_multiple_of(block) - optional.len() - 4;
            optional.push_str(&written(FILLER, &vec![b'0'; fill])?);
            count += 1;
        }
        let total = HEADER + optional.len() + 2 * (payload + block);
        if count > 99 || total > LONGEST {
            return Err(Malformed::Length);
        }
        let letters = [self.algorithm, self.mode, self.key_version[0], self.key_version[1], self.exportability];
        if !letters.iter().chain(&self.usage).all(u8::is_ascii_alphanumeric) {
            return Err(Malformed::Characters);
        }
        let [algorithm, mode, high, low, exportability] = letters.map(char::from);
        let [first, second] = self.usage.map(char::from);
        let letter = self.version.letter();
        Ok(format!(
            "{letter}{total:04}{first}{second}{algorithm}{mode}{high}{low}{exportability}{count:02}00{optional}"
        ))
    }
}

fn written(id: [u8; 2], data: &[u8]) -> Result<String, Malformed> {
    let data = std::str::from_utf8(data).map_err(|_| Malformed::OptionalBlock)?;
    if data.len() + 4 > 0xFF || !data.is_ascii() {
        return Err(Malformed::OptionalBlock);
    }
    let [first, second] = id.map(char::from);
    Ok(format!("{first}{second}{:02X}{data}", data.len() + 4))
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        write!(f, "{} {} mode {}", text(&self.usage), char::from(self.algorithm), char::from(self.mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(version: Version, blocks: Vec<OptionalBlock>) -> Header {
        Header { version, usage: *b"P0", algorithm: b'T', mode: b'B', key_version: *b"00", exportability: b'N', blocks }
    }

    proptest! {
        /// A header that is written can be read again, however long the optional blocks are.
        #[test]
        fn headers_survive_being_written(wide: bool, data in prop::collection::btree_map("[A-Z][0-9]", "[0-9A-F]{0,200}", 0..4), blocks in 1_usize..5) {
            let version = if wide { Version::D } else { Version::B };
            let optional = data.iter().map(|(id, data)| OptionalBlock {
                id: id.as_bytes().try_into().unwrap(),
                data: data.as_bytes().to_vec(),
            });
            let header = header(version, optional.collect());
            let payload = blocks * version.block();
            let text = header.text(payload).unwrap();
            prop_assert!(text.len().is_multiple_of(version.block()));
            let whole = text.clone() + &"AB".repeat(payload + version.block());
            let parsed = parse(&whole).unwrap();
            prop_assert_eq!(&parsed.header, &header);
            prop_assert_eq!(parsed.covered, text.as_bytes());
            prop_assert_eq!((parsed.enciphered.len(), parsed.mac.len()), (payload, version.block()));
        }

        /// Whatever comes from outside is refused or read, never a panic.
        #[test]
        fn garbage_is_refused(text in "[BD][0-9]{4}[ -~]{0,80}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn lengths_are_checked() {
        let block = |text: &str| parse(text).err();
        assert_eq!(block("B0080P0TE00N000"), Some(Malformed::Short));
        assert_eq!(block("B0081P0TE00N00000123456789ABCDEF0123456789ABCDEF"), Some(Malformed::Length));
        assert_eq!(block("A0016P0TE00N0000"), Some(Malformed::Version));
        assert_eq!(block("B0016P0TE00N0000"), Some(Malformed::Payload));
        // one optional block is announced, and none is there
        assert_eq!(block("B0048P0TE00N0100XX3456789ABCDEF00123456789ABCDEF"), Some(Malformed::OptionalBlock));
        // an optional block that ends before its own length field
        assert_eq!(block("B0048P0TE00N0100KS03456789ABCDEF0123456789ABCDEF"), Some(Malformed::OptionalBlock));
        // an extended length longer than any text
        assert_eq!(block("B0048P0TE00N0100KS0004FFFFFFFFEF0123456789ABCDEF"), Some(Malformed::OptionalBlock));
    }
}
