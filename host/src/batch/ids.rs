//! Generator of journal row numbers.

use std::sync::atomic::{AtomicI64, Ordering};

/// Generator of journal row numbers. The epoch in the high bits makes them unique over all hosts.
#[derive(Debug)]
pub struct Ids(AtomicI64);

impl Ids {
    const COUNTER_BITS: u32 = 40;

    /// The numbers for one start of a host.
    #[must_use]
    pub const fn of_epoch(epoch: i64) -> Self {
        Self(AtomicI64::new(epoch << Self::COUNTER_BITS))
    }

    /// The next number.
    pub fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
