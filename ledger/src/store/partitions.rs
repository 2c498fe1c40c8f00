//! Partitions of the journal: one a month of `auth` and of `posting`.

use deadpool_postgres::Pool;
use jiff::{Span, civil::Date};

use super::StoreError;

/// Months on either side of a date that must have their partitions. The date in a message's key has no year and is taken for
/// the nearest, so that it lies at most half a year away.
const MONTHS_AROUND: i64 = 7;

const MAKE: &str = "SELECT journal_partitions($1, $2)";

/// Makes the partitions of the months around `today` that do not exist yet, and returns their number. Any number of hosts may do
/// so at once.
pub async fn make_around(pool: &Pool, today: Date) -> Result<i32, StoreError> {
    let months = Span::new().months(MONTHS_AROUND);
    let (first, last) = (today.saturating_sub(months), today.saturating_add(months));
    Ok(pool.get().await?.query_one(MAKE, &[&first, &last]).await?.get(0))
}
