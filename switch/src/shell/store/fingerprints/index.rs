//! The sorted references of an hour that has passed: from half a hash to the numbers of rows.
//!
//! The entries are in order of their hash, in 2^n buckets by its first bits. A file has n, then for each bucket the end of
//! its entries (4 bytes), then the entries: the last 16 bits of the hash, and the row (4 bytes).

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const END_BYTES: u64 = 4;
const ENTRY_BYTES: usize = 6;
/// A bucket of so many entries is read at once.
const ENTRIES_PER_BUCKET: usize = 32;
/// With 16, bucket and entry together have the whole of half a hash.
const MOST_BUCKET_BITS: u32 = 16;

/// From half a hash to rows, in memory, while an hour grows.
pub(super) type GrowingIndex = BTreeSet<(u32, u32)>;

/// The rows under a hash.
pub(super) fn rows_of(index: &GrowingIndex, hash: u32) -> Vec<u32> {
    index.range((hash, 0)..=(hash, u32::MAX)).map(|(_, row)| *row).collect()
}

pub(super) fn encode(index: &GrowingIndex) -> Vec<u8> {
    let bits = (index.len() / ENTRIES_PER_BUCKET).checked_ilog2().unwrap_or(0).min(MOST_BUCKET_BITS);
    let buckets = 1usize << bits;
    let mut ends = vec![0u32; buckets];
    for (hash, _) in index {
        ends[bucket_of(*hash, bits)] += 1;
    }
    let mut end = 0;
    for bucket in &mut ends {
        end += *bucket;
        *bucket = end;
    }
    let mut bytes = Vec::with_capacity(8 + buckets * END_BYTES as usize + index.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&bits.to_le_bytes());
    bytes.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
    for (hash, row) in index {
        bytes.extend_from_slice(&(*hash as u16).to_le_bytes());
        bytes.extend_from_slice(&row.to_le_bytes());
    }
    bytes
}

/// A sorted index within a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct SortedIndex {
    /// Of the ends.
    starts: u64,
    bits: u32,
    entries: u32,
}

impl SortedIndex {
    /// Reads the head of the index at this place of a file.
    pub(super) fn at(file: &File, start: u64) -> io::Result<Self> {
        let bits = read_u32(file, start)?;
        if bits > MOST_BUCKET_BITS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not an index of fingerprints"));
        }
        let starts = start + 4;
        let entries = read_u32(file, starts + ((1u64 << bits) - 1) * END_BYTES)?;
        Ok(Self { starts, bits, entries })
    }

    /// Where it ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.first_entry() + u64::from(self.entries) * ENTRY_BYTES as u64
    }

    fn first_entry(&self) -> u64 {
        self.starts + (1u64 << self.bits) * END_BYTES
    }

    /// The rows under a hash, and a few others, of which the first half of the hash is another.
    pub(super) fn rows_of(&self, file: &File, hash: u32) -> io::Result<Vec<u32>> {
        let bucket = bucket_of(hash, self.bits) as u64;
        let from = if bucket == 0 { 0 } else { read_u32(file, self.starts + (bucket - 1) * END_BYTES)? };
        let to = read_u32(file, self.starts + bucket * END_BYTES)?;
        let mut entries = vec![0; to.saturating_sub(from) as usize * ENTRY_BYTES];
        file.read_exact_at(&mut entries, self.first_entry() + u64::from(from) * ENTRY_BYTES as u64)?;
        let row = |entry: &[u8]| {
            let (low, row) = entry.split_at(2);
            (low == (hash as u16).to_le_bytes()).then(|| u32::from_le_bytes(row.try_into().expect("four bytes")))
        };
        Ok(entries.chunks_exact(ENTRY_BYTES).filter_map(row).collect())
    }
}

fn bucket_of(hash: u32, bits: u32) -> usize {
    (u64::from(hash) >> (32 - bits)) as usize
}

fn read_u32(file: &File, at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u32::from_le_bytes(bytes))
}
