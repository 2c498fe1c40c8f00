//! Tables `day_total` and `day_total_position`: the sums of an originator's day.
//!
//! No lane writes them: a row for each terminal in each batch would cost as much as the card's counters do. They are added
//! up from batches that are committed, which do not change any more, and each batch is added once: the sums and the position
//! up to which they go are written by one statement. Whoever is told totals has the sums brought up to the moment before.

use codecs::value::Currency;
use deadpool_postgres::Pool;
use jiff::civil::Date;
use tokio_postgres::{Client, Row, Transaction};

use super::{StoreError, currency_column};
use crate::totals::{Counted, Originator, Sum};

/// The migration that brought the tables, and adds up what the journal has by then.
pub(super) const SINCE: i32 = 9;

/// Advisory lock on the tables: whoever adds up is alone, and whoever comes next starts where it ended.
const LOCK_TOTALS: i64 = 5_857_003;

/// The lanes' chains that are not added up to their end: how far they are, and where they end.
const DUE: &str = "
    SELECT i.instance, coalesce(p.batch_seq, 0), head.batch_seq FROM journal_instance i
    LEFT JOIN day_total_position p ON p.lane_instance = i.instance
    CROSS JOIN LATERAL (SELECT c.batch_seq FROM chain c WHERE c.bucket = (i.instance & 255) AND c.lane_instance = i.instance
                        ORDER BY c.batch_seq DESC LIMIT 1) head
    WHERE i.program = 'authhost' AND head.batch_seq > coalesce(p.batch_seq, 0)";

/// Adds a stretch of each of the chains `$1`: the batches after `$2`, up to `$3`. The lanes' rows lie among each other, so all
/// stretches are read at once, from what lies between the bounds `$4` and `$5` of all. A reversal counts under its own date, apart from the kind
/// that it reverses. Amounts are in the currency of the messages: of a part of one in a foreign currency as it was answered,
/// rounded down.
const ADD: &str = "
    WITH counted AS (
        SELECT a.business_date, CASE a.role WHEN 'issued' THEN 'acquirer' ELSE 'terminal' END AS originator_kind,
          CASE a.role WHEN 'issued' THEN a.acquirer ELSE a.terminal END AS originator,
          coalesce(a.transaction_currency, a.currency) AS currency, a.cycle,
          CASE WHEN a.kind IN ('purchase', 'completion') THEN 'debit'
            WHEN a.kind = 'refund' THEN 'credit'
            WHEN a.kind = 'reversal' THEN (SELECT CASE WHEN o.kind IN ('purchase', 'completion') THEN 'debit-reversal'
                WHEN o.kind = 'refund' THEN 'credit-reversal' END FROM auth o
              WHERE o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem)
            WHEN a.kind = 'pre-authorization' OR a.response_code IN ('00', '85') THEN 'authorization' END AS kind,
          CASE WHEN a.transaction_minor IS NULL THEN a.approved_minor
            ELSE div(a.approved_minor::numeric * a.transaction_minor, nullif(a.requested_minor, 0))::int8 END AS minor
        FROM auth a JOIN unnest($1::int4[], $2::int8[], $3::int8[]) AS due(instance, after, upto)
          ON due.instance = a.lane_instance AND a.batch_seq > due.after AND a.batch_seq <= due.upto
        WHERE a.lane_instance = ANY($1) AND a.batch_seq > $4 AND a.batch_seq <= $5
          AND (a.kind IN ('purchase', 'completion', 'refund', 'reversal', 'pre-authorization') AND a.approved_minor > 0
            OR a.kind IN ('balance-inquiry', 'account-verification'))
    ), added AS (
        INSERT INTO day_total (business_date, originator_kind, originator, currency, kind, cycle, items, amount_minor)
        SELECT business_date, originator_kind, originator, currency, kind, cycle, count(*), coalesce(sum(minor), 0)::int8
        FROM counted WHERE kind IS NOT NULL AND originator IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (business_date, originator_kind, originator, currency, kind, cycle) DO UPDATE
          SET items = day_total.items + excluded.items, amount_minor = day_total.amount_minor + excluded.amount_minor
    )
    INSERT INTO day_total_position (lane_instance, batch_seq) SELECT * FROM unnest($1::int4[], $3::int8[])
    ON CONFLICT (lane_instance) DO UPDATE SET batch_seq = excluded.batch_seq";

const READ: &str = "SELECT kind, sum(items)::int8, sum(amount_minor)::int8 FROM day_total
    WHERE business_date = $1 AND originator_kind = $2 AND originator = $3 AND currency = $4 GROUP BY kind";

/// Adds up what was committed since, in a transaction that does nothing else.
pub(super) async fn add_up_in(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    // a statement of its own: what follows sees what was committed while it waited
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_TOTALS]).await?;
    let due = transaction.query(DUE, &[]).await?;
    if due.is_empty() {
        return Ok(());
    }
    // a stretch is found by its place; the journal is never read from end to end for it, whatever the statistics say
    transaction.batch_execute("SET LOCAL enable_seqscan = off").await?;
    let instances: Vec<i32> = due.iter().map(|chain| chain.get(0)).collect();
    let after: Vec<i64> = due.iter().map(|chain| chain.get(1)).collect();
    let upto: Vec<i64> = due.iter().map(|chain| chain.get(2)).collect();
    let bounds = (after.iter().min(), upto.iter().max());
    transaction.execute(ADD, &[&instances, &after, &upto, &bounds.0, &bounds.1]).await?;
    Ok(())
}

/// Adds up what was committed since.
pub async fn add_up(pool: &Pool) -> Result<(), StoreError> {
    let mut connection = pool.get().await?;
    let client: &mut Client = &mut connection;
    let transaction = client.transaction().await?;
    add_up_in(&transaction).await?;
    Ok(transaction.commit().await?)
}

/// An originator's totals on a date: of everything that was committed before they were asked for.
pub async fn of(pool: &Pool, of: &Originator, date: Date, currency: Currency) -> Result<Counted, StoreError> {
    add_up(pool).await?;
    let (kind, name) = match of {
        Originator::Terminal(name) => ("terminal", name),
        Originator::Acquirer(name) => ("acquirer", name),
    };
    let rows = pool.get().await?.query(READ, &[&date, &kind, name, &currency_column(currency)]).await?;
    let mut counted = Counted::default();
    rows.iter().try_for_each(|row| take(&mut counted, row))?;
    Ok(counted)
}

fn take(counted: &mut Counted, row: &Row) -> Result<(), StoreError> {
    let sum = Sum { count: row.get(1), amount_minor: row.get(2) };
    match row.get(0) {
        "debit" => counted.debits = sum,
        "debit-reversal" => counted.debit_reversals = sum,
        "credit" => counted.credits = sum,
        "credit-reversal" => counted.credit_reversals = sum,
        "authorization" => counted.authorizations = sum.count,
        _ => return Err(StoreError::Column("day_total.kind")),
    }
    Ok(())
}
