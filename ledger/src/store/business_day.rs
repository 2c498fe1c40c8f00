//! Table `business_day`: opens the first day, cuts over to the next, closes a day.

use deadpool_postgres::Pool;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::{Client, GenericClient, Statement, Transaction};

use super::StoreError;
use crate::day::{BusinessDay, BusinessDays, DayState};

/// Advisory lock on the business days. Every batch holds it shared from reading the days to its commit; closing takes
/// it exclusively.
const LOCK_DAYS: i64 = 5_857_001;

const LOAD: &str = "SELECT date, state::text FROM business_day
  WHERE state <> 'closed' OR date = (SELECT max(date) FROM business_day WHERE state = 'closed')";

/// A batch's lock. A statement of its own and prepared: as text it would first be sent to be parsed, and statements behind
/// it would run before it.
const LOCK: &str = "SELECT pg_advisory_xact_lock_shared($1)";

/// Opens dates that the switch stamped before it announced the cut-over to them.
const OPEN: &str =
    "INSERT INTO business_day (date, state) SELECT d, 'open' FROM unnest($1::date[]) AS u(d) ON CONFLICT DO NOTHING";

/// The statements of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct DayTable {
    lock: Statement,
    load: Statement,
    open: Statement,
}

impl DayTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        let (lock, load) = (client.prepare(LOCK).await?, client.prepare(LOAD).await?);
        Ok(Self { lock, load, open: client.prepare(OPEN).await? })
    }

    /// No day closes from here to the end of the transaction. Sent before everything else of the batch.
    pub(super) async fn lock(&self, client: &Client) -> Result<(), StoreError> {
        client.execute(&self.lock, &[&LOCK_DAYS]).await?;
        Ok(())
    }

    pub(super) async fn load(&self, client: &Client) -> Result<BusinessDays, StoreError> {
        let rows = client.query(&self.load, &[]).await?;
        let days = rows.iter().map(|row| {
            let state = DayState::from_word(row.get("state")).ok_or(StoreError::SharedColumn("business_day.state"))?;
            Ok(BusinessDay { date: row.get("date"), state })
        });
        Ok(BusinessDays::new(days.collect::<Result<_, StoreError>>()?))
    }

    pub(super) async fn open(&self, client: &Client, dates: &[Date]) -> Result<(), StoreError> {
        if !dates.is_empty() {
            client.execute(&self.open, &[&dates]).await?;
        }
        Ok(())
    }
}

/// Makes `date` the day with which new transactions are stamped; earlier open days accept transactions with their date
/// until they are closed. Idempotent, so the switch may repeat the announcement. `false` if nothing changed.
pub async fn cut_over(pool: &Pool, date: Date) -> Result<bool, StoreError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    // waits for the batches that have read the days, and blocks those that are about to
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
    open_day(&**client).await
}

/// A row of `business_day`, with its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayRow {
    pub date: Date,
    pub state: String,
    pub opened_at: Timestamp,
    pub cut_over_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
}

/// The latest open day, as seen within a transaction.
pub(super) async fn open_day(client: &impl GenericClient) -> Result<Option<Date>, StoreError> {
    Ok(client.query_one("SELECT max(date) FROM business_day WHERE state = 'open'", &[]).await?.get(0))
}

/// The earliest day that is not closed. Whoever relies on it sees to it that none is closed meanwhile, without the lock of the
/// lanes: they would wait for him behind a cut-over.
pub async fn earliest_not_closed(transaction: &Transaction<'_>) -> Result<Option<Date>, StoreError> {
    Ok(transaction.query_one("SELECT min(date) FROM business_day WHERE state <> 'closed'", &[]).await?.get(0))
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
    #[error("{0} is no business day here")]
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

/// Closes a day that was cut over: from the commit on, no transaction can join its cycle. Returns the time of closing,
/// to the second; files that are written again carry the same time. Closing again changes nothing.
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
    // a later day exists when a transaction brought its date before the cut-over was announced; that counts as a
    // cut-over
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
