//! Decimal digits to numbers, several digits at a time.

use crate::blocks::ends;

/// The number in characters of a code with the zero `zero`, most significant digit first; `None` if a character is no
/// digit or the number does not fit.
#[inline]
pub(crate) fn of_chars(chars: &[u8], zero: u8) -> Option<u64> {
    match chars.len() {
        ..=8 => eight(chars, zero),
        9..=16 => {
            let (high, low) = chars.split_at(chars.len() - 8);
            Some(eight(high, zero)? * 100_000_000 + eight(low, zero)?)
        }
        _ => one_by_one(chars.iter().map(|char| char.wrapping_sub(zero))),
    }
}

/// As [`of_chars`], for at most eight characters.
#[inline(always)]
fn eight(chars: &[u8], zero: u8) -> Option<u64> {
    let spare = 64u32.checked_sub(8 * chars.len() as u32)?;
    // both ends as numbers; they agree where they overlap
    let word = if let Some(ends) = ends(chars) {
        let [first, last] = ends.map(|end| u64::from(u32::from_be_bytes(end)));
        first << (32 - spare) | last
    } else {
        chars.iter().fold(0, |word, char| word << 8 | u64::from(*char))
    };
    let zeros = u64::from_ne_bytes([zero; 8]).checked_shr(spare).unwrap_or(0);
    let digits = word ^ zeros;
    // adding six carries into the high nibble for values above nine
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xF0F0_F0F0_F0F0_F0F0 != 0 {
        return None;
    }
    // ten times each digit plus the next; every other sum belongs to no pair and is masked out
    Some(of_pairs(digits.wrapping_add((digits >> 8).wrapping_mul(10)) & 0x00FF_00FF_00FF_00FF))
}

/// The number in four pairs of digits, each below a hundred.
#[inline(always)]
fn of_pairs(pairs: u64) -> u64 {
    let fours = (pairs + (pairs >> 16) * 100) & 0x0000_FFFF_0000_FFFF;
    (fours & 0xFFFF) + (fours >> 32) * 10_000
}

/// The number in packed digits from nibble `from` to nibble `to`; `None` as in [`of_chars`], or if there are not so
/// many nibbles.
#[inline]
pub(crate) fn of_nibbles(bytes: &[u8], from: usize, to: usize) -> Option<u64> {
    let within = bytes.get(from / 2..to.div_ceil(2))?;
    let count = to.checked_sub(from)?;
    if within.len() > 8 || count > 16 {
        let nibble = |i: usize| if i.is_multiple_of(2) { bytes[i / 2] >> 4 } else { bytes[i / 2] & 15 };
        return one_by_one((from..to).map(nibble));
    }
    let word = if let Some(ends) = ends(within) {
        let [first, last] = ends.map(|end| u64::from(u32::from_be_bytes(end)));
        first << (8 * (within.len() as u32 - 4)) | last
    } else {
        within.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    let nibbles = (word >> (4 * (to % 2))) & u64::MAX.checked_shr(64 - 4 * count as u32).unwrap_or(0);
    let (high, low) = (nibbles >> 4 & 0x0F0F_0F0F_0F0F_0F0F, nibbles & 0x0F0F_0F0F_0F0F_0F0F);
    // adding six carries into the next bit for values above nine
    if ((high + 0x0606_0606_0606_0606) | (low + 0x0606_0606_0606_0606)) & 0x1010_1010_1010_1010 != 0 {
        return None;
    }
    let pairs = high * 10 + low;
    let [above, below] = [pairs >> 8, pairs].map(|pairs| pairs & 0x00FF_00FF_00FF_00FF);
    let fours = above * 100 + below;
    let [above, below] = [fours >> 16, fours].map(|fours| fours & 0x0000_FFFF_0000_FFFF);
    let eights = above * 10_000 + below;
    Some((eights >> 32) * 100_000_000 + (eights & 0xFFFF_FFFF))
}

/// The number in digits (0–9, most significant first); `None` for another value or one that does not fit.
pub(crate) fn one_by_one(mut digits: impl Iterator<Item = u8>) -> Option<u64> {
    digits.try_fold(0u64, |number, digit| {
        let number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
        (digit <= 9).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &[u8; 22] = b"0918273645546372819073";

    #[test]
    fn characters_spell_what_they_spell_one_by_one() {
        for (from, to) in (0..=DIGITS.len()).flat_map(|to| (0..=to).map(move |from| (from, to))) {
            let chars = &DIGITS[from..to];
            let number = std::str::from_utf8(chars).expect("ASCII").parse().ok();
            assert_eq!(of_chars(chars, b'0'), if chars.is_empty() { Some(0) } else { number });
            let ebcdic: Vec<u8> = chars.iter().map(|char| char + 0xC0).collect();
            assert_eq!(of_chars(&ebcdic, 0xF0), of_chars(chars, b'0'));
            for place in 0..chars.len() {
                for wrong in (0..=255).filter(|byte: &u8| !byte.is_ascii_digit()) {
                    let mut chars = chars.to_vec();
                    chars[place] = wrong;
                    assert_eq!(of_chars(&chars, b'0'), None, "{wrong:02X} at {place} of {}", chars.len());
                }
            }
        }
    }

    #[test]
    fn nibbles_spell_what_their_characters_spell() {
        let bytes: Vec<u8> = DIGITS.as_chunks().0.iter().map(|[high, low]| (high & 15) << 4 | low & 15).collect();
        for (from, to) in (0..=DIGITS.len()).flat_map(|to| (0..=to).map(move |from| (from, to))) {
            assert_eq!(of_nibbles(&bytes, from, to), of_chars(&DIGITS[from..to], b'0'), "{from}..{to}");
            for place in 0..DIGITS.len() {
                for wrong in 10..=15 {
                    let mut bytes = bytes.clone();
                    let (shift, kept) = if place % 2 == 0 { (4, 0x0F) } else { (0, 0xF0) };
                    bytes[place / 2] = bytes[place / 2] & kept | wrong << shift;
                    let expected = of_chars(&DIGITS[from..to], b'0').filter(|_| !(from..to).contains(&place));
                    assert_eq!(of_nibbles(&bytes, from, to), expected, "{from}..{to} wrong at {place}");
                }
            }
            assert_eq!(of_nibbles(&bytes[..to / 2], from, to), of_nibbles(&bytes, from, to).filter(|_| to % 2 == 0));
        }
    }
}
