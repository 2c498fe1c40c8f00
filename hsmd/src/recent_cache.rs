//! A bounded cache of recently used values.
use std::collections::HashMap;
use std::hash::Hash;

struct CachedValue<V> {
    value: V,
    last_used: u64,
}

/// Keeps at most `capacity` values. When it is full, the half that was used longest ago is dropped at once: one pass for
/// capacity/2 insertions instead of a list kept in order on every use.
pub(crate) struct RecentCache<K, V> {
    entries: HashMap<K, CachedValue<V>>,
    capacity: usize,
    clock: u64,
}

impl<K: Eq + Hash, V: Clone> RecentCache<K, V> {
    /// With a capacity of zero it keeps nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, clock: 0 }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.last_used = self.clock;
        Some(entry.value.clone())
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.capacity == 0 {
            return;
        }
        if self.entries.len() >= self.capacity {
            self.evict();
        }
        self.clock += 1;
        self.entries.insert(key, CachedValue { value, last_used: self.clock });
    }

    fn evict(&mut self) {
        let mut ages: Vec<u64> = self.entries.values().map(|entry| entry.last_used).collect();
        let middle = ages.len() / 2;
        let threshold = *ages.select_nth_unstable(middle).1;
        self.entries.retain(|_, entry| entry.last_used > threshold);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut recent = RecentCache::new(4);
        (0..4).for_each(|n| recent.put(n, n * 10));
        assert_eq!(recent.get(&0), Some(0));
        recent.put(4, 40);
        assert_eq!((recent.get(&0), recent.get(&4), recent.get(&1)), (Some(0), Some(40), None));
        assert!(recent.len() <= 4);
    }

    #[test]
    fn without_capacity_nothing_is_kept() {
        let mut recent = RecentCache::new(0);
        recent.put(1, 1);
        assert_eq!(recent.get(&1), None);
    }
}
