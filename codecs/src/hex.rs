//! Hex digits, many at a time.

use crate::char_class::all_hex_in;
use wide::u8x16;

/// The number in sixteen hex digits in ASCII, most significant first, either case; `None` if one is no digit.
#[inline]
pub(crate) fn word(digits: &[u8; 16]) -> Option<u64> {
    all_hex_in(digits).then(|| {
        let (high, low) = digits.split_at(8);
        let half = |chars: &[u8]| half_word(u64::from_be_bytes(chars.try_into().expect("eight of sixteen")));
        half(high) << 32 | half(low)
    })
}

/// The 32 bits of eight hex digits, computed side by side.
#[inline]
fn half_word(chars: u64) -> u64 {
    // a letter, which has bit 6, is worth nine more than its low nibble
    let nibbles = (chars & 0x0F0F_0F0F_0F0F_0F0F) + (chars >> 6 & 0x0101_0101_0101_0101) * 9;
    let bytes = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    (pairs | pairs >> 16) & 0xFFFF_FFFF
}

/// The characters of a code for upper-case hex digits.
#[derive(Clone, Copy)]
pub(crate) struct HexDigits {
    zero: u8,
    /// Distance of the letter A from the character after 9.
    letters: u8,
}

impl HexDigits {
    pub(crate) const ASCII: Self = Self { zero: b'0', letters: b'A' - b'9' - 1 };
    /// The same in every code page; letters come before digits.
    pub(crate) const EBCDIC: Self = Self { zero: 0xF0, letters: 0xC1u8.wrapping_sub(0xFA) };

    #[inline(always)]
    fn of(self, nibbles: u8x16) -> [u8; 16] {
        let letters = nibbles.max(u8x16::splat(10)).simd_eq(nibbles) & u8x16::splat(self.letters);
        (nibbles + u8x16::splat(self.zero) + letters).to_array()
    }
}

/// The sixteen digits of a number, most significant first.
#[inline(always)]
pub(crate) fn word_digits(word: u64, digits: HexDigits) -> [u8; 16] {
    let [high, low] = nibbles(u8x16::new(u128::from(word.swap_bytes()).to_le_bytes()));
    digits.of(u8x16::unpack_low(high, low))
}

/// The digits of two numbers.
#[inline(always)]
fn block_digits(block: &[u8; 16], digits: HexDigits) -> [u8; 32] {
    let [high, low] = nibbles(u8x16::new(*block));
    let mut both = [0; 32];
    let (first, second) = both.split_at_mut(16);
    first.copy_from_slice(&digits.of(u8x16::unpack_low(high, low)));
    second.copy_from_slice(&digits.of(u8x16::unpack_high(high, low)));
    both
}

#[inline(always)]
fn nibbles(bytes: u8x16) -> [u8x16; 2] {
    [bytes.unbounded_shr_scalar(4), bytes & u8x16::splat(15)]
}

/// Writes two digits for each byte to the beginning of `room`, and returns their number; `None` if there is too little
/// room.
#[inline(always)]
pub(crate) fn write(bytes: &[u8], digits: HexDigits, room: &mut [u8]) -> Option<usize> {
    let count = 2 * bytes.len();
    let room = room.get_mut(..count)?;
    for (block, place) in bytes.as_chunks().0.iter().zip(room.as_chunks_mut().0) {
        *place = block_digits(block, digits);
    }
    // the last digits are written together with some before them, in a block that ends with them
    if let (Some(last), Some(place)) = (bytes.last_chunk(), room.last_chunk_mut()) {
        *place = block_digits(last, digits);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        for (eight, from) in [(first, 0), (last, count - 16)] {
            room[from..from + 16].copy_from_slice(&word_digits(u64::from_be_bytes(*eight), digits));
        }
    } else {
        let word = bytes.iter().rev().fold(0, |word, byte| word >> 8 | u64::from(*byte) << 56);
        room.copy_from_slice(&word_digits(word, digits)[..count]);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ebcdic::CodePage;
    use crate::encoding::to_hex;

    #[test]
    fn bytes_of_every_count_are_their_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        for count in 0..50 {
            for from in (0..200).step_by(7) {
                let bytes = &bytes[from..from + count];
                let mut out = vec![b'A'; 2 * count + 2];
                let count = write(bytes, HexDigits::ASCII, &mut out[1..]);
                let digits = to_hex(bytes);
                assert_eq!((count, &out[..]), (Some(digits.len()), format!("A{digits}A").as_bytes()));
                write(bytes, HexDigits::EBCDIC, &mut out[1..]);
                for page in [CodePage::Cp037, CodePage::Cp500, CodePage::Cp1047] {
                    let chars: Vec<u8> = out[1..=digits.len()].iter().map(|byte| page.decode(*byte)).collect();
                    assert_eq!(chars, digits.as_bytes());
                }
            }
        }
    }

    #[test]
    fn words_turn_back_from_their_digits() {
        for number in [0, 1, u64::MAX, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210, 0xA0B0_C0D0_E0F0_0F0E] {
            let digits = word_digits(number, HexDigits::ASCII);
            assert_eq!(digits.to_vec(), format!("{number:016X}").into_bytes());
            assert_eq!(word(&digits), Some(number));
            assert_eq!(word(&digits.map(|digit| digit.to_ascii_lowercase())), Some(number));
            for place in 0..16 {
                for wrong in [b'/', b':', b'@', b'G', b'`', b'g', 0xC1] {
                    let mut digits = digits;
                    digits[place] = wrong;
                    assert_eq!(word(&digits), None);
                }
            }
        }
    }
}
