//! Length prefixes as the reader and the writer of messages have them, in few steps.

use crate::class::Class;
use crate::encoding::PrefixEncoding;

/// The length prefixes that dialects are made of; an element with another is read on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Prefix {
    /// There is none, and no filler either.
    None,
    /// There is none: the row says how many units there are.
    Implied,
    Ascii2,
    Ascii3,
    Ebcdic2,
    Ebcdic3,
    /// Two digits in a byte.
    Packed1,
    /// Up to four digits in two bytes.
    Packed2,
    Binary1,
    Binary2,
}

impl Prefix {
    pub(super) fn of(encoding: PrefixEncoding, digits: u8) -> Option<Self> {
        Some(match (encoding, encoding.wire_len(digits)) {
            (PrefixEncoding::Ascii, 2) => Self::Ascii2,
            (PrefixEncoding::Ascii, 3) => Self::Ascii3,
            (PrefixEncoding::Ebcdic, 2) => Self::Ebcdic2,
            (PrefixEncoding::Ebcdic, 3) => Self::Ebcdic3,
            (PrefixEncoding::Bcd, 1) => Self::Packed1,
            (PrefixEncoding::Bcd, 2) => Self::Packed2,
            (PrefixEncoding::Binary, 1) => Self::Binary1,
            (PrefixEncoding::Binary, 2) => Self::Binary2,
            _ => return None,
        })
    }

    pub(super) fn passes(self, class: Class) -> bool {
        match self {
            Self::None | Self::Implied => true,
            Self::Ascii2 | Self::Ascii3 => matches!(class, Class::Any | Class::Digits | Class::Ascii | Class::Hex),
            Self::Ebcdic2 | Self::Ebcdic3 => matches!(class, Class::Any | Class::EbcdicDigits),
            Self::Packed1 | Self::Packed2 => matches!(class, Class::Any | Class::Packed),
            Self::Binary1 | Self::Binary2 => class == Class::Any,
        }
    }

    /// Bytes it takes.
    #[inline]
    pub(crate) fn wire_len(self) -> usize {
        match self {
            Self::None | Self::Implied => 0,
            Self::Packed1 | Self::Binary1 => 1,
            Self::Ascii2 | Self::Ebcdic2 | Self::Packed2 | Self::Binary2 => 2,
            Self::Ascii3 | Self::Ebcdic3 => 3,
        }
    }

    /// Appends the prefix that says `number`; false, and nothing appended, if it cannot say that much.
    #[inline]
    pub(crate) fn put(self, number: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::None | Self::Implied => return true,
            Self::Ascii2 if number < 100 => out.extend_from_slice(&two_digits(number, b'0')),
            Self::Ascii3 if number < 1000 => out.extend_from_slice(&three_digits(number, b'0')),
            Self::Ebcdic2 if number < 100 => out.extend_from_slice(&two_digits(number, 0xF0)),
            Self::Ebcdic3 if number < 1000 => out.extend_from_slice(&three_digits(number, 0xF0)),
            Self::Packed1 if number < 100 => out.push(two_packed(number)),
            Self::Packed2 if number < 10_000 => {
                out.extend_from_slice(&[two_packed(number / 100), two_packed(number % 100)]);
            }
            Self::Binary1 if number < 0x100 => out.push(number as u8),
            Self::Binary2 if number < 0x1_0000 => out.extend_from_slice(&(number as u16).to_be_bytes()),
            _ => return false,
        }
        true
    }

    /// The number it holds at the start of `bytes`; `None` if it holds none or is not there whole.
    #[inline(always)]
    pub(super) fn read(self, bytes: &[u8]) -> Option<u32> {
        Some(match self {
            Self::None | Self::Implied => 0,
            Self::Ascii2 => decimal(*bytes.first_chunk::<2>()?, b'0')?,
            Self::Ascii3 => decimal(*bytes.first_chunk::<3>()?, b'0')?,
            Self::Ebcdic2 => decimal(*bytes.first_chunk::<2>()?, 0xF0)?,
            Self::Ebcdic3 => decimal(*bytes.first_chunk::<3>()?, 0xF0)?,
            Self::Packed1 => decimal(nibbles(*bytes.first()?), 0)?,
            Self::Packed2 => {
                let [first, second] = *bytes.first_chunk::<2>()?;
                decimal(nibbles(first), 0)? * 100 + decimal(nibbles(second), 0)?
            }
            Self::Binary1 => u32::from(*bytes.first()?),
            Self::Binary2 => u32::from(u16::from_be_bytes(*bytes.first_chunk()?)),
        })
    }
}

#[inline]
fn nibbles(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15]
}

#[inline]
fn decimal<const N: usize>(digits: [u8; N], zero: u8) -> Option<u32> {
    let digits = digits.map(|digit| digit.wrapping_sub(zero));
    // no early exit: a prefix is nearly always well formed
    let right = digits.iter().fold(true, |right, digit| right & (*digit <= 9));
    right.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(*digit)))
}

#[inline]
fn two_digits(number: usize, zero: u8) -> [u8; 2] {
    [zero + (number / 10) as u8, zero + (number % 10) as u8]
}

#[inline]
fn three_digits(number: usize, zero: u8) -> [u8; 3] {
    let [tens, ones] = two_digits(number % 100, zero);
    [zero + (number / 100) as u8, tens, ones]
}

#[inline]
fn two_packed(number: usize) -> u8 {
    (number / 10 * 16 + number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quick prefixes say and hear what the row's encoding does, and refuse what it refuses.
    #[test]
    fn prefixes_are_those_of_the_encoding() {
        use PrefixEncoding::{Ascii, Bcd, Binary, Ebcdic};
        let rows =
            [(Ascii, 2), (Ascii, 3), (Ebcdic, 2), (Ebcdic, 3), (Bcd, 2), (Bcd, 3), (Bcd, 4), (Binary, 2), (Binary, 3)];
        for (encoding, digits) in rows {
            let prefix = Prefix::of(encoding, digits).expect("dialects have such prefixes");
            for number in 0..70_000 {
                let mut wanted = vec![0; encoding.wire_len(digits)];
                let fits = encoding.write(number, &mut wanted);
                let mut out = Vec::new();
                assert_eq!(prefix.put(number, &mut out), fits, "{prefix:?} {number}");
                if fits {
                    assert_eq!(out, wanted, "{prefix:?} {number}");
                    assert_eq!(prefix.read(&out), Some(number as u32));
                }
            }
        }
    }
}
