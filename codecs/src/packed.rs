//! Packing of digits, two to a byte, several at a time.

use crate::blocks;
use crate::dialect::Filler;
use wide::{i16x8, u8x16};

/// Packs eight digits, given one per byte.
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

/// Packs the low nibbles of sixteen characters.
#[inline(always)]
fn packed(chars: u8x16) -> u64 {
    let chars = chars.to_array();
    let pairs = i16x8::new(std::array::from_fn(|i| i16::from_le_bytes([chars[2 * i], chars[2 * i + 1]])));
    let pairs = pairs & i16x8::splat(0x0F0F);
    // the nibbles of a pair are in two adjacent bytes
    let pairs: i16x8 = (pairs << 4 | pairs >> 8) & i16x8::splat(0xFF);
    u128::from_le_bytes(u8x16::narrow_i16x8(pairs, pairs).to_array()) as u64
}

/// Packs the low nibbles of characters to the beginning of `room`, and returns the number of bytes; an odd number of
/// them is completed by filler. `None` if there is too little room.
#[inline]
pub(crate) fn write(chars: &[u8], filler: Filler, room: &mut [u8]) -> Option<usize> {
    let count = chars.len().div_ceil(2);
    let room = room.get_mut(..count)?;
    let (even, room) = match (filler, chars, room) {
        (_, _, room) if chars.len().is_multiple_of(2) => (chars, room),
        (Filler::First, [char, even @ ..], [byte, room @ ..]) => {
            *byte = char & 15;
            (even, room)
        }
        (_, [even @ .., char], [room @ .., byte]) => {
            *byte = char << 4 | if filler == Filler::LastF { 15 } else { 0 };
            (even, room)
        }
        _ => return None,
    };
    write_even(even, room)?;
    Some(count)
}

/// As [`write`], for an even number of characters and exactly the room they need.
#[inline(always)]
fn write_even(chars: &[u8], room: &mut [u8]) -> Option<()> {
    // the middle that the blocks at both ends leave
    if chars.len() > 32 {
        let (middle, place) = (&chars[16..chars.len() - 1], &mut room[8..]);
        for (block, place) in middle.as_chunks().0.iter().zip(place.as_chunks_mut().0) {
            *place = packed(u8x16::new(*block)).to_le_bytes();
        }
    }
    if let Some(ends) = blocks::ends(chars) {
        blocks::put_ends(ends.map(|end| packed(u8x16::new(end)).to_le_bytes()), room)
    } else if let Some(ends) = blocks::ends(chars) {
        let both = packed(blocks::of_eights(ends));
        blocks::put_ends([both as u32, (both >> 32) as u32].map(u32::to_le_bytes), room)
    } else if let Some(ends) = blocks::ends(chars) {
        let both = packed(blocks::of_fours(ends));
        blocks::put_ends([both as u16, (both >> 16) as u16].map(u16::to_le_bytes), room)
    } else if let ([high, low], [byte]) = (chars, room) {
        *byte = high << 4 | low & 15;
        Some(())
    } else {
        Some(())
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
