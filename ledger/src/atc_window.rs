//! Transaction counters (ATC) that a chip or a device has used.

/// Transaction counters seen: the highest, and a window of 64 from it downwards. An older counter counts as seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtcWindow {
    /// The highest counter seen; -1 before the first.
    pub high: i32,
    /// Bit i: counter `high - i` was seen.
    pub window: u64,
}

impl AtcWindow {
    pub const NONE: Self = Self { high: -1, window: 0 };

    #[must_use]
    pub fn seen(&self, atc: u16) -> bool {
        match u32::try_from(self.high - i32::from(atc)) {
            Ok(back) => back >= 64 || self.window >> back & 1 == 1,
            Err(_) => false,
        }
    }

    pub fn record(&mut self, atc: u16) {
        let atc = i32::from(atc);
        if atc > self.high {
            let ahead = atc.abs_diff(self.high);
            let known = if self.high < 0 || ahead >= 64 { 0 } else { self.window << ahead };
            self.window = known | 1;
            self.high = atc;
        } else if let back @ 0..64 = self.high.abs_diff(atc) {
            self.window |= 1 << back;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_counter_is_seen_exactly_after_it_was_recorded_or_fell_out_of_the_window(
            recorded in prop::collection::vec(0u16..200, 1..40), asked in 0u16..220,
        ) {
            let mut used_atcs = AtcWindow::NONE;
            recorded.iter().for_each(|atc| used_atcs.record(*atc));
            let high = *recorded.iter().max().expect("at least one");
            // 64 back from the highest at any time, not only at the end: a counter recorded below the window stays seen
            let expected = recorded.contains(&asked) || i32::from(high) - i32::from(asked) >= 64;
            prop_assert_eq!(used_atcs.seen(asked), expected);
        }
    }
}
