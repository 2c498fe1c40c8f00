//! Short runs of bytes, processed as two fixed-size blocks: the first bytes of a run and its last, which meet or
//! overlap and together cover it.

use wide::u8x16;

/// The first and the last `SIZE` bytes; `None` if there are fewer than `SIZE`.
#[inline(always)]
pub(crate) fn ends<const SIZE: usize>(bytes: &[u8]) -> Option<[[u8; SIZE]; 2]> {
    Some([*bytes.first_chunk()?, *bytes.last_chunk()?])
}

/// Writes the blocks to the beginning and the end of `room`; `None` if it is too small.
#[inline(always)]
pub(crate) fn put_ends<const SIZE: usize>([first, last]: [[u8; SIZE]; 2], room: &mut [u8]) -> Option<()> {
    *room.first_chunk_mut()? = first;
    *room.last_chunk_mut()? = last;
    Some(())
}

/// As [`ends`], and copies the run to `room`, which has the same size.
#[inline(always)]
pub(crate) fn copy_ends<const SIZE: usize>(bytes: &[u8], room: &mut [u8]) -> Option<[[u8; SIZE]; 2]> {
    let ends = ends(bytes)?;
    put_ends(ends, room)?;
    Some(ends)
}

/// Up to fifteen bytes, some of them repeated, as one block; `None` for no bytes.
#[inline(always)]
pub(crate) fn few(bytes: &[u8]) -> Option<u8x16> {
    Some(if let Some(ends) = ends(bytes) {
        of_eights(ends)
    } else if let Some(ends) = ends(bytes) {
        of_fours(ends)
    } else {
        of_bytes([*bytes.first()?, *bytes.get(bytes.len() / 2)?, *bytes.last()?])
    })
}

/// Two blocks of eight as one of sixteen.
#[inline(always)]
pub(crate) fn of_eights(ends: [[u8; 8]; 2]) -> u8x16 {
    halves(ends.map(u64::from_le_bytes))
}

/// Two blocks of four as one of sixteen, repeated.
#[inline(always)]
pub(crate) fn of_fours(ends: [[u8; 4]; 2]) -> u8x16 {
    let [first, last] = ends.map(|end| u64::from(u32::from_le_bytes(end)));
    halves([first | last << 32; 2])
}

/// Three bytes as a block of sixteen that contains no others.
#[inline(always)]
pub(crate) fn of_bytes([first, middle, last]: [u8; 3]) -> u8x16 {
    halves([u64::from_le_bytes([first, middle, last, first, first, first, first, first]); 2])
}

/// Built in registers: a block assembled in memory would be read back before the stores are finished.
#[inline(always)]
fn halves([low, high]: [u64; 2]) -> u8x16 {
    u8x16::new((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
}
