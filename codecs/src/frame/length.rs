//! Encodings of the length before a frame.

use crate::encoding::{PrefixEncoding, hex_digit, hex_value};
use bytes::{BufMut, BytesMut};

/// Encoding of a length, with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LengthCode {
    /// ASCII digits.
    Ascii(usize),
    /// ASCII hex digits; read in either case, written in lower case.
    Hex(usize),
    /// Packed decimal digits.
    Bcd(usize),
    /// The most significant byte first.
    BigEndian(usize),
    /// The least significant byte first.
    LittleEndian(usize),
}

impl LengthCode {
    pub(super) fn width(self) -> usize {
        match self {
            Self::Ascii(width)
            | Self::Hex(width)
            | Self::Bcd(width)
            | Self::BigEndian(width)
            | Self::LittleEndian(width) => width,
        }
    }

    /// `None` if the bytes are no length.
    pub(super) fn read(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Ascii(_) => PrefixEncoding::Ascii.read(bytes),
            Self::Bcd(_) => PrefixEncoding::Bcd.read(bytes),
            Self::BigEndian(_) => PrefixEncoding::Binary.read(bytes),
            Self::LittleEndian(_) => Some(bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))),
            Self::Hex(_) => bytes.iter().try_fold(0, |n, b| Some(n << 4 | usize::from(hex_value(*b)?))),
        }
    }

    /// The largest length that can be represented.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Ascii(width) => 10usize.pow(width as u32) - 1,
            Self::Bcd(width) => 10usize.pow(2 * width as u32) - 1,
            Self::Hex(width) => (1 << (4 * width)) - 1,
            Self::BigEndian(width) | Self::LittleEndian(width) => (1 << (8 * width)) - 1,
        }
    }

    fn write_prefix(encoding: PrefixEncoding, length: usize, width: usize, out: &mut BytesMut) {
        let start = out.len();
        out.resize(start + width, 0);
        encoding.write(length, &mut out[start..]);
    }

    /// `length` must be at most [`LengthCode::most`].
    pub(super) fn write(self, length: usize, out: &mut BytesMut) {
        match self {
            Self::Ascii(width) => Self::write_prefix(PrefixEncoding::Ascii, length, width, out),
            Self::Bcd(width) => Self::write_prefix(PrefixEncoding::Bcd, length, width, out),
            Self::BigEndian(width) => out.put_uint(length as u64, width),
            Self::LittleEndian(width) => out.put_uint_le(length as u64, width),
            Self::Hex(width) => {
                let digits = (0..width).rev().map(|place| hex_digit((length >> (4 * place)) as u8));
                digits.for_each(|digit| out.put_u8(digit.to_ascii_lowercase()));
            }
        }
    }
}
