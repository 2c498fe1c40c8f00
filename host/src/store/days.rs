//! Table `business_day`: opening the first day and cutting over to the next.

use deadpool_postgres::Pool;
use jiff::civil::Date;

use super::{LOCK_DAYS, StoreError};

/// Makes `date` the day that traffic is stamped with; earlier open days go on taking what carries their date until they are
/// closed. Doing it again changes nothing, so the switch may announce it as often as it likes. `false` if nothing changed.
pub async fn cut_over(pool: &Pool, date: Date) -> Result<bool, StoreError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    // waits for the batches that have read the days, and holds up those that are about to
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_DAYS]).await?;
    let opened = transaction
        .execute("INSERT INTO business_day (date, state) VALUES ($1, 'open') ON CONFLICT DO NOTHING", &[&date])
        .await?;
    let closing = transaction
        .execute(
            "UPDATE business_day SET state = 'closing', cut_over_at = now() WHERE state = 'open' AND date < $1",
            &[&date],
        )
        .await?;
    transaction.commit().await?;
    Ok(opened + closing > 0)
}

/// The latest day that is open, if any.
pub async fn current(pool: &Pool) -> Result<Option<Date>, StoreError> {
    let client = pool.get().await?;
    let row = client.query_one("SELECT max(date) FROM business_day WHERE state = 'open'", &[]).await?;
    Ok(row.get(0))
}
