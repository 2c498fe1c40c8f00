//! What the bytes of elements must be, tested for many bytes at once.
//!
//! Elements are short and neighbours are often alike: a run of them is tested in one pass over its bytes, a block at a
//! time. Within a block there is no early exit, so that the compiler puts it into one wide register.

/// The test that each byte of a run must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// Every byte will do: binary content, EBCDIC text.
    Any,
    /// ASCII digits.
    Digits,
    /// ASCII characters of any kind.
    Ascii,
    /// Hex digits in ASCII, either case.
    Hex,
    /// Two decimal digits in each byte.
    Packed,
    /// ASCII digits, and the separator `=` of a track.
    TrackDigits,
    /// EBCDIC digits, which are the same in every code page.
    EbcdicDigits,
    /// More than a test of single bytes: such an element is read on its own.
    Alone,
}

impl Class {
    /// Whether every byte passes; an element that is read on its own passes here.
    #[inline]
    pub(crate) fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::Any | Self::Alone => true,
            Self::Digits => all_digits(bytes),
            Self::Ascii => all(bytes, |byte| byte.is_ascii()),
            Self::Hex => all_hex(bytes),
            Self::Packed => all_packed_digits(bytes),
            Self::TrackDigits => all(bytes, |char| (char.wrapping_sub(b'0') <= 9) | (char == b'=')),
            Self::EbcdicDigits => all(bytes, |byte| byte.wrapping_sub(0xF0) <= 9),
        }
    }

    /// Whether whatever passes this test passes `other` too.
    #[inline(always)]
    pub(crate) fn is_within(self, other: Self) -> bool {
        // as bits, for a look at one of them takes no branch
        let wider = match self {
            Self::Digits => 1 << Self::Ascii as u8 | 1 << Self::Hex as u8 | 1 << Self::TrackDigits as u8,
            Self::Hex | Self::TrackDigits => 1 << Self::Ascii as u8,
            _ => 0,
        };
        (wider | 1 << self as u8 | 1u16 << Self::Any as u8) >> other as u8 & 1 == 1
    }
}

/// Whether every character is an ASCII digit.
#[inline]
pub(crate) fn all_digits(chars: &[u8]) -> bool {
    all(chars, |char| char.wrapping_sub(b'0') <= 9)
}

/// Whether every character is a hex digit in ASCII, of either case.
#[inline]
pub(crate) fn all_hex(chars: &[u8]) -> bool {
    all(chars, is_hex)
}

/// As [`all_hex`], for a bitmap's worth of them.
#[inline]
pub(crate) fn all_hex_in(block: &[u8; 16]) -> bool {
    all_in(block, is_hex)
}

#[inline(always)]
fn is_hex(char: u8) -> bool {
    (char.wrapping_sub(b'0') <= 9) | ((char | 0x20).wrapping_sub(b'a') <= 5)
}

/// Whether every nibble of every byte is a decimal digit.
#[inline]
pub(crate) fn all_packed_digits(bytes: &[u8]) -> bool {
    // six more carries into the next bit from ten up
    all(bytes, |byte| (((byte & 0x0F) + 0x06) | ((byte >> 4) + 0x06)) & 0x10 == 0)
}

/// Whether every byte is `right`.
#[inline]
fn all(bytes: &[u8], right: impl Fn(u8) -> bool + Copy) -> bool {
    match bytes.len() {
        32.. => all_in_blocks::<32>(bytes, right),
        16.. => all_in_blocks::<16>(bytes, right),
        8.. => all_in_blocks::<8>(bytes, right),
        4.. => all_in_blocks::<4>(bytes, right),
        _ => bytes.iter().fold(true, |all, byte| all & right(*byte)),
    }
}

/// As [`all`], for a block at least; the last block may begin within the one before it.
#[inline]
fn all_in_blocks<const N: usize>(bytes: &[u8], right: impl Fn(u8) -> bool + Copy) -> bool {
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk::<N>() {
        if !all_in(block, right) {
            return false;
        }
        rest = behind;
    }
    rest.is_empty() || bytes.last_chunk::<N>().is_some_and(|block| all_in(block, right))
}

#[inline(always)]
fn all_in<const N: usize>(block: &[u8; N], right: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(true, |all, byte| all & right(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each length up to a few blocks, with each value of a byte at each place.
    #[test]
    fn a_wrong_byte_is_found_wherever_it_is() {
        for (class, good, is_right) in [
            (Class::Digits, b'5', (|b| b.is_ascii_digit()) as fn(u8) -> bool),
            (Class::Ascii, b'A', |b| b.is_ascii()),
            (Class::Hex, b'f', |b| b.is_ascii_hexdigit()),
            (Class::Packed, 0x42, |b| b >> 4 <= 9 && b & 15 <= 9),
            (Class::TrackDigits, b'=', |b| b.is_ascii_digit() || b == b'='),
            (Class::EbcdicDigits, 0xF7, |b| (0xF0..=0xF9).contains(&b)),
            (Class::Any, 0, |_| true),
        ] {
            for length in 0..40 {
                let mut bytes = vec![good; length];
                assert!(class.holds(&bytes), "{class:?} of {length}");
                for place in 0..length {
                    for byte in 0..=255 {
                        bytes[place] = byte;
                        assert_eq!(class.holds(&bytes), is_right(byte), "{class:?} of {length}: {byte:02X} at {place}");
                    }
                    bytes[place] = good;
                }
            }
        }
    }

    #[test]
    fn a_class_is_within_another_only_if_all_its_bytes_are() {
        use Class::{Any, Ascii, Digits, EbcdicDigits, Hex, Packed, TrackDigits};
        let classes = [Any, Digits, Ascii, Hex, Packed, TrackDigits, EbcdicDigits];
        for (one, other) in classes.into_iter().flat_map(|one| classes.map(|other| (one, other))) {
            let escapes = (0..=255u8).any(|byte| one.holds(&[byte]) && !other.holds(&[byte]));
            assert!(!(one.is_within(other) && escapes), "{one:?} within {other:?}");
        }
        assert!(Digits.is_within(Ascii) && Digits.is_within(TrackDigits) && !Ascii.is_within(Digits));
    }
}
