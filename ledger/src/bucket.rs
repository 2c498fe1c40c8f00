//! Buckets: the unit by which the tables are spread over lanes, and could be spread over machines.

/// Number of buckets. Fixed for the life of a database.
pub const BUCKETS: u8 = 64;

/// The bucket of a PAN index or key that belongs to no account of ours.
#[must_use]
pub fn bucket_of(hash: &[u8]) -> i16 {
    i16::from(hash.first().copied().unwrap_or(0) % BUCKETS)
}

/// The bucket of a new account.
#[must_use]
pub fn bucket_of_account(account_id: i64) -> i16 {
    i16::try_from(account_id.rem_euclid(i64::from(BUCKETS))).expect("there are 64 buckets")
}
