//! Table `terminal_refund`: what a terminal gave back on a date without naming a sale. A terminal's refunds come through every
//! lane, by their cards, so the row is locked, after the accounts and in order.

use jiff::civil::Date;
use tokio_postgres::{Client, Statement};

use super::StoreError;
use crate::batch_rows::TerminalDay;

const OPEN: &str = "INSERT INTO terminal_refund (business_date, terminal, given_minor)
  SELECT u.business_date, u.terminal, 0 FROM unnest($1::date[], $2::text[]) AS u(business_date, terminal) ON CONFLICT DO NOTHING";

const LOCK: &str = "SELECT r.business_date, r.terminal, r.given_minor
  FROM unnest($1::date[], $2::text[]) AS u(business_date, terminal)
  JOIN terminal_refund r ON r.business_date = u.business_date AND r.terminal = u.terminal
  ORDER BY r.business_date, r.terminal FOR UPDATE OF r";

const UPDATE: &str = "UPDATE terminal_refund r SET given_minor = u.given_minor
  FROM unnest($1::date[], $2::text[], $3::int8[]) AS u(business_date, terminal, given_minor)
  WHERE r.business_date = u.business_date AND r.terminal = u.terminal";

/// The statements of a batch, prepared on one connection.
#[derive(Debug)]
pub(super) struct TerminalRefundTable {
    open: Statement,
    lock: Statement,
    update: Statement,
}

impl TerminalRefundTable {
    pub(super) async fn prepare(client: &Client) -> Result<Self, StoreError> {
        let (open, lock) = (client.prepare(OPEN).await?, client.prepare(LOCK).await?);
        Ok(Self { open, lock, update: client.prepare(UPDATE).await? })
    }

    /// Makes the rows that are to be there, so that they can be locked.
    pub(super) async fn open(&self, client: &Client, days: &[(TerminalDay, bool)]) -> Result<(), StoreError> {
        let new: Vec<&TerminalDay> = days.iter().filter(|(_, open)| *open).map(|(day, _)| day).collect();
        if !new.is_empty() {
            let (dates, terminals) = columns(new.into_iter());
            client.execute(&self.open, &[&dates, &terminals]).await?;
        }
        Ok(())
    }

    /// Locks the rows that are there.
    pub(super) async fn lock(
        &self,
        client: &Client,
        days: &[(TerminalDay, bool)],
    ) -> Result<Vec<(TerminalDay, i64)>, StoreError> {
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let (dates, terminals) = columns(days.iter().map(|(day, _)| day));
        let rows = client.query(&self.lock, &[&dates, &terminals]).await?;
        Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
    }

    pub(super) async fn update(&self, client: &Client, given: &[(&TerminalDay, i64)]) -> Result<(), StoreError> {
        if given.is_empty() {
            return Ok(());
        }
        let (dates, terminals) = columns(given.iter().map(|(day, _)| *day));
        let minor: Vec<i64> = given.iter().map(|(_, minor)| *minor).collect();
        client.execute(&self.update, &[&dates, &terminals, &minor]).await?;
        Ok(())
    }
}

fn columns<'a>(days: impl Iterator<Item = &'a TerminalDay>) -> (Vec<Date>, Vec<&'a str>) {
    days.map(|(date, terminal)| (*date, terminal.as_str())).unzip()
}
