//! The journal a day at a time: every row with its posting passes once, and whatever is checked of rows takes its share.
//! Nothing of a day is kept but sums, so the memory that an audit needs does not grow with the journal.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::TryStreamExt;
use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::Client;

use super::accounts::Accounts;
use super::row::JournalRow;
use super::{AuditError, Differences, Finding, decimal};

/// The verdict on one closed day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DayVerdict {
    /// Rows of the journal that are settled with it.
    pub rows: usize,
    /// Faults of its rows, their postings and their places in the chains.
    pub faults: usize,
    pub holds: bool,
}

/// The days of the journal, and the faults found in each.
#[derive(Debug, Default)]
pub(super) struct Days(BTreeMap<Date, DayVerdict>);

impl Days {
    pub(super) fn fault(&mut self, cycle: Date) {
        self.0.entry(cycle).or_default().faults += 1;
    }

    /// The days of the journal.
    pub(super) fn cycles(&self) -> impl Iterator<Item = Date> {
        self.0.keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// The verdicts on the days that are closed.
    pub(super) fn verdicts(self, closed: &std::collections::BTreeSet<Date>) -> BTreeMap<Date, DayVerdict> {
        let closed = self.0.into_iter().filter(|(date, _)| closed.contains(date));
        closed.map(|(date, verdict)| (date, DayVerdict { holds: verdict.faults == 0, ..verdict })).collect()
    }
}

const CYCLES: &str = "SELECT DISTINCT cycle FROM auth UNION SELECT DISTINCT cycle FROM posting ORDER BY 1";

/// The rows of a cycle with their postings, and the kind of what a reversal reverses.
const ROWS: &str = "
    SELECT a.auth_id, a.kind::text, a.role::text, a.account_id, a.account_seq, a.card_id, a.approved_minor, a.acquirer, a.issuer,
      a.merchant, a.terminal, a.stan, a.rrn, a.lifecycle, a.business_date, a.cycle, a.hash_version, a.hold_auth_id,
      a.hold_left_minor, a.counted_on, a.counted_minor, a.original_auth_id,
      CASE WHEN a.kind = 'reversal' THEN (SELECT o.kind::text FROM auth o
        WHERE o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem) END AS original_kind,
      p.payer_kind::text, p.payer_ref, p.payee_kind::text, p.payee_ref, p.amount_minor, p.currency = a.currency,
      p.business_date, a.response_code, a.hold_expires_on
    FROM auth a LEFT JOIN posting p ON p.bucket = a.bucket AND p.auth_id = a.auth_id AND p.cycle = $1
    WHERE a.cycle = $1";

/// Postings of a cycle without a row of it, or that are not the row's only one.
const STRAYS: &str = "
    SELECT p.auth_id, a.auth_id IS NULL FROM posting p
    LEFT JOIN auth a ON a.bucket = p.bucket AND a.auth_id = p.auth_id AND a.cycle = $1
    WHERE p.cycle = $1 GROUP BY p.bucket, p.auth_id, a.auth_id HAVING a.auth_id IS NULL OR count(*) > 1";

/// Originals of which a cycle's reversals, with all others of theirs, give back more than was approved.
const OVERDRAWN: &str = "
    WITH named AS (SELECT DISTINCT bucket, original_date, original_idem FROM auth
                   WHERE cycle = $1 AND kind = 'reversal' AND approved_minor > 0)
    SELECT o.auth_id, o.approved_minor, given.minor FROM named n
    LEFT JOIN auth o ON o.bucket = n.bucket AND o.idem_date = n.original_date AND o.idem = n.original_idem
    CROSS JOIN LATERAL (SELECT sum(r.approved_minor)::int8 AS minor FROM auth r
      WHERE r.bucket = n.bucket AND r.original_idem = n.original_idem AND r.kind = 'reversal'
        AND (r.original_auth_id = o.auth_id OR o.auth_id IS NULL)) given
    WHERE given.minor > coalesce(o.approved_minor, 0)";

/// What the pass found.
#[derive(Debug, Default)]
pub(super) struct Books {
    postings: Differences,
    dates: Differences,
    effects: Differences,
    rows: usize,
}

impl Books {
    /// Reads the journal day by day.
    pub(super) async fn read(client: &Client, days: &mut Days, accounts: &mut Accounts) -> Result<Self, AuditError> {
        let mut books = Self::default();
        for cycle in &client.query(CYCLES, &[]).await? {
            books.day(client, cycle.get(0), days, accounts).await?;
        }
        Ok(books)
    }

    async fn day(
        &mut self,
        client: &Client,
        cycle: Date,
        days: &mut Days,
        accounts: &mut Accounts,
    ) -> Result<(), AuditError> {
        let mut verdict = DayVerdict::default();
        let mut rows = pin!(client.query_raw(ROWS, [cycle]).await?);
        while let Some(row) = rows.try_next().await? {
            let row = JournalRow::read(&row);
            verdict.rows += 1;
            let faults = [(row.posting_fault(), &mut self.postings), (row.date_fault(), &mut self.dates)];
            for (fault, differences) in faults {
                verdict.faults += usize::from(fault.is_some());
                fault.into_iter().for_each(|fault| differences.push(fault));
            }
            accounts.take(&row);
        }
        self.rows += verdict.rows;
        for row in &client.query(STRAYS, &[&cycle]).await? {
            let auth_id: i64 = row.get(0);
            let what = if row.get(1) { "no such row in the journal of its cycle" } else { "there is another one" };
            self.postings.push(format!("posting of {auth_id}: {what}"));
            verdict.faults += 1;
        }
        for row in &client.query(OVERDRAWN, &[&cycle]).await? {
            let (auth_id, approved): (Option<i64>, Option<i64>) = (row.get(0), row.get(1));
            let (given, approved) = (decimal(row.get(2)), decimal(approved.unwrap_or(0)));
            let name = auth_id.map_or_else(|| "an unknown transaction".to_owned(), |id| format!("transaction {id}"));
            self.effects.push(format!("{name}: {given} given back of {approved}"));
            verdict.faults += 1;
        }
        let day = days.0.entry(cycle).or_default();
        day.rows += verdict.rows;
        day.faults += verdict.faults;
        Ok(())
    }

    pub(super) fn findings(self) -> [Finding; 3] {
        let Self { postings, dates, effects, rows } = self;
        [
            Finding::new(
                "postings_follow_the_journal",
                "I1: each movement in the journal has its one posting, between the accounts of its parties",
                rows,
                postings,
            ),
            Finding::new(
                "one_business_date",
                "I12: each transaction has one business date and one cycle, the same in its posting",
                rows,
                dates,
            ),
            Finding::new(
                "one_effect_per_key",
                "I3: no more is given back of a transaction than was approved of it",
                rows,
                effects,
            ),
        ]
    }
}
