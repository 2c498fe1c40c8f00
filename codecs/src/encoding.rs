//! Encodings of characters, digits and lengths: independent choices, each a column of a row.

use crate::ebcdic::CodePage;

/// The format letters of an element (ISO 8583:1987, clause 3): the characters that it may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Digits.
    Numeric,
    /// One sign, `C` or `D`, then digits. The sign stays a whole character in packed dialects.
    SignedNumeric,
    /// Letters, digits, special characters, blanks: any text.
    Text,
    /// Bytes.
    Binary,
    /// Track code set: digits, the separator, filler.
    Track,
}

/// Encoding of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Ascii,
    Ebcdic(CodePage),
    /// Two digits per byte.
    Bcd,
    /// Bytes unchanged.
    Raw,
    /// Two hex digits per byte, in ASCII.
    HexAscii,
    /// Two hex digits per byte, in EBCDIC.
    HexEbcdic(CodePage),
}

/// Encoding of a length prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixEncoding {
    Ascii,
    Ebcdic,
    Bcd,
    Binary,
    /// Hex digits in ASCII: `10` is sixteen.
    HexAscii,
}

/// Unit of the length prefix of an element in packed digits, or of bytes written in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthUnit {
    Digits,
    Bytes,
}

/// Position and value of the filler nibble for an odd number of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    LeftZero,
    RightZero,
    RightF,
}

impl Content {
    /// Bytes on the wire for `units` characters (bytes, for binary content).
    #[inline]
    pub fn wire_len(self, units: usize) -> usize {
        match self {
            Self::Ascii | Self::Ebcdic(_) | Self::Raw => units,
            Self::Bcd => units.div_ceil(2),
            Self::HexAscii | Self::HexEbcdic(_) => units * 2,
        }
    }
}

impl PrefixEncoding {
    /// Bytes on the wire for a prefix of `digits` decimal digits.
    pub fn wire_len(self, digits: u8) -> usize {
        let digits = usize::from(digits);
        match self {
            Self::Ascii | Self::Ebcdic | Self::HexAscii => digits,
            Self::Bcd => digits.div_ceil(2),
            Self::Binary => digits.div_ceil(2),
        }
    }

    /// The largest number in a prefix of `digits` decimal digits.
    pub fn most(self, digits: u8) -> usize {
        match self {
            Self::Ascii | Self::Ebcdic => 10usize.pow(digits.into()) - 1,
            Self::Bcd => 100usize.pow(digits.div_ceil(2).into()) - 1,
            Self::Binary => (1 << (8 * digits.div_ceil(2))) - 1,
            Self::HexAscii => (1 << (4 * digits)) - 1,
        }
    }

    /// The number in a prefix; `None` if it is malformed.
    pub fn read(self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().try_fold(0usize, |n, &b| match self {
            Self::Ascii => b.is_ascii_digit().then(|| n * 10 + usize::from(b - b'0')),
            Self::Ebcdic => (0xF0..=0xF9).contains(&b).then(|| n * 10 + usize::from(b - 0xF0)),
            Self::Bcd => (b >> 4 <= 9 && b & 15 <= 9).then(|| n * 100 + usize::from(b >> 4) * 10 + usize::from(b & 15)),
            Self::Binary => Some(n << 8 | usize::from(b)),
            Self::HexAscii => hex_value(b).map(|digit| n << 4 | usize::from(digit)),
        })
    }

    /// Writes `value` to `place`, which has the prefix's size; false if it does not fit.
    #[inline]
    pub fn write(self, value: usize, place: &mut [u8]) -> bool {
        match self {
            Self::Ascii => fill::<10>(place, value, |digit| b'0' + digit),
            Self::Ebcdic => fill::<10>(place, value, |digit| 0xF0 + digit),
            Self::Bcd => fill::<100>(place, value, |pair| ((pair / 10) << 4) | (pair % 10)),
            Self::Binary => fill::<256>(place, value, |byte| byte),
            Self::HexAscii => fill::<16>(place, value, hex_digit),
        }
    }
}

/// Writes the digits of `value` in a base to `place`; false if there are more digits.
#[inline]
fn fill<const BASE: usize>(place: &mut [u8], value: usize, form: impl Fn(u8) -> u8) -> bool {
    let mut rest = value;
    for byte in place.iter_mut().rev() {
        *byte = form((rest % BASE) as u8);
        rest /= BASE;
    }
    rest == 0
}

/// Whether a character may be the sign of an x+n element: credit, debit, or – as some partners write it for an amount
/// of zero – a zero or a blank.
pub(crate) fn is_sign(char: u8) -> bool {
    matches!(char, b'C' | b'D' | b'0' | b' ')
}

const NO_DIGIT: u8 = 0xFF;

/// The hex digit value of each ASCII character.
const HEX_VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// The value of a hex digit in ASCII, either case.
#[inline]
pub fn hex_value(char: u8) -> Option<u8> {
    let value = HEX_VALUES[usize::from(char)];
    (value != NO_DIGIT).then_some(value)
}

/// The byte of two hex digits; another character sets all bits.
#[inline]
pub(crate) fn hex_pair(high: u8, low: u8) -> u8 {
    HEX_VALUES[usize::from(high)] << 4 | HEX_VALUES[usize::from(low)] & 15
}

/// The upper-case hex digit of a nibble.
#[inline]
pub const fn hex_digit(nibble: u8) -> u8 {
    let nibble = nibble & 15;
    nibble + if nibble > 9 { b'A' - 10 } else { b'0' }
}

/// Bytes in upper-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [hex_digit(b >> 4) as char, hex_digit(*b) as char]).collect()
}

/// Bytes of a hex string (either case, no blanks); `None` for an odd count or another character.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    text.len()
        .is_multiple_of(2)
        .then(|| text.chunks_exact(2).map(|pair| Some(hex_value(pair[0])? << 4 | hex_value(pair[1])?)).collect())
        .flatten()
}
