//! Character classes: what the bytes of an element must be, tested for many bytes at once.
//!
//! Elements are short, and neighbours often have the same class: a run of them is tested in one pass, sixteen bytes at
//! a time. A test gives a number per byte, 0 for a valid one; the numbers are collected without a branch and looked at
//! once for the whole run.

use crate::blocks::{copy_ends, few, of_bytes, of_eights, of_fours};
use wide::u8x16;

/// The test that each byte of a run must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CharClass {
    /// Any byte: binary content, EBCDIC text.
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
    /// Needs more than a test of single bytes: such an element is read by itself.
    Alone,
}

impl CharClass {
    /// Whether every byte is of the class; always true for an element that is read by itself.
    #[inline]
    pub(crate) fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::Any | Self::Alone => true,
            Self::Digits => all_digits(bytes),
            Self::Ascii => all(bytes, |block| block & splat(0x80)),
            Self::Hex => all_hex(bytes),
            Self::Packed => all_packed_digits(bytes),
            Self::TrackDigits => all(bytes, |chars| no_digit(chars).min(chars ^ splat(b'='))),
            Self::EbcdicDigits => all(bytes, |block| over(block - splat(0xF0), 9)),
        }
    }

    /// The bit of the class in a set of classes.
    #[inline(always)]
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The set of classes whose bytes are all of this class too.
    pub(crate) fn passing(self) -> u16 {
        let within: &[Self] = match self {
            Self::Any => &[Self::Digits, Self::Ascii, Self::Hex, Self::Packed, Self::TrackDigits, Self::EbcdicDigits],
            Self::Ascii => &[Self::Digits, Self::Hex, Self::TrackDigits],
            Self::Packed => &[Self::Digits, Self::Hex],
            Self::Hex | Self::TrackDigits => &[Self::Digits],
            _ => &[],
        };
        within.iter().fold(self.bit(), |bits, class| bits | class.bit())
    }
}

/// Whether every character is an ASCII digit.
#[inline]
pub(crate) fn all_digits(chars: &[u8]) -> bool {
    all(chars, no_digit)
}

/// Whether every character is a hex digit in ASCII, of either case.
#[inline]
pub(crate) fn all_hex(chars: &[u8]) -> bool {
    all(chars, no_hex)
}

/// As [`all_hex`], for the sixteen characters of a bitmap.
#[inline]
pub(crate) fn all_hex_in(block: &[u8; 16]) -> bool {
    no_hex(u8x16::new(*block)) == splat(0)
}

/// Whether every nibble of every byte is a decimal digit.
#[inline]
pub(crate) fn all_packed_digits(bytes: &[u8]) -> bool {
    all(bytes, |block| over(block, 0x9F) | over(block & splat(0x0F), 9))
}

#[inline(always)]
fn splat(byte: u8) -> u8x16 {
    u8x16::splat(byte)
}

/// For each byte, by how much it exceeds `most`.
#[inline(always)]
fn over(block: u8x16, most: u8) -> u8x16 {
    block.saturating_sub(splat(most))
}

#[inline(always)]
fn no_digit(chars: u8x16) -> u8x16 {
    over(chars - splat(b'0'), 9)
}

#[inline(always)]
fn no_hex(chars: u8x16) -> u8x16 {
    no_digit(chars).min(over((chars | splat(0x20)) - splat(b'a'), 5))
}

/// Whether the test gives 0 for every byte.
#[inline(always)]
fn all(bytes: &[u8], wrong: impl Fn(u8x16) -> u8x16) -> bool {
    let mut found = splat(0);
    for block in bytes.as_chunks().0 {
        found |= wrong(u8x16::new(*block));
    }
    // the last block may overlap the one before it
    if let Some(block) = bytes.last_chunk() {
        return (found | wrong(u8x16::new(*block))) == splat(0);
    }
    few(bytes).is_none_or(|block| wrong(block) == splat(0))
}

/// The largest number of bytes for [`copy_short`].
pub(crate) const SHORT: usize = 64;

/// Copies up to [`SHORT`] bytes to the beginning of `room`, and returns whether all are of the class. `None` if there
/// is too little room, or if text cannot have the class.
#[inline(always)]
pub(crate) fn copy_short(bytes: &[u8], class: CharClass, room: &mut [u8]) -> Option<bool> {
    let room = room.get_mut(..bytes.len())?;
    if class == CharClass::Any {
        copy_tested(bytes, room, |_| splat(0))
    } else if class == CharClass::Ascii {
        copy_tested(bytes, room, |block| block & splat(0x80))
    } else if class == CharClass::Digits {
        copy_tested(bytes, room, no_digit)
    } else {
        None
    }
}

/// As [`copy_short`], to room of the same size, with the test as a function.
#[inline(always)]
fn copy_tested(bytes: &[u8], room: &mut [u8], wrong: impl Fn(u8x16) -> u8x16) -> Option<bool> {
    // both ends, which meet or overlap
    let found = if let Some(ends) = copy_ends::<32>(bytes, room) {
        let blocks = ends.as_flattened().as_chunks().0;
        blocks.iter().fold(splat(0), |found, block| found | wrong(u8x16::new(*block)))
    } else if let Some([first, last]) = copy_ends(bytes, room) {
        wrong(u8x16::new(first)) | wrong(u8x16::new(last))
    } else if let Some(ends) = copy_ends(bytes, room) {
        wrong(of_eights(ends))
    } else if let Some(ends) = copy_ends(bytes, room) {
        wrong(of_fours(ends))
    } else if let Some(middle) = bytes.get(bytes.len() / 2) {
        // at most three bytes; the compiler would make a call of a loop over them
        let [[first], [last]] = copy_ends(bytes, room)?;
        *room.get_mut(bytes.len() / 2)? = *middle;
        wrong(of_bytes([first, *middle, last]))
    } else {
        return Some(true);
    };
    Some(found == splat(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length up to a few blocks, with every byte value at every position.
    #[test]
    fn a_wrong_byte_is_found_wherever_it_is() {
        for (class, good, is_right) in [
            (CharClass::Digits, b'5', (|b| b.is_ascii_digit()) as fn(u8) -> bool),
            (CharClass::Ascii, b'A', |b| b.is_ascii()),
            (CharClass::Hex, b'f', |b| b.is_ascii_hexdigit()),
            (CharClass::Packed, 0x42, |b| b >> 4 <= 9 && b & 15 <= 9),
            (CharClass::TrackDigits, b'=', |b| b.is_ascii_digit() || b == b'='),
            (CharClass::EbcdicDigits, 0xF7, |b| (0xF0..=0xF9).contains(&b)),
            (CharClass::Any, 0, |_| true),
        ] {
            for length in 0..40 {
                let mut bytes = vec![good; length];
                assert!(class.holds(&bytes), "{class:?} of {length}");
                let mut room = vec![0; length];
                let is_text = matches!(class, CharClass::Any | CharClass::Ascii | CharClass::Digits);
                let copied = copy_short(&bytes[..length.min(SHORT)], class, &mut room);
                assert_eq!(copied, is_text.then_some(true));
                assert!(!is_text || room[..length.min(SHORT)] == bytes[..length.min(SHORT)], "{class:?} of {length}");
                for place in 0..length {
                    for byte in 0..=255 {
                        bytes[place] = byte;
                        assert_eq!(class.holds(&bytes), is_right(byte), "{class:?} of {length}: {byte:02X} at {place}");
                        if is_text && length <= SHORT {
                            assert_eq!(copy_short(&bytes, class, &mut room), Some(is_right(byte)));
                        }
                    }
                    bytes[place] = good;
                }
            }
        }
    }

    #[test]
    fn a_class_is_within_another_only_if_all_its_bytes_are() {
        use CharClass::{Any, Ascii, Digits, EbcdicDigits, Hex, Packed, TrackDigits};
        let classes = [Any, Digits, Ascii, Hex, Packed, TrackDigits, EbcdicDigits];
        for (one, other) in classes.into_iter().flat_map(|one| classes.map(|other| (one, other))) {
            let escapes = (0..=255u8).any(|byte| one.holds(&[byte]) && !other.holds(&[byte]));
            assert_eq!(other.passing() & one.bit() != 0, !escapes, "{one:?} within {other:?}");
        }
    }
}
