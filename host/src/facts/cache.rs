//! Caches of what can be found again, bounded in bytes. A full cache gives up one entry for each new one, those first that
//! nobody asked for again.

use std::hash::Hash;
use std::mem::size_of;
use std::sync::Arc;

use hsm::{PanEnvelope, PanIndex};
use ledger::store::CardLookup;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What an entry costs the map and the order of eviction, beside key and value: about.
const ENTRY_OVERHEAD_BYTES: u64 = 48;

/// Something whose memory outside itself is known.
pub(super) trait OnHeap {
    /// Bytes that it has allocated.
    fn heap_bytes(&self) -> u64;
}

impl OnHeap for PanEnvelope {
    fn heap_bytes(&self) -> u64 {
        self.as_bytes().len() as u64
    }
}

impl OnHeap for PanIndex {
    fn heap_bytes(&self) -> u64 {
        0
    }
}

impl OnHeap for Arc<CardLookup> {
    fn heap_bytes(&self) -> u64 {
        let names = self.issuer_keys.as_str().len() + self.chip_keys.as_str().len();
        let envelope = self.funding.as_ref().map_or(0, |envelope| envelope.as_bytes().len());
        // the two counts beside the value
        (size_of::<CardLookup>() + 2 * size_of::<usize>() + names + envelope) as u64
    }
}

/// A cache of at most so many bytes.
#[derive(Debug)]
pub(super) struct BoundedCache<K, V>(Cache<K, V, Bytes>);

impl<K: Eq + Hash + Clone, V: Clone + OnHeap> BoundedCache<K, V> {
    /// For at most `bytes`. It takes them as it fills.
    pub(super) fn of_bytes(bytes: u64) -> Self {
        let entries = bytes / Self::own_bytes();
        Self(Cache::with_weighter(usize::try_from(entries).unwrap_or(usize::MAX), bytes, Bytes))
    }

    /// What an entry takes at least.
    const fn own_bytes() -> u64 {
        ENTRY_OVERHEAD_BYTES + (size_of::<K>() + size_of::<V>()) as u64
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.0.get(key)
    }

    pub(super) fn put(&self, key: K, value: V) {
        self.0.insert(key, value);
    }

    pub(super) fn forget(&self, key: &K) {
        self.0.remove(key);
    }
}

/// Weighs entries in bytes.
#[derive(Clone, Copy, Debug)]
struct Bytes;

impl<K: Eq + Hash + Clone, V: Clone + OnHeap> Weighter<K, V> for Bytes {
    fn weight(&self, _: &K, value: &V) -> u64 {
        BoundedCache::<K, V>::own_bytes() + value.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use hsm::{KeySet, Pvv};
    use ledger::row_location::RowLocation;

    use super::*;

    fn index(number: u64) -> PanIndex {
        let mut index = [0; 32];
        index[..8].copy_from_slice(&number.to_be_bytes());
        PanIndex(index)
    }

    fn lookup() -> Arc<CardLookup> {
        Arc::new(CardLookup {
            location: RowLocation::NoAccount { bucket: 0 },
            pvv: Pvv::new(*b"0000").unwrap(),
            pvki: 1,
            sequence: 0,
            issuer_keys: KeySet::new("400012").unwrap(),
            chip_keys: KeySet::new("400012").unwrap(),
            funding: None,
        })
    }

    #[test]
    fn a_full_cache_gives_up_one_entry_for_each_new_one() {
        const BYTES: u64 = 1 << 20;
        let cache = BoundedCache::of_bytes(BYTES);
        let entry = Bytes.weight(&index(0), &lookup());
        let room = BYTES / entry;
        let kept = |upto: u64| (0..upto).filter(|number| cache.get(&index(*number)).is_some()).count() as u64;
        for number in 0..2 * room {
            cache.put(index(number), lookup());
            assert!(cache.0.weight() <= BYTES, "after {number}");
        }
        let full = kept(2 * room);
        assert!((room * 9 / 10..=room).contains(&full), "{full} of {room}");
        cache.put(index(2 * room), lookup());
        assert!(kept(2 * room + 1) >= full - 1, "one more does not cost the others");
    }

    #[test]
    fn what_is_forgotten_is_not_found() {
        let cache = BoundedCache::of_bytes(1 << 16);
        cache.put(index(1), index(2));
        assert_eq!(cache.get(&index(1)), Some(index(2)));
        cache.forget(&index(1));
        assert_eq!(cache.get(&index(1)), None);
    }

    #[test]
    fn an_entry_weighs_what_it_has_allocated_too() {
        let bare = Bytes.weight(&index(0), &index(0));
        assert!(bare > 64);
        assert!(Bytes.weight(&index(0), &lookup()) > bare + size_of::<CardLookup>() as u64 - 32);
    }
}
