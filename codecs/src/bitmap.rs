//! Bitmaps: which elements are present. Up to three 64-bit maps; bit 1 is the most significant of the first.

/// Presence of elements 1–192.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitmap([u64; 3]);

impl Bitmap {
    /// `element` counts from 1; 0 and numbers over 192 are never present.
    #[inline]
    pub fn has(&self, element: u8) -> bool {
        let (map, bit) = Self::place(element);
        self.0.get(map).is_some_and(|bits| bits & bit != 0)
    }

    #[inline]
    pub fn set(&mut self, element: u8) {
        let (map, bit) = Self::place(element);
        if let Some(bits) = self.0.get_mut(map) {
            *bits |= bit;
        }
    }

    /// A copy with that element set.
    #[inline]
    pub(crate) fn with(mut self, element: u8) -> Self {
        self.set(element);
        self
    }

    #[inline]
    pub fn clear(&mut self, element: u8) {
        let (map, bit) = Self::place(element);
        if let Some(bits) = self.0.get_mut(map) {
            *bits &= !bit;
        }
    }

    #[inline]
    pub fn map(&self, index: usize) -> u64 {
        self.0[index]
    }

    #[inline]
    pub fn set_map(&mut self, index: usize, bits: u64) {
        self.0[index] = bits;
    }

    /// The lowest present element that is `from` or higher.
    #[inline]
    pub fn next(&self, from: u8) -> Option<u8> {
        let index = usize::from(from.max(1) - 1);
        let (first, bit) = (index / 64, index % 64);
        let mut bits = self.0.get(first)? & (u64::MAX >> bit);
        for map in first..3 {
            if bits != 0 {
                return Some((map * 64) as u8 + bits.leading_zeros() as u8 + 1);
            }
            bits = *self.0.get(map + 1)?;
        }
        None
    }

    /// Removes the elements from `from` up.
    pub fn truncate(&mut self, from: u8) {
        while let Some(element) = self.next(from) {
            self.clear(element);
        }
    }

    /// The highest present element.
    #[inline]
    pub fn last(&self) -> Option<u8> {
        let (map, bits) = self.0.iter().enumerate().rfind(|(_, bits)| **bits != 0)?;
        Some((map * 64) as u8 + 64 - bits.trailing_zeros() as u8)
    }

    /// Present elements in ascending order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        let [bits, rest @ ..] = self.0;
        Iter { bits, before: 0, rest }
    }

    /// The index of an element's map, and its bit in it; there is no such map for a number that is no element.
    #[inline]
    fn place(element: u8) -> (usize, u64) {
        let index = usize::from(element.wrapping_sub(1));
        (index / 64, 1 << 63 >> (index % 64))
    }
}

/// Yields the set bits, from the most significant of the first map on.
struct Iter {
    /// The remaining bits of the current map.
    bits: u64,
    /// Number of elements in the maps before the current one.
    before: u8,
    rest: [u64; 2],
}

impl Iterator for Iter {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        while self.bits == 0 {
            if self.rest == [0; 2] {
                return None;
            }
            self.before += 64;
            let [bits, last] = self.rest;
            (self.bits, self.rest) = (bits, [last, 0]);
        }
        let place = self.bits.ilog2();
        self.bits ^= 1 << place;
        Some(self.before + 64 - place as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_finds_what_iter_gives() {
        let mut bitmap = Bitmap::default();
        for element in [1, 2, 63, 64, 65, 66, 127, 128, 129, 191, 192] {
            bitmap.set(element);
        }
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(element) = bitmap.next(from) {
            found.push(element);
            from = element + 1;
        }
        assert_eq!(found, bitmap.iter().collect::<Vec<_>>());
        for element in found.into_iter().rev() {
            assert_eq!(bitmap.last(), Some(element));
            bitmap.clear(element);
        }
        assert_eq!(bitmap.last(), None);
    }

    #[test]
    fn what_is_behind_is_forgotten() {
        let mut bitmap = Bitmap::default();
        for element in [1, 2, 63, 64, 65, 66, 127, 128, 129, 191, 192] {
            bitmap.set(element);
        }
        bitmap.truncate(66);
        assert_eq!(bitmap.iter().collect::<Vec<_>>(), [1, 2, 63, 64, 65]);
    }
}
