//! Tells for nearly every new request, without a file, that no fingerprint of its identity is kept.
//!
//! A Bloom filter of blocks, one or several an hour: an identity sets eight bits of one block of 32 bytes. With 16 bits for
//! each identity about one in a thousand that is not there seems to be.

use super::Hour;
use super::names::Named;
use std::collections::BTreeMap;

const WORDS_PER_BLOCK: usize = 8;
const BLOCK_BYTES: usize = WORDS_PER_BLOCK * 4;
const ENTRIES_PER_BLOCK: usize = BLOCK_BYTES * 8 / 16;
/// Odd numbers, each of which picks another bit.
const MULTIPLIERS: [u32; WORDS_PER_BLOCK] =
    [0x9E37_79B1, 0x85EB_CA6B, 0xC2B2_AE35, 0x27D4_EB2F, 0x1656_67B1, 0xD3A2_646D, 0xFD70_46C5, 0xB55A_4F09];
/// Entries of the first filter of an hour that has none before it.
const FIRST_ENTRIES: usize = 4096;

/// The identities of one hour, or of a part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct HourFilter {
    blocks: Vec<[u32; WORDS_PER_BLOCK]>,
    entries: usize,
}

impl std::fmt::Debug for HourFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HourFilter({} of {})", self.entries, self.room())
    }
}

impl HourFilter {
    /// An empty filter with room for so many identities.
    pub fn with_room(entries: usize) -> Self {
        Self { blocks: vec![[0; WORDS_PER_BLOCK]; entries.div_ceil(ENTRIES_PER_BLOCK).max(1)], entries: 0 }
    }

    pub fn insert(&mut self, identity: Named) {
        let (at, bits) = self.place(identity);
        for (word, bit) in self.blocks[at].iter_mut().zip(bits) {
            *word |= bit;
        }
        self.entries += 1;
    }

    fn may_have(&self, identity: Named) -> bool {
        let (at, bits) = self.place(identity);
        self.blocks[at].iter().zip(bits).all(|(word, bit)| word & bit != 0)
    }

    fn room(&self) -> usize {
        self.blocks.len() * ENTRIES_PER_BLOCK
    }

    fn place(&self, Named(identity): Named) -> (usize, [u32; WORDS_PER_BLOCK]) {
        // identities are hashes of 40 bits: the high ones choose the block, all of them the bits within
        let at = (u128::from(identity) * self.blocks.len() as u128) >> 40;
        let seed = (identity ^ identity >> 17).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let seed = (seed >> 32) as u32;
        (at as usize, MULTIPLIERS.map(|by| 1 << (seed.wrapping_mul(by) >> 27)))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes());
        (self.entries as u64).to_le_bytes().into_iter().chain(words).collect()
    }

    /// `None` for bytes that are no filter.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (entries, words) = bytes.split_first_chunk::<8>()?;
        if words.is_empty() || !words.len().is_multiple_of(BLOCK_BYTES) {
            return None;
        }
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let block = |bytes: &[u8]| {
            let mut block = [0; WORDS_PER_BLOCK];
            block.iter_mut().zip(bytes.chunks_exact(4)).for_each(|(into, bytes)| *into = word(bytes));
            block
        };
        let entries = usize::try_from(u64::from_le_bytes(*entries)).ok()?;
        Some(Self { blocks: words.chunks_exact(BLOCK_BYTES).map(block).collect(), entries })
    }
}

/// The filters of all hours that are kept.
#[derive(Debug, Default)]
pub struct Filter {
    /// The last of each hour is the one that takes new identities.
    hours: BTreeMap<Hour, Vec<HourFilter>>,
    entries: usize,
}

impl Filter {
    /// Adds what is known of an hour after a restart.
    pub fn add_hour(&mut self, hour: Hour, filter: HourFilter) {
        self.entries += filter.entries;
        self.hours.entry(hour).or_default().push(filter);
    }

    pub fn insert(&mut self, hour: Hour, identity: Named) {
        let before = self.hours.range(..hour).next_back();
        let expected = before.map_or(0, |(_, filters)| filters.iter().map(|filter| filter.entries).sum::<usize>());
        let filters = self.hours.entry(hour).or_default();
        match filters.last_mut() {
            Some(last) if last.entries < last.room() => last.insert(identity),
            last => {
                // as many as the hour before had, and twice as many each time that this is too few
                let room = last.map_or(expected, |last| 2 * last.room()).max(FIRST_ENTRIES);
                let mut next = HourFilter::with_room(room);
                next.insert(identity);
                filters.push(next);
            }
        }
        self.entries += 1;
    }

    /// Whether a fingerprint of this identity may be kept; if not, there is none.
    pub fn may_have(&self, identity: Named) -> bool {
        self.hours.values().flatten().any(|filter| filter.may_have(identity))
    }

    /// How many identities it has.
    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn oldest_hour(&self) -> Option<Hour> {
        self.hours.first_key_value().map(|(hour, _)| *hour)
    }

    /// Forgets the oldest hour; gives how many it had.
    pub fn forget_oldest(&mut self) -> Option<(Hour, usize)> {
        let (hour, filters) = self.hours.pop_first()?;
        let entries = filters.iter().map(|filter| filter.entries).sum();
        self.entries -= entries;
        Some((hour, entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u64) -> Named {
        // any permutation of 40 bits
        Named(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24)
    }

    #[test]
    fn what_is_in_it_is_found_and_little_else() {
        let mut filter = Filter::default();
        for number in 0..100_000 {
            filter.insert(Hour(number as i64 / 40_000), identity(number));
        }
        assert!((0..100_000).all(|number| filter.may_have(identity(number))));
        let wrong = (100_000..200_000).filter(|number| filter.may_have(identity(*number))).count();
        assert!(wrong < 1_500, "{wrong} of 100,000 in three hours");
        assert_eq!(filter.forget_oldest(), Some((Hour(0), 40_000)));
        let left = (0..40_000).filter(|number| filter.may_have(identity(*number))).count();
        assert!(left < 500, "{left}");
        assert_eq!((filter.len(), filter.oldest_hour()), (60_000, Some(Hour(1))));
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut filter = HourFilter::with_room(1000);
        (0..1000).for_each(|number| filter.insert(identity(number)));
        assert_eq!(HourFilter::from_bytes(&filter.to_bytes()), Some(filter));
        for bytes in [&b""[..], &[0; 8], &[0; 39], &[0; 41]] {
            assert_eq!(HourFilter::from_bytes(bytes), None);
        }
    }
}
