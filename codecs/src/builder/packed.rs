//! Packs digits, two to a byte, sixteen at a time.

use crate::dialect::Filler;

/// Appends characters by their low nibbles; where their number is odd, filler makes it even.
pub(super) fn append(chars: &[u8], filler: Filler, out: &mut Vec<u8>) {
    let start = out.len();
    let is_odd = chars.len() % 2 == 1;
    if is_odd && filler == Filler::First {
        out.push(b'0');
    }
    out.extend_from_slice(chars);
    if is_odd && filler != Filler::First {
        out.push(b'0');
    }
    pack_from(start, out);
    if let (true, Filler::LastF, Some(last)) = (is_odd, filler, out.last_mut()) {
        *last |= 15;
    }
}

/// Packs what stands behind `start`, an even number of characters, where it stands.
#[inline]
pub(super) fn pack_from(start: usize, out: &mut Vec<u8>) {
    let end = start + (out.len() - start) / 2;
    // zeros behind, so that the last block is whole
    out.extend_from_slice(&[b'0'; 16]);
    if let Some(block) = out[start..].first_chunk_mut::<16>().filter(|_| end <= start + 8) {
        let packed = packed(u128::from_be_bytes(*block));
        block[..8].copy_from_slice(&packed);
    } else {
        pack_blocks(&mut out[start..]);
    }
    out.truncate(end);
}

/// As [`pack_from`], for more than a block.
fn pack_blocks(chars: &mut [u8]) {
    for at in 0..chars.len() / 16 {
        let Some(block) = chars[at * 16..].first_chunk::<16>() else { return };
        let packed = packed(u128::from_be_bytes(*block));
        chars[at * 8..at * 8 + 8].copy_from_slice(&packed);
    }
}

/// The low nibbles of sixteen characters, moved together side by side.
#[inline]
fn packed(chars: u128) -> [u8; 8] {
    let half = |chars: u64| {
        let nibbles = chars & 0x0F0F_0F0F_0F0F_0F0F;
        let bytes = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
        let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
        (pairs | pairs >> 16) & 0xFFFF_FFFF
    };
    (half((chars >> 64) as u64) << 32 | half(chars as u64)).to_be_bytes()
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
