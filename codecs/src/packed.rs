//! Digits packed two to a byte, several at a time.

use crate::dialect::Filler;
use wide::{i16x8, u8x16};

/// Eight digits, each in a byte, side by side.
#[inline(always)]
pub(crate) fn nibbles(digits: u64) -> u32 {
    let pairs = (digits | digits >> 4) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    (fours | fours >> 16) as u32
}

/// As [`nibbles`], of four digits.
#[inline(always)]
pub(crate) fn four_nibbles(digits: u32) -> u16 {
    let pairs = (digits | digits >> 4) & 0x00FF_00FF;
    (pairs | pairs >> 8) as u16
}

/// Sixteen characters by their low nibbles.
#[inline(always)]
fn block(chars: &[u8; 16]) -> [u8; 8] {
    let pairs = i16x8::new(std::array::from_fn(|i| i16::from_le_bytes([chars[2 * i], chars[2 * i + 1]])));
    let pairs = pairs & i16x8::splat(0x0F0F);
    // the nibbles of a pair stand in its two bytes
    let pairs: i16x8 = (pairs << 4 | pairs >> 8) & i16x8::splat(0xFF);
    (u128::from_le_bytes(u8x16::narrow_i16x8(pairs, pairs).to_array()) as u64).to_le_bytes()
}

/// Writes characters by their low nibbles to the beginning of `room`, and says how many bytes they take; where their number
/// is odd, filler makes it even. `None` where there is not as much room.
#[inline]
pub(crate) fn write(chars: &[u8], filler: Filler, room: &mut [u8]) -> Option<usize> {
    let count = chars.len().div_ceil(2);
    let room = room.get_mut(..count)?;
    match (filler, chars, room) {
        (_, _, room) if chars.len().is_multiple_of(2) => write_even(chars, room),
        (Filler::First, [char, chars @ ..], [byte, room @ ..]) => {
            *byte = char & 15;
            write_even(chars, room);
        }
        (_, [chars @ .., char], [room @ .., byte]) => {
            *byte = char << 4 | if filler == Filler::LastF { 15 } else { 0 };
            write_even(chars, room);
        }
        _ => {}
    }
    Some(count)
}

/// As [`write`], for an even number of characters in as much room as they need.
#[inline]
fn write_even(chars: &[u8], room: &mut [u8]) {
    for (chars, place) in chars.as_chunks().0.iter().zip(room.as_chunks_mut().0) {
        *place = block(chars);
    }
    // the last of them are written together with some of those before, in a block that ends with them
    if let (Some(last), Some(place)) = (chars.last_chunk(), room.last_chunk_mut()) {
        *place = block(last);
    } else if let (Some(first), Some(last)) = (chars.first_chunk(), chars.last_chunk()) {
        let end = room.len() - 4;
        for (eight, from) in [(first, 0), (last, end)] {
            let digits = u64::from_be_bytes(*eight) & 0x0F0F_0F0F_0F0F_0F0F;
            room[from..from + 4].copy_from_slice(&nibbles(digits).to_be_bytes());
        }
    } else {
        for ([high, low], byte) in chars.as_chunks().0.iter().zip(room) {
            *byte = high << 4 | low & 15;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_count_stand_as_the_filler_says() {
        for count in 0..40u8 {
            let digits: Vec<u8> = (0..count).map(|i| b'0' + (i % 10 * 7 + 3) % 10).collect();
            for (filler, before, behind) in
                [(Filler::First, "0", ""), (Filler::Last, "", "0"), (Filler::LastF, "", "F"), (Filler::None, "", "0")]
            {
                let mut out = vec![0xEE; usize::from(2 + count / 2 + count % 2)];
                assert_eq!(write(&digits, filler, &mut out[1..]), Some(out.len() - 2));
                let (before, behind) = if count % 2 == 1 { (before, behind) } else { ("", "") };
                let text = std::str::from_utf8(&digits).expect("digits");
                assert_eq!(crate::encoding::to_hex(&out), format!("EE{before}{text}{behind}EE"));
            }
        }
    }
}
