//! Digits packed two to a byte, several at a time.

use crate::dialect::Filler;

/// The low nibbles of sixteen bytes, moved together side by side.
#[inline(always)]
pub(crate) fn nibbles(bytes: u128) -> u64 {
    nibbles_of_half((bytes >> 64) as u64) << 32 | nibbles_of_half(bytes as u64)
}

/// The low nibbles of eight bytes.
#[inline(always)]
fn nibbles_of_half(bytes: u64) -> u64 {
    let nibbles = bytes & 0x0F0F_0F0F_0F0F_0F0F;
    let pairs = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    (fours | fours >> 16) & 0xFFFF_FFFF
}

/// Appends characters by their low nibbles; where their number is odd, filler makes it even.
#[inline]
pub(crate) fn append(chars: &[u8], filler: Filler, out: &mut Vec<u8>) {
    if chars.len().is_multiple_of(2) {
        return append_even(chars, out);
    }
    match (filler, chars) {
        (Filler::First, [first, rest @ ..]) => {
            out.push(first & 15);
            append_even(rest, out);
        }
        (_, [rest @ .., last]) => {
            append_even(rest, out);
            out.push(last << 4 | if filler == Filler::LastF { 15 } else { 0 });
        }
        _ => {}
    }
}

/// As [`append`], for an even number of characters.
#[inline]
fn append_even(chars: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + chars.len() / 2;
    let (blocks, rest) = chars.as_chunks::<16>();
    for block in blocks {
        out.extend_from_slice(&nibbles(u128::from_be_bytes(*block)).to_be_bytes());
    }
    match rest.first_chunk::<8>() {
        // what lies behind the eighth is read together with some of those before it, from the end
        Some(first) => {
            let first = nibbles_of_half(u64::from_be_bytes(*first)) as u32;
            let last = rest.last_chunk::<8>().map_or(0, |last| nibbles_of_half(u64::from_be_bytes(*last)) as u32);
            // the second overlaps the first where there are fewer than sixteen
            let joined = u64::from(first) << 32 | u64::from(last) << (4 * (16 - rest.len()));
            out.extend_from_slice(&joined.to_be_bytes());
        }
        None => {
            let few = rest.iter().fold(0u32, |few, char| few << 4 | u32::from(char & 15));
            out.extend_from_slice(&(u64::from(few) << (64 - 4 * rest.len()).min(63)).to_be_bytes());
        }
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_count_stand_as_the_filler_says() {
        for count in 0..40 {
            let digits: Vec<u8> = (0..count).map(|i| b'0' + (i % 10 * 7 + 3) % 10).collect();
            for (filler, before, behind) in
                [(Filler::First, "0", ""), (Filler::Last, "", "0"), (Filler::LastF, "", "F"), (Filler::None, "", "0")]
            {
                let mut out = vec![0xEE];
                append(&digits, filler, &mut out);
                let (before, behind) = if count % 2 == 1 { (before, behind) } else { ("", "") };
                let text = std::str::from_utf8(&digits).expect("digits");
                assert_eq!(crate::encoding::to_hex(&out), format!("EE{before}{text}{behind}"));
            }
        }
    }
}
