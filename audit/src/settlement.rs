//! Checks of settlement against the journal: settlement lines, merchant balances, positions, and the files in the
//! folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::pin;

use futures::TryStreamExt;
use jiff::civil::Date;
use quick_xml::Reader;
use quick_xml::events::Event;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::{AuditError, Differences, Finding, compare, decimal};

/// The legs of each settlement posting sum to zero per currency. A journal row's posting is one row with both sides.
pub(super) async fn postings_sum_zero(client: &Client) -> Result<Finding, AuditError> {
    let sums = "SELECT posting, currency, sum(amount_minor)::int8 AS minor FROM settlement_posting GROUP BY 1, 2";
    let checked: i64 = client.query_one(&format!("SELECT count(*) FROM ({sums}) s"), &[]).await?.get(0);
    let off = client.query(&format!("SELECT * FROM ({sums}) s WHERE minor <> 0 ORDER BY 1"), &[]).await?;
    let mut differences = Differences::default();
    for row in &off {
        let (name, currency, minor): (&str, i16, i64) = (row.get(0), row.get(1), row.get(2));
        differences.push(format!("posting {name}: legs sum to {} in currency {currency:03}", decimal(minor)));
    }
    Ok(Finding::new(
        "postings_sum_zero",
        "I1: the postings of clearing and settlement sum to zero in each currency",
        usize::try_from(checked).unwrap_or(0),
        differences,
    ))
}

/// What a journal row `a` moved to its merchant's side, as its kind says; of a reversal, as that of its original says.
pub(super) const MOVED: &str =
    "CASE a.kind WHEN 'purchase' THEN a.approved_minor WHEN 'completion' THEN a.approved_minor
    WHEN 'refund' THEN -a.approved_minor WHEN 'reversal' THEN a.approved_minor * (SELECT CASE
      WHEN o.kind IN ('purchase', 'completion') THEN -1 WHEN o.kind = 'refund' THEN 1 ELSE 0 END FROM auth o
      WHERE o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem) ELSE 0 END";

/// Every movement at a merchant of ours in a closed cycle is one line of one batch, with its amount. A line by which a later
/// batch pays or rejects what was held is looked at below.
pub(super) async fn movements_are_settled(client: &Client, closed: &BTreeSet<Date>) -> Result<Finding, AuditError> {
    let of_day = format!(
        "WITH moved AS (SELECT * FROM (SELECT a.bucket, a.auth_id, a.kind::text, a.terminal, a.stan, a.rrn, a.lifecycle, {MOVED} AS minor
                        FROM auth a WHERE a.cycle = $1 AND a.role <> 'issued' AND a.approved_minor <> 0) m WHERE minor <> 0),
              settled AS (SELECT l.bucket, l.auth_id, l.gross_minor FROM settlement_line l JOIN settlement_batch b USING (batch_id)
                          WHERE b.cycle = $1 AND (l.held OR NOT EXISTS (SELECT 1 FROM settlement_line h
                            WHERE h.bucket = l.bucket AND h.auth_id = l.auth_id AND h.held)))
         SELECT coalesce(m.kind, 'transaction') || ' ' || auth_id || ' (terminal ' || coalesce(m.terminal, '-') || ', STAN '
                  || lpad(coalesce(m.stan, 0)::text, 6, '0') || ', RRN ' || coalesce(m.rrn, '-') || ', ' || coalesce(m.lifecycle, '-') || ')',
                coalesce(m.minor, 0), coalesce(s.gross_minor, 0)
         FROM moved m FULL JOIN settled s USING (bucket, auth_id) WHERE m.minor IS DISTINCT FROM s.gross_minor"
    );
    let mut differences = Differences::default();
    for cycle in closed {
        for row in &client.query(&of_day, &[cycle]).await? {
            let (name, moved, settled): (&str, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let (moved, settled) = (decimal(moved), decimal(settled));
            differences.push(format!("{name} in cycle {cycle}: journal {moved}, settled {settled}"));
        }
    }
    for cycle in closed {
        for row in &client.query(TREATED, &[cycle]).await? {
            differences.push(format!("transaction {}: {}", row.get::<_, i64>(0), row.get::<_, &str>(1)));
        }
    }
    let elsewhere = "SELECT l.auth_id, b.cycle FROM settlement_line l JOIN settlement_batch b USING (batch_id)
        WHERE b.cycle NOT IN (SELECT date FROM business_day WHERE state = 'closed')";
    for row in &client.query(elsewhere, &[]).await? {
        let (auth_id, cycle): (i64, Date) = (row.get(0), row.get(1));
        differences.push(format!("transaction {auth_id}: settled with {cycle}, which is not closed"));
    }
    for row in &client.query(SECOND_LINES, &[]).await? {
        differences.push(format!("transaction {}: {}", row.get::<_, i64>(0), row.get::<_, &str>(1)));
    }
    let lines: i64 = client.query_one("SELECT count(*) FROM settlement_line", &[]).await?.get(0);
    Ok(Finding::new(
        "captures_are_settled_once",
        "I10: each capture, refund and reversal at our merchants in a closed cycle is one line of its batch; what nobody promised \
         is held until two people released or rejected it, and then settled once",
        usize::try_from(lines).unwrap_or(0),
        differences,
    ))
}

/// Lines of movements of cycle `$1` that are not treated as the exception of their movement and the decision on it say. A reversal goes the way of what it
/// reverses, also where an earlier batch has settled that already. Until there was this rule one person could acknowledge what then was
/// paid. Batches of earlier forms held nothing.
const TREATED: &str = "
    SELECT auth_id, CASE WHEN form < 3 THEN 'held or rejected by a batch that holds nothing'
        WHEN held AND item IS NULL THEN 'held, and on no list'
        WHEN held AND NOT uncertain THEN 'held without cause'
        WHEN rejected THEN 'rejected, and nobody decided that'
        ELSE 'settled, and nobody released it' END
    FROM (SELECT l.auth_id, l.held, l.rejected, b.form, e.item, e.state = 'resolved' AND e.act = 'reject' AS refused,
            e.state = 'resolved' AND (e.act = 'release' OR e.act = 'acknowledge' AND e.proposed_at < (SELECT applied_at
              FROM schema_migration WHERE number = 15)) AS released, before.settled, before.refused AS refused_before,
            coalesce(coalesce(o.exception, CASE WHEN a.kind <> 'reversal' THEN a.exception END) IN ('completion-without-hold',
              'completion-of-unknown', 'card-unknown', 'refund-unreferenced', 'terminal-refunds-exceeded', 'refund-over-original'), false)
              AS uncertain
          FROM settlement_line l JOIN settlement_batch b USING (batch_id)
          JOIN auth a ON a.cycle = $1 AND a.bucket = l.bucket AND a.auth_id = l.auth_id
          LEFT JOIN auth o ON a.kind = 'reversal' AND o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem
          LEFT JOIN exception_item e ON e.source = 'host' AND e.bucket = a.bucket AND e.auth_id = coalesce(o.auth_id, a.auth_id)
          LEFT JOIN LATERAL (SELECT bool_or(true) AS settled, bool_or(s.rejected) AS refused
            FROM settlement_line s JOIN settlement_batch sb USING (batch_id)
            WHERE s.bucket = o.bucket AND s.auth_id = o.auth_id AND NOT s.held AND sb.cycle < b.cycle) before ON true
          WHERE l.held OR l.rejected OR b.form > 2 AND coalesce(o.exception, a.exception) IS NOT NULL) t
    WHERE CASE WHEN form < 3 THEN held OR rejected
      WHEN held THEN item IS NULL OR NOT uncertain OR coalesce(settled, false)
      WHEN settled THEN rejected <> refused_before
      WHEN rejected THEN NOT (uncertain AND coalesce(refused, false))
      ELSE uncertain AND NOT coalesce(released, false) END ORDER BY 1";

/// Held lines beside the second lines of their movements: where that differs, comes too early, or is due and missing. A decision
/// is carried out by the first batch that was closed after it.
const SECOND_LINES: &str = "
    SELECT h.auth_id, CASE WHEN l.batch_id IS NULL THEN 'decided, and not settled by the next batch' ELSE 'settled otherwise than held' END
    FROM settlement_line h JOIN settlement_batch hb ON hb.batch_id = h.batch_id
    LEFT JOIN (settlement_line l JOIN settlement_batch b ON b.batch_id = l.batch_id)
      ON l.bucket = h.bucket AND l.auth_id = h.auth_id AND NOT l.held
    JOIN auth a ON a.cycle = hb.cycle AND a.bucket = h.bucket AND a.auth_id = h.auth_id
    LEFT JOIN auth o ON a.kind = 'reversal' AND o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem
    LEFT JOIN exception_item e ON e.source = 'host' AND e.bucket = a.bucket AND e.auth_id = coalesce(o.auth_id, a.auth_id)
    WHERE h.held AND (h.fee_minor <> 0 OR CASE WHEN l.batch_id IS NOT NULL THEN b.cycle <= hb.cycle OR b.currency <> hb.currency
        OR (l.gross_minor, l.merchant, l.movement, l.of_refund, l.whole, l.pan_masked) IS DISTINCT FROM
           (h.gross_minor, h.merchant, h.movement, h.of_refund, h.whole, h.pan_masked)
        OR (l.interchange_minor, l.scheme_fee_minor) <> (0, 0) OR l.rejected AND l.fee_minor <> 0
      ELSE e.state = 'resolved' AND EXISTS (SELECT 1 FROM settlement_batch n WHERE n.currency = hb.currency AND n.cycle > hb.cycle
        AND n.closed_at > coalesce(e.approved_at, e.proposed_at)) END) ORDER BY 1";

/// Items – a capture or refund with its reversals – of which a reversal is settled with cycle `$1` and of which nothing is
/// left, by their lines: only those that have cost something.
const COST_SOMETHING: &str = "
    WITH item AS (SELECT DISTINCT o.bucket, o.auth_id, o.idem, o.idem_date, o.lifecycle FROM auth a
                  JOIN auth o ON o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem
                  WHERE a.cycle = $1 AND a.kind = 'reversal' AND a.role <> 'issued' AND a.approved_minor <> 0
                    AND o.kind IN ('purchase', 'completion', 'refund'))
    SELECT i.auth_id, i.lifecycle, s.fee, s.interchange, s.scheme FROM item i CROSS JOIN LATERAL (
      SELECT sum(l.gross_minor) FILTER (WHERE l.held OR NOT EXISTS (SELECT 1 FROM settlement_line h WHERE h.held
               AND h.bucket = l.bucket AND h.auth_id = l.auth_id))::int8 AS gross, sum(l.fee_minor)::int8 AS fee, sum(l.interchange_minor)::int8 AS interchange,
             sum(l.scheme_fee_minor)::int8 AS scheme
      FROM (SELECT i.auth_id UNION ALL SELECT v.auth_id FROM auth v WHERE v.bucket = i.bucket AND v.original_idem = i.idem
              AND v.original_date = i.idem_date AND v.kind = 'reversal') part (auth_id)
      JOIN settlement_line l ON l.bucket = i.bucket AND l.auth_id = part.auth_id) s
    WHERE s.gross = 0 AND (s.fee, s.interchange, s.scheme) <> (0, 0, 0) ORDER BY 1";

/// Whatever is wholly reversed, in one step or several, has cost nobody anything.
pub(super) async fn reversed_costs_nothing(client: &Client, closed: &BTreeSet<Date>) -> Result<Finding, AuditError> {
    let mut differences = Differences::default();
    for cycle in closed {
        for row in &client.query(COST_SOMETHING, &[cycle]).await? {
            let (auth_id, life_cycle): (i64, &str) = (row.get(0), row.get(1));
            let [fee, interchange, scheme] = [2, 3, 4].map(|at: usize| row.get::<_, i64>(at));
            differences.push(format!(
                "transaction {auth_id} ({life_cycle}): wholly reversed, and its lines say fee {fee}, interchange {interchange}, scheme fee {scheme}"
            ));
        }
    }
    let lines: i64 = client.query_one("SELECT count(*) FROM settlement_line", &[]).await?.get(0);
    Ok(Finding::new(
        "reversals_return_charges",
        "I10: what was wholly reversed at our merchants, in however many steps, has cost nobody anything",
        usize::try_from(lines).unwrap_or(0),
        differences,
    ))
}

/// Batch balances are the sums of their lines, each continues the one before, and the merchants' accounts equal the
/// last.
pub(super) async fn balances_follow(client: &Client) -> Result<Finding, AuditError> {
    let rows = client
        .query(
            "SELECT b.cycle, m.merchant, m.gross_minor, m.fee_minor, m.brought_forward_minor, m.payout_minor, m.carried_forward_minor,
                    coalesce((SELECT sum(l.gross_minor) FROM settlement_line l WHERE l.batch_id = m.batch_id AND l.merchant = m.merchant
                      AND NOT l.held AND NOT l.rejected), 0)::int8,
                    coalesce((SELECT sum(l.fee_minor) FROM settlement_line l WHERE l.batch_id = m.batch_id AND l.merchant = m.merchant), 0)::int8
             FROM settlement_merchant m JOIN settlement_batch b USING (batch_id) ORDER BY m.merchant, b.cycle",
            &[],
        )
        .await?;
    let mut differences = Vec::new();
    let mut carried: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        let (cycle, merchant): (Date, String) = (row.get(0), row.get(1));
        let [gross, fee, brought, payout, left, lines_gross, lines_fee] =
            [2, 3, 4, 5, 6, 7, 8].map(|at: usize| row.get::<_, i64>(at));
        let name = format!("merchant {merchant}, cycle {cycle}");
        if (gross, fee) != (lines_gross, lines_fee) {
            differences.push(format!("{name}: gross and fee are not the sums of the lines"));
        }
        if gross - fee + brought != payout + left || payout < 0 {
            differences.push(format!("{name}: {gross} - {fee} + {brought} is not {payout} + {left}"));
        }
        let before = carried.insert(merchant, left).unwrap_or(0);
        if before != brought {
            differences.push(format!("{name}: {before} was carried forward, {brought} came in"));
        }
    }
    // what is held is on the account, and in no balance
    let held = "SELECT h.merchant, sum(h.gross_minor)::int8 FROM settlement_line h WHERE h.held AND NOT EXISTS (
        SELECT 1 FROM settlement_line l WHERE l.bucket = h.bucket AND l.auth_id = h.auth_id AND NOT l.held) GROUP BY 1";
    for row in &client.query(held, &[]).await? {
        *carried.entry(row.get(0)).or_default() += row.get::<_, i64>(1);
    }
    let accounts = client
        .query(
            "SELECT account_ref, sum(amount_minor)::int8 FROM (
                 SELECT account_ref, amount_minor FROM ledger
                 WHERE account_kind = 'merchant' AND cycle IN (SELECT cycle FROM settlement_batch)
                 UNION ALL SELECT account_ref, amount_minor FROM settlement_posting WHERE account_kind = 'merchant') l GROUP BY 1",
            &[],
        )
        .await?;
    let accounts: BTreeMap<String, i64> = accounts.iter().map(|row| (row.get(0), row.get(1))).collect();
    differences.extend(compare(("carried forward and held", &carried), ("account", &accounts)));
    for row in &client.query(REJECTED, &[]).await? {
        differences.push(format!("posting {}: not what was rejected", row.get::<_, &str>(0)));
    }
    Ok(Finding::new(
        "merchants_are_paid_what_they_are_owed",
        "I10: gross less fees and what was brought forward is what was paid and what is carried forward",
        rows.len(),
        differences,
    ))
}

/// What each batch posts away from its merchants, beside the lines that it rejects.
const REJECTED: &str = "
    WITH due AS (SELECT batch_id || '/reject/' || merchant AS posting, merchant, sum(gross_minor)::int8 AS minor FROM settlement_line
                 WHERE rejected GROUP BY batch_id, merchant HAVING sum(gross_minor) <> 0),
      legs AS (SELECT posting, 'merchant' AS account_kind, merchant AS account_ref, -minor AS amount_minor FROM due
               UNION ALL SELECT posting, 'exceptions', merchant, minor FROM due)
    SELECT coalesce(d.posting, p.posting) FROM legs d
    FULL JOIN (SELECT p.* FROM settlement_posting p JOIN settlement_batch b ON starts_with(p.posting, b.batch_id || '/reject/')) p
      ON (d.posting, d.account_kind) = (p.posting, p.account_kind)
    WHERE (d.account_ref, d.amount_minor) IS DISTINCT FROM (p.account_ref, p.amount_minor)";

/// Positions with foreign institutions equal the presented amounts less interchange, and so do their accounts.
pub(super) async fn positions_follow(
    client: &Client,
    issuers: &BTreeMap<String, String>,
) -> Result<Finding, AuditError> {
    let rows = client
        .query(
            "SELECT b.cycle, p.side, p.institution, p.gross_minor, p.interchange_minor
             FROM settlement_position p JOIN settlement_batch b USING (batch_id)",
            &[],
        )
        .await?;
    let mut stated: BTreeMap<String, i64> = BTreeMap::new();
    let mut net: BTreeMap<String, i64> = BTreeMap::new();
    let mut cycles = BTreeSet::new();
    for row in &rows {
        let (cycle, side, institution): (Date, &str, String) = (row.get(0), row.get(1), row.get(2));
        let (gross, interchange): (i64, i64) = (row.get(3), row.get(4));
        stated.insert(format!("{side} {institution}, cycle {cycle}"), gross);
        let to_acquirer = gross - interchange;
        *net.entry(format!("institution {institution}")).or_default() +=
            if side == "acquirer" { to_acquirer } else { -to_acquirer };
        cycles.insert(cycle);
    }
    let mut worked_out: BTreeMap<String, i64> = BTreeMap::new();
    let acquired = format!(
        "SELECT coalesce(a.issuer, 'unnamed'), coalesce(sum({MOVED}), 0)::int8, count(*) FILTER (WHERE {MOVED} <> 0)
         FROM auth a WHERE a.cycle = $1 AND a.role = 'acquired' GROUP BY 1"
    );
    for cycle in &cycles {
        for row in &client.query(&acquired, &[cycle]).await? {
            let (destination, minor, moved): (&str, i64, i64) = (row.get(0), row.get(1), row.get(2));
            if moved > 0 {
                let institution = issuers.get(destination).map_or(destination, String::as_str);
                *worked_out.entry(format!("issuer {institution}, cycle {cycle}")).or_default() += minor;
            }
        }
    }
    for row in &client.query("SELECT acquirer, cycle, posted_minor FROM presentment", &[]).await? {
        let (acquirer, cycle): (&str, Date) = (row.get(0), row.get(1));
        if cycles.contains(&cycle) {
            *worked_out.entry(format!("acquirer {acquirer}, cycle {cycle}")).or_default() += row.get::<_, i64>(2);
        }
    }
    let accounts = client
        .query(
            "SELECT account_ref, sum(amount_minor)::int8 FROM settlement_posting
             WHERE account_kind = 'position' AND cycle IN (SELECT cycle FROM settlement_batch) GROUP BY 1",
            &[],
        )
        .await?;
    let accounts: BTreeMap<String, i64> =
        accounts.iter().map(|row| (format!("institution {}", row.get::<_, &str>(0)), row.get(1))).collect();
    let mut differences = compare(("stated", &stated), ("journal", &worked_out));
    differences.extend(compare(("stated", &net), ("account", &accounts)));
    Ok(Finding::new(
        "positions_add_up",
        "I10: the position with each institution is what was presented less interchange, and its account says so",
        rows.len(),
        differences,
    ))
}

/// Files that a batch must have and that are not recorded, of batches with any recorded file.
const NOT_RECORDED: &str = "
    WITH written AS (SELECT batch_id, cycle FROM settlement_batch b
                     WHERE EXISTS (SELECT 1 FROM settlement_file f WHERE f.batch_id = b.batch_id))
    SELECT path FROM (
      SELECT 'settlement/' || batch_id || '/batch.json' AS path FROM written
      UNION ALL SELECT 'settlement/' || m.batch_id || '/' || regexp_replace(m.merchant, '[^A-Za-z0-9-]', '_', 'g') || '.csv'
        FROM settlement_merchant m JOIN written USING (batch_id)
      UNION ALL SELECT DISTINCT 'settlement/' || m.batch_id || '/payout.xml'
        FROM settlement_merchant m JOIN written USING (batch_id) WHERE m.payout_minor > 0 AND m.iban IS NOT NULL
      UNION ALL SELECT 'clearing/' || unnest(ARRAY[o.name, regexp_replace(o.name, '[.]ipm$', '.json')])
        FROM outgoing_file o JOIN written USING (batch_id)
    ) expected WHERE NOT EXISTS (SELECT 1 FROM settlement_file f WHERE f.path = expected.path) ORDER BY path";

/// Files of closed batches are in the folders, byte for byte as they were written, and each batch has been written
/// once.
pub(super) async fn files_are_as_recorded(
    client: &Client,
    clearing: Option<&Path>,
    settlement: Option<&Path>,
) -> Result<Finding, AuditError> {
    let rows = client.query("SELECT path, sha256 FROM settlement_file ORDER BY path", &[]).await?;
    let mut differences = Vec::new();
    let mut checked = 0;
    for row in &rows {
        let (path, sha256): (&str, &[u8]) = (row.get(0), row.get(1));
        let place = match path.split_once('/') {
            Some(("clearing", rest)) => clearing.map(|folder| folder.join(rest)),
            Some(("settlement", rest)) => settlement.map(|folder| folder.join(rest)),
            _ => None,
        };
        let Some(place) = place else { continue };
        checked += 1;
        match std::fs::read(&place) {
            Err(_) => differences.push(format!("{path}: recorded, and not in the folder")),
            Ok(bytes) if Sha256::digest(&bytes)[..] != *sha256 => {
                differences.push(format!("{path}: not the bytes that were written when the batch was closed"));
            }
            Ok(_) => {}
        }
    }
    let recorded: BTreeSet<&str> = rows.iter().map(|row| row.get(0)).collect();
    for row in &client.query("SELECT batch_id FROM settlement_batch ORDER BY 1", &[]).await? {
        let of_batch = format!("settlement/{}", row.get::<_, &str>(0));
        let folder = settlement.map(|folder| folder.join(row.get::<_, &str>(0)));
        // a batch whose folder is missing has its files told of above
        for entry in folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten() {
            let path = format!("{of_batch}/{}", entry.file_name().to_string_lossy());
            if !recorded.contains(path.as_str()) {
                differences.push(format!("{path}: in the folder, and not recorded"));
            }
        }
    }
    for row in &client.query(NOT_RECORDED, &[]).await? {
        differences.push(format!("{}: written when the batch was closed, and not recorded", row.get::<_, &str>(0)));
    }
    let strayed = "SELECT f.path FROM settlement_file f WHERE NOT EXISTS (SELECT 1 FROM settlement_batch b WHERE b.batch_id = f.batch_id
        AND (starts_with(f.path, 'settlement/' || b.batch_id || '/') OR starts_with(f.path, 'clearing/' || to_char(b.cycle, 'YYYYMMDD') || '-')))";
    for row in &client.query(strayed, &[]).await? {
        differences.push(format!("{}: no file of the batch that it is recorded with", row.get::<_, &str>(0)));
    }
    let twice = "SELECT cycle::text FROM settlement_batch GROUP BY cycle, currency HAVING count(*) > 1";
    let twice = client.query(twice, &[]).await?;
    differences.extend(twice.iter().map(|row| format!("cycle {}: settled twice", row.get::<_, &str>(0))));
    Ok(Finding::new(
        "closed_batches_do_not_change",
        "I11: each cycle was settled once, and its files are the bytes that were written then",
        checked,
        differences,
    ))
}

/// The settlement files agree with the batches: each line, each merchant, and the payout. A batch is read at a time, its
/// movements in the order of merchants, so that no more than one merchant's file is in memory.
pub(super) async fn files_say_what_batches_say(client: &Client, folder: &Path) -> Result<Finding, AuditError> {
    let mut differences = Differences::default();
    let mut checked = 0;
    let batches = client.query("SELECT batch_id, cycle FROM settlement_batch ORDER BY cycle, batch_id", &[]).await?;
    for row in &batches {
        let (batch, cycle): (&str, Date) = (row.get(0), row.get(1));
        let files = BatchFiles::of(client, batch, folder).await?;
        if files.any() {
            checked += files.compare(client, batch, cycle, &mut differences).await?;
        }
    }
    Ok(Finding::new(
        "settlement_files_add_up",
        "I10: each merchant's file is the sum of the journal's movements, and the payout file pays what the batch says",
        checked,
        differences,
    ))
}

/// The recorded files of a batch that are in the folder.
#[derive(Debug, Default)]
struct BatchFiles {
    /// By the merchant, for whom the file is named.
    merchants: BTreeMap<String, PathBuf>,
    payouts: Vec<PathBuf>,
    /// Recorded, and not in the folder: nothing can be said about what is in them.
    missing: Vec<String>,
}

impl BatchFiles {
    async fn of(client: &Client, batch: &str, folder: &Path) -> Result<Self, AuditError> {
        let mut files = Self::default();
        for row in &client.query("SELECT path FROM settlement_file WHERE batch_id = $1", &[&batch]).await? {
            let recorded: &str = row.get(0);
            let Some(path) = recorded.strip_prefix("settlement/").map(|path| folder.join(path)) else { continue };
            if !path.exists() {
                files.missing.push(recorded.to_owned());
                continue;
            }
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("csv") => {
                    let merchant = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                    files.merchants.insert(merchant.unwrap_or_default(), path);
                }
                Some("xml") => files.payouts.push(path),
                _ => {}
            }
        }
        Ok(files)
    }

    fn any(&self) -> bool {
        !(self.merchants.is_empty() && self.payouts.is_empty() && self.missing.is_empty())
    }

    async fn compare(
        mut self,
        client: &Client,
        batch: &str,
        cycle: Date,
        differences: &mut Differences,
    ) -> Result<usize, AuditError> {
        let mut stated = BTreeMap::new();
        let (mut to_pay, mut paid, mut checked) = (0, 0, 0);
        differences.extend(self.missing.iter().map(|path| format!("{path}: recorded, and not in the folder")));
        let merchants =
            "SELECT merchant, gross_minor, fee_minor, payout_minor FROM settlement_merchant WHERE batch_id = $1";
        for row in &client.query(merchants, &[&batch]).await? {
            let (merchant, gross, fee): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            stated.insert(merchant, (gross, gross - fee));
            to_pay += row.get::<_, i64>(3);
        }
        let moved = format!(
            "SELECT coalesce(a.merchant, 'unnamed') COLLATE \"C\" AS merchant, a.lifecycle, sum({MOVED})::int8 AS minor
             FROM (SELECT a.* FROM auth a WHERE a.cycle = $1 AND a.role <> 'issued' AND a.approved_minor <> 0
                     AND NOT EXISTS (SELECT 1 FROM settlement_line l WHERE l.bucket = a.bucket AND l.auth_id = a.auth_id
                                     AND l.batch_id = $2 AND (l.held OR l.rejected))
                   UNION ALL
                   SELECT a.* FROM settlement_line l JOIN settlement_line h ON h.bucket = l.bucket AND h.auth_id = l.auth_id AND h.held
                   JOIN settlement_batch b ON b.batch_id = h.batch_id
                   JOIN auth a ON a.cycle = b.cycle AND a.bucket = l.bucket AND a.auth_id = l.auth_id
                   WHERE l.batch_id = $2 AND NOT l.held AND NOT l.rejected) a
             GROUP BY 1, 2 HAVING bool_or({MOVED} <> 0) ORDER BY 1"
        );
        let mut rows = pin!(client.query_raw(&moved, [&cycle as &(dyn ToSql + Sync), &batch]).await?);
        let mut of_merchant: Option<(String, BTreeMap<String, i64>)> = None;
        loop {
            let row = rows.try_next().await?;
            let merchant: Option<String> = row.as_ref().map(|row| row.get(0));
            if let Some((done, journal)) = of_merchant.take_if(|(of, _)| Some(&*of) != merchant.as_ref()) {
                checked += journal.len();
                self.compare_merchant(batch, &done, &journal, &stated, differences)?;
            }
            let (Some(row), Some(merchant)) = (row, merchant) else { break };
            let (_, journal) = of_merchant.get_or_insert_with(|| (merchant, BTreeMap::new()));
            journal.insert(row.get(1), row.get(2));
        }
        for merchant in self.merchants.keys().cloned().collect::<Vec<_>>() {
            self.compare_merchant(batch, &merchant, &BTreeMap::new(), &stated, differences)?;
        }
        for path in &self.payouts {
            let (sum, faults) = payout(path)?;
            paid += sum;
            differences.extend(faults);
        }
        if !self.payouts.is_empty() && !self.missing.iter().any(|path| path.ends_with(".xml")) && paid != to_pay {
            let (stated, paid) = (decimal(to_pay), decimal(paid));
            differences.push(format!("{batch}, payout: batch {stated}, payout.xml {paid}"));
        }
        Ok(checked)
    }

    /// Compares one merchant's file with the journal and the batch, and is done with it.
    fn compare_merchant(
        &mut self,
        batch: &str,
        merchant: &str,
        journal: &BTreeMap<String, i64>,
        stated: &BTreeMap<String, (i64, i64)>,
        differences: &mut Differences,
    ) -> Result<(), AuditError> {
        let Some(path) = self.merchants.remove(merchant) else { return Ok(()) };
        let file = MerchantFile::read(&path, batch, merchant)?;
        let name = format!("{batch}, merchant {merchant}");
        differences.extend(
            compare(("journal", journal), ("csv", &file.transactions)).into_iter().map(|of| format!("{name}, {of}")),
        );
        let (gross, net) = stated.get(merchant).copied().unwrap_or((0, 0));
        for (what, stated, there) in [("gross", gross, file.gross), ("net", net, file.net)] {
            if stated != there {
                differences.push(format!("{name}, {what}: batch {}, csv {}", decimal(stated), decimal(there)));
            }
        }
        differences.extend(file.faults);
        Ok(())
    }
}

/// What a merchant's file says, and what is wrong in it.
#[derive(Debug, Default)]
struct MerchantFile {
    /// By life-cycle id.
    transactions: BTreeMap<String, i64>,
    gross: i64,
    net: i64,
    faults: Vec<String>,
}

impl MerchantFile {
    fn read(path: &Path, batch: &str, merchant: &str) -> Result<Self, AuditError> {
        let wrong = |error: csv::Error| AuditError::file(path, error);
        let mut reader = csv::Reader::from_path(path).map_err(wrong)?;
        let headers = reader.headers().map_err(wrong)?.clone();
        let column = |name: &str| {
            let at = headers.iter().position(|header| header == name);
            at.ok_or_else(|| AuditError::file(path, format!("no column {name}")))
        };
        let (of_batch, of_merchant, life_cycle) =
            (column("batch_id")?, column("merchant_id")?, column("lifecycle_id")?);
        let amounts = [column("gross")?, column("fee")?, column("net")?];
        let mut file = Self::default();
        for (number, row) in reader.records().enumerate() {
            let row = row.map_err(wrong)?;
            let line = || format!("{}, line {}", path.display(), number + 2);
            if (&row[of_batch], &row[of_merchant]) != (batch, merchant) {
                file.faults.push(format!("{}: another batch or merchant", line()));
            }
            let [Some(gross), Some(fee), Some(net)] = amounts.map(|at| minor(&row[at])) else {
                file.faults.push(format!("{}: an amount is no amount", line()));
                continue;
            };
            if gross - fee != net {
                file.faults.push(format!("{}: net is not gross less fee", line()));
            }
            *file.transactions.entry(row[life_cycle].to_owned()).or_default() += gross;
            file.gross += gross;
            file.net += net;
        }
        Ok(file)
    }
}

/// The sum of the payments of a payout file, and what is wrong in it.
fn payout(path: &Path) -> Result<(i64, Option<String>), AuditError> {
    let mut reader = Reader::from_file(path).map_err(|error| AuditError::file(path, error))?;
    let (mut buffer, mut element) = (Vec::new(), String::new());
    let (mut paid, mut control) = (0, None);
    loop {
        match reader.read_event_into(&mut buffer).map_err(|error| AuditError::file(path, error))? {
            Event::Start(start) => element = start.name().as_ref().to_owned(),
            Event::Text(text) => match element.as_str() {
                "InstdAmt" => paid += minor(&text).unwrap_or(0),
                "CtrlSum" => control = minor(&text),
                _ => {}
            },
            Event::End(_) => element.clear(),
            Event::Eof => break,
            _ => {}
        }
        buffer.clear();
    }
    let fault = format!("{}: the control sum is not the sum of the payments", path.display());
    Ok((paid, (control != Some(paid)).then_some(fault)))
}

/// Parses `-12.34` into -1234.
fn minor(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, cents) = digits.split_once('.')?;
    let cents = if cents.len() == 2 { cents.parse::<i64>().ok()? } else { return None };
    Some(sign * (whole.parse::<i64>().ok()? * 100 + cents))
}
