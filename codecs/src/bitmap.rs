//! Which elements are present: up to three 64-bit maps, bit 1 being the most significant of the first.

/// Presence of elements 1–192.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitmap([u64; 3]);

impl Bitmap {
    /// `element` counts from 1; 0 and numbers over 192 are never present.
    pub fn has(&self, element: u8) -> bool {
        Self::place(element).is_some_and(|(map, bit)| self.0[map] & bit != 0)
    }

    pub fn set(&mut self, element: u8) {
        if let Some((map, bit)) = Self::place(element) {
            self.0[map] |= bit;
        }
    }

    pub fn clear(&mut self, element: u8) {
        if let Some((map, bit)) = Self::place(element) {
            self.0[map] &= !bit;
        }
    }

    pub fn map(&self, index: usize) -> u64 {
        self.0[index]
    }

    pub fn set_map(&mut self, index: usize, bits: u64) {
        self.0[index] = bits;
    }

    /// Present elements in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..3usize).flat_map(move |map| {
            let mut bits = self.0[map];
            std::iter::from_fn(move || {
                (bits != 0).then(|| {
                    let lead = bits.leading_zeros();
                    bits &= !(1 << (63 - lead));
                    (map as u32 * 64 + lead + 1) as u8
                })
            })
        })
    }

    fn place(element: u8) -> Option<(usize, u64)> {
        (1..=192).contains(&element).then(|| {
            let index = usize::from(element - 1);
            (index / 64, 1 << (63 - index % 64))
        })
    }
}
