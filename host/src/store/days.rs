//! Table `business_day`: opening the first day, cutting over to the next, closing.

use deadpool_postgres::Pool;
use jiff::civil::Date;

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Client;

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

/// A business day as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayRow {
    #[serde(serialize_with = "crate::as_text::shown")]
    pub date: Date,
    pub state: String,
    #[serde(serialize_with = "crate::as_text::shown")]
    pub opened_at: Timestamp,
    #[serde(serialize_with = "crate::as_text::shown_if_any")]
    pub cut_over_at: Option<Timestamp>,
    #[serde(serialize_with = "crate::as_text::shown_if_any")]
    pub closed_at: Option<Timestamp>,
}

/// All days, the latest first.
pub async fn all(client: &Client) -> Result<Vec<DayRow>, StoreError> {
    let rows = client
        .query("SELECT date, state::text, opened_at, cut_over_at, closed_at FROM business_day ORDER BY date DESC", &[])
        .await?;
    Ok(rows
        .iter()
        .map(|row| DayRow {
            date: row.get("date"),
            state: row.get("state"),
            opened_at: row.get("opened_at"),
            cut_over_at: row.get("cut_over_at"),
            closed_at: row.get("closed_at"),
        })
        .collect())
}

/// Why a day cannot be closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseRefused {
    #[error("{0} is no business day of this house")]
    Unknown(Date),
    #[error("{0} takes traffic: cut over to the next day first")]
    Open(Date),
    #[error("{0} comes first: it is not closed")]
    Earlier(Date),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<tokio_postgres::Error> for CloseRefused {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Closes a day that was cut over: from the commit on, no transaction can join its cycle. Returns since when it is closed, to
/// the second, because files that are made again must bear the same time. Closing again changes nothing.
pub async fn close(client: &mut Client, date: Date) -> Result<Timestamp, CloseRefused> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_DAYS]).await?;
    let row = transaction
        .query_opt(
            "SELECT state::text, closed_at, (SELECT min(date) FROM business_day e WHERE e.date < d.date AND state <> 'closed') AS earlier,
                    (SELECT count(*) FROM business_day l WHERE l.date > d.date) AS later
             FROM business_day d WHERE date = $1",
            &[&date],
        )
        .await?
        .ok_or(CloseRefused::Unknown(date))?;
    if let Some(closed_at) = row.get("closed_at") {
        return Ok(closed_at);
    }
    if let Some(earlier) = row.get("earlier") {
        return Err(CloseRefused::Earlier(earlier));
    }
    // a later day is there when traffic brought its date before the cut-over was announced; that is a cut-over too
    if row.get::<_, &str>("state") == "open" && row.get::<_, i64>("later") == 0 {
        return Err(CloseRefused::Open(date));
    }
    let closed = transaction
        .query_one(
            "UPDATE business_day SET state = 'closed', closed_at = date_trunc('second', now()),
                    cut_over_at = coalesce(cut_over_at, now())
             WHERE date = $1 RETURNING closed_at",
            &[&date],
        )
        .await?;
    transaction.commit().await?;
    Ok(closed.get(0))
}
