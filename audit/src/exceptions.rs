//! Checks of the list of exceptions against what it is about, and of what people decided, recomputed from the rows.

use tokio_postgres::Client;

use super::{AuditError, Differences, Finding};

/// Rows of the journal that the host marked, beside items of the list; only where one is missing or they differ. A row beyond the
/// position up to which its chain was followed is not listed yet.
const OF_HOST: &str = "
    SELECT coalesce(e.reference, a.bucket || '/' || a.auth_id), CASE WHEN e.item IS NULL THEN 'it is not on the list'
        WHEN a.auth_id IS NULL THEN 'the journal has no such exception' ELSE 'the list says something else than the journal' END
    FROM (SELECT a.* FROM auth a JOIN exception_position p USING (lane_instance)
          WHERE a.exception IS NOT NULL AND a.batch_seq <= p.batch_seq) a
    FULL JOIN (SELECT * FROM exception_item WHERE source = 'host') e ON e.bucket = a.bucket AND e.auth_id = a.auth_id
    WHERE e.item IS NULL OR a.auth_id IS NULL OR e.reference <> a.bucket || '/' || a.auth_id
      OR (e.kind, e.opened_at, e.business_date, e.currency, e.acquirer, e.merchant, e.terminal, e.rrn, e.role)
        IS DISTINCT FROM (a.exception, a.received_at, a.business_date, a.currency, a.acquirer, a.merchant, a.terminal, a.rrn, a.role::text)
      OR abs(e.amount_minor) IS DISTINCT FROM CASE WHEN a.approved_minor <> 0 THEN a.approved_minor ELSE a.requested_minor END
      OR e.amount_minor < 0 AND a.kind <> 'refund' OR e.amount_minor > 0 AND a.kind = 'refund'";

/// Items about presentments that say something else than the presentment.
const OF_PRESENTMENTS: &str = "
    SELECT e.reference, 'the list says something else than the file' FROM exception_item e
    LEFT JOIN presentment p ON e.reference = p.file_id || '/' || p.record
    WHERE e.source = 'backoffice' AND (p.outcome IS NULL OR (e.kind, e.business_date, e.currency, e.acquirer, e.merchant, e.terminal,
        e.rrn, e.bucket, e.auth_id, e.amount_minor) IS DISTINCT FROM (p.outcome, p.cycle, p.currency, p.acquirer, p.merchant, p.terminal,
        p.rrn, p.auth_bucket, p.auth_id, CASE WHEN p.takes_back THEN -p.presented_minor ELSE p.presented_minor END))";

/// Decisions that nobody may make alone, or that nobody known made.
const BY_PEOPLE: &str = "
    SELECT e.item::text, CASE
        WHEN e.state <> 'open' AND NOT EXISTS (SELECT 1 FROM operator o WHERE o.name = e.proposed_by) THEN 'no operator decided it'
        WHEN e.approved_uid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM operator o WHERE o.name = e.approved_by)
          THEN 'no operator approved it'
        ELSE 'it was not decided by as many people as it takes' END
    FROM exception_item e
    WHERE e.state <> 'open' AND (NOT EXISTS (SELECT 1 FROM operator o WHERE o.name = e.proposed_by)
        OR e.approved_uid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM operator o WHERE o.name = e.approved_by)
        OR e.act IN ('pay', 'release', 'reject') AND (e.state = 'resolved') <> (e.approved_uid IS NOT NULL AND e.approved_uid <> e.proposed_uid
          AND e.approved_by <> e.proposed_by)
        OR e.act NOT IN ('pay', 'release', 'reject') AND (e.state = 'proposed' OR e.approved_uid IS NOT NULL))";

/// Legs that decisions should have posted beside those that are there.
const POSTED: &str = "
    WITH decided AS (SELECT * FROM exception_item WHERE act = 'pay' AND state = 'resolved'),
      due AS (
        SELECT 'exception/' || item || '/pay' AS posting, 1::int2 AS leg,
          CASE kind WHEN 'amount-differs' THEN 'unpresented' ELSE 'suspense' END AS account_kind, acquirer AS account_ref,
          -amount_minor AS amount_minor, currency, posting_cycle AS cycle FROM decided
        UNION ALL SELECT 'exception/' || item || '/pay', 2, 'exceptions', acquirer, amount_minor, currency, posting_cycle FROM decided)
    SELECT coalesce(d.posting, p.posting), CASE WHEN d.posting IS NULL THEN 'posted, and not decided'
        WHEN p.posting IS NULL THEN 'decided, and not posted' ELSE 'posted otherwise than decided' END
    FROM due d FULL JOIN (SELECT * FROM settlement_posting WHERE starts_with(posting, 'exception/')) p
      ON p.posting = d.posting AND p.leg = d.leg
    WHERE (d.account_kind, d.account_ref, d.amount_minor, d.currency, d.cycle)
      IS DISTINCT FROM (p.account_kind, p.account_ref, p.amount_minor, p.currency, p.cycle) OR d.posting IS NULL OR p.posting IS NULL";

/// The list has what it should, and was worked off by as many people as it takes.
pub(super) async fn exceptions_are_worked_off(client: &Client) -> Result<Finding, AuditError> {
    let mut differences = Differences::default();
    for (what, statement) in
        [("row", OF_HOST), ("presentment", OF_PRESENTMENTS), ("exception", BY_PEOPLE), ("posting", POSTED)]
    {
        for row in &client.query(statement, &[]).await? {
            differences.push(format!("{what} {}: {}", row.get::<_, &str>(0), row.get::<_, &str>(1)));
        }
    }
    let count =
        "SELECT (SELECT count(*) FROM exception_item) + (SELECT count(*) FROM auth WHERE exception IS NOT NULL)";
    let checked: i64 = client.query_one(count, &[]).await?.get(0);
    Ok(Finding::new(
        "exceptions_are_worked_off",
        "each exception is on the list as it was found, and what was decided of it was decided by enough people and posted once",
        usize::try_from(checked).unwrap_or(0),
        differences,
    ))
}
