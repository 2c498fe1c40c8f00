//! The sums of the day, which originators are told as totals, against the journal.

use std::collections::BTreeSet;

use jiff::civil::Date;
use tokio_postgres::Client;

use super::days::Days;
use super::{AuditError, Differences, Finding, decimal};

const CYCLES: &str = "SELECT DISTINCT cycle FROM day_total";

/// The sums of a cycle that are not those of its rows, up to the batch that each chain was added up to. One statement: a host
/// may be adding up meanwhile.
const DIFFERENT: &str = "
    WITH moved AS (
        SELECT a.business_date, a.role = 'issued' AS foreign_acquirer, coalesce(a.transaction_currency, a.currency) AS currency,
          CASE WHEN a.role = 'issued' THEN a.acquirer ELSE a.terminal END AS originator,
          CASE WHEN a.kind = 'reversal' THEN o.kind::text ELSE a.kind::text END AS of_kind, a.kind = 'reversal' AS back,
          CASE WHEN a.transaction_minor IS NULL OR a.requested_minor = 0 THEN a.approved_minor
            ELSE trunc(a.approved_minor::numeric * a.transaction_minor / a.requested_minor)::int8 END AS minor
        FROM auth a JOIN day_total_position p ON p.lane_instance = a.lane_instance AND p.batch_seq >= a.batch_seq
        LEFT JOIN auth o ON a.kind = 'reversal' AND o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem
        WHERE a.cycle = $1 AND (a.approved_minor > 0
          OR a.kind IN ('balance-inquiry', 'account-verification') AND a.response_code IN ('00', '85'))
    ), sums AS (
        SELECT business_date, foreign_acquirer, originator, currency,
          CASE WHEN of_kind IN ('purchase', 'completion') AND back THEN 'debit-reversal'
               WHEN of_kind IN ('purchase', 'completion') THEN 'debit'
               WHEN of_kind = 'refund' AND back THEN 'credit-reversal'
               WHEN of_kind = 'refund' THEN 'credit'
               WHEN NOT back AND of_kind IN ('pre-authorization', 'balance-inquiry', 'account-verification') THEN 'authorization'
          END AS kind, count(*) AS items, sum(minor)::int8 AS minor
        FROM moved GROUP BY 1, 2, 3, 4, 5
    ), kept AS (
        SELECT business_date, originator_kind = 'acquirer' AS foreign_acquirer, originator, currency, kind, items, amount_minor AS minor
        FROM day_total WHERE cycle = $1
    )
    SELECT CASE WHEN foreign_acquirer THEN 'acquirer ' ELSE 'terminal ' END || originator || ' on ' || business_date || ', ' || kind
        || ' in currency ' || lpad(currency::text, 3, '0'),
      coalesce(s.items, 0), coalesce(s.minor, 0), coalesce(k.items, 0), coalesce(k.minor, 0)
    FROM (SELECT * FROM sums WHERE kind IS NOT NULL AND originator IS NOT NULL) s
    FULL JOIN kept k USING (business_date, foreign_acquirer, originator, currency, kind)
    WHERE s.items IS DISTINCT FROM k.items OR s.minor IS DISTINCT FROM k.minor ORDER BY 1";

/// Chains that were added up beyond their end.
const BEYOND: &str = "
    SELECT p.lane_instance, p.batch_seq, coalesce(max(c.batch_seq), 0) FROM day_total_position p
    LEFT JOIN chain c ON c.bucket = (p.lane_instance & 255) AND c.lane_instance = p.lane_instance
    GROUP BY 1, 2 HAVING p.batch_seq > coalesce(max(c.batch_seq), 0)";

/// The sums are those of the journal. Rows after the last stretch that was added up are in none of them.
pub(super) async fn totals_follow(client: &Client, days: &mut Days) -> Result<Finding, AuditError> {
    let kept = client.query(CYCLES, &[]).await?;
    let cycles: BTreeSet<Date> = days.cycles().chain(kept.iter().map(|row| row.get(0))).collect();
    let mut differences = Differences::default();
    for cycle in cycles {
        for row in &client.query(DIFFERENT, &[&cycle]).await? {
            let [items, minor, kept, kept_minor] = [1, 2, 3, 4].map(|at| row.get::<_, i64>(at));
            let (minor, kept_minor) = (decimal(minor), decimal(kept_minor));
            let name: &str = row.get(0);
            differences.push(format!("{name}: journal {items} of {minor}, sum of the day {kept} of {kept_minor}"));
            days.fault(cycle);
        }
    }
    for row in &client.query(BEYOND, &[]).await? {
        let (instance, upto, last): (i32, i64, i64) = (row.get(0), row.get(1), row.get(2));
        differences.push(format!("chain {instance}: added up to batch {upto}, its last is {last}"));
    }
    let checked: i64 = client.query_one("SELECT count(*) FROM day_total", &[]).await?.get(0);
    Ok(Finding::new(
        "totals_follow_the_journal",
        "what originators are told as the totals of a day is the sum of the journal's rows",
        usize::try_from(checked).unwrap_or(0),
        differences,
    ))
}
