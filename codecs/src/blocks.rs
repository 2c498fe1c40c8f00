//! Short runs of bytes as blocks that are worked on at once: a run's first bytes and its last, which meet or overlap, are all
//! of it.

use wide::u8x16;

/// The first and the last `SIZE` bytes; `None` where there are fewer.
#[inline(always)]
pub(crate) fn ends<const SIZE: usize>(bytes: &[u8]) -> Option<[[u8; SIZE]; 2]> {
    Some([*bytes.first_chunk()?, *bytes.last_chunk()?])
}

/// Writes them as the first and the last bytes of `room`; `None` where there is not enough.
#[inline(always)]
pub(crate) fn put_ends<const SIZE: usize>([first, last]: [[u8; SIZE]; 2], room: &mut [u8]) -> Option<()> {
    *room.first_chunk_mut()? = first;
    *room.last_chunk_mut()? = last;
    Some(())
}

/// As [`ends`], written to room of the same size, too.
#[inline(always)]
pub(crate) fn copy_ends<const SIZE: usize>(bytes: &[u8], room: &mut [u8]) -> Option<[[u8; SIZE]; 2]> {
    let ends = ends(bytes)?;
    put_ends(ends, room)?;
    Some(ends)
}

/// Up to fifteen bytes, some of them more than once; `None` where there are none.
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

/// One behind the other.
#[inline(always)]
pub(crate) fn of_eights(ends: [[u8; 8]; 2]) -> u8x16 {
    halves(ends.map(u64::from_le_bytes))
}

/// One behind the other, twice.
#[inline(always)]
pub(crate) fn of_fours(ends: [[u8; 4]; 2]) -> u8x16 {
    let [first, last] = ends.map(|end| u64::from(u32::from_le_bytes(end)));
    halves([first | last << 32; 2])
}

/// Each byte of the block is one of these.
#[inline(always)]
pub(crate) fn of_bytes([first, middle, last]: [u8; 3]) -> u8x16 {
    halves([u64::from_le_bytes([first, middle, last, first, first, first, first, first]); 2])
}

/// In registers: a block that is put together in memory is read before it is there.
#[inline(always)]
fn halves([low, high]: [u64; 2]) -> u8x16 {
    u8x16::new((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
}
