//! Tables `issued_transaction` and `issued_transaction_position`: where the transactions are that a presentment may name.

use std::collections::HashSet;

use codecs::value::Minor;
use ledger::key::JournalKey;
use ledger::store::StoreError;
use tokio_postgres::{Row, Statement, Transaction};

use crate::clearing::matching::{IssuedKind, IssuedTransaction, Names, Presented};

/// The lanes' chains that are not followed to their end: how far they are, and where they end.
const DUE: &str = "
    SELECT i.instance, coalesce(p.batch_seq, 0), head.batch_seq FROM journal_instance i
    LEFT JOIN issued_transaction_position p ON p.lane_instance = i.instance
    CROSS JOIN LATERAL (SELECT c.batch_seq FROM chain c WHERE c.bucket = (i.instance & 255) AND c.lane_instance = i.instance
                        ORDER BY c.batch_seq DESC LIMIT 1) head
    WHERE i.program = 'authhost' AND head.batch_seq > coalesce(p.batch_seq, 0)";

/// Follows a stretch of each of the chains `$1`: the batches after `$2`, up to `$3`; all lie between the bounds `$4` and `$5`. A
/// completion that adds to a sale is part of the sale.
const FOLLOW: &str = "
    WITH named AS (
        INSERT INTO issued_transaction (bucket, auth_id, idem_date, idem, acquirer, lifecycle, rrn, approval_code, merchant)
        SELECT a.bucket, a.auth_id, a.idem_date, a.idem, a.acquirer, a.lifecycle, a.rrn, a.approval_code, a.merchant
        FROM auth a JOIN unnest($1::int4[], $2::int8[], $3::int8[]) AS due(instance, after, upto)
          ON due.instance = a.lane_instance AND a.batch_seq > due.after AND a.batch_seq <= due.upto
        WHERE a.lane_instance = ANY($1) AND a.batch_seq > $4 AND a.batch_seq <= $5 AND a.role = 'issued' AND a.approved_minor > 0
          AND (a.kind IN ('purchase', 'refund', 'pre-authorization')
            OR a.kind = 'completion' AND NOT EXISTS (SELECT 1 FROM auth o
              WHERE o.bucket = a.bucket AND o.idem_date = a.original_date AND o.idem = a.original_idem AND o.kind = 'purchase'))
        ON CONFLICT DO NOTHING
    )
    INSERT INTO issued_transaction_position (lane_instance, batch_seq) SELECT * FROM unnest($1::int4[], $3::int8[])
    ON CONFLICT (lane_instance) DO UPDATE SET batch_seq = excluded.batch_seq";

/// Brings the names up to what the lanes have committed. The caller is alone: files are read one at a time.
pub async fn follow(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let due = transaction.query(DUE, &[]).await?;
    if due.is_empty() {
        return Ok(());
    }
    let instances: Vec<i32> = due.iter().map(|chain| chain.get(0)).collect();
    let after: Vec<i64> = due.iter().map(|chain| chain.get(1)).collect();
    let upto: Vec<i64> = due.iter().map(|chain| chain.get(2)).collect();
    let bounds = (after.iter().min(), upto.iter().max());
    // a stretch is found by its place; the journal is never read from end to end for it, whatever the statistics say
    transaction.batch_execute("SET LOCAL enable_seqscan = off").await?;
    transaction.execute(FOLLOW, &[&instances, &after, &upto, &bounds.0, &bounds.1]).await?;
    transaction.batch_execute("SET LOCAL enable_seqscan = on").await?;
    Ok(())
}

/// What an acquirer `$1` may mean by the life-cycle ids `$2`, the pairs of RRN and approval code `$3` and `$4`, the pairs of
/// approval code and merchant `$5` and `$6`, and what has the keys `$7`. Each row is read by its key, each follower by index.
const CLAIMABLE: &str = "
    WITH named AS (
        SELECT i.bucket, i.idem_date, i.idem FROM unnest($2::text[]) AS u(lifecycle)
          JOIN issued_transaction i ON i.acquirer = $1 AND i.lifecycle = u.lifecycle
        UNION SELECT i.bucket, i.idem_date, i.idem FROM unnest($3::text[], $4::text[]) AS u(rrn, approval)
          JOIN issued_transaction i ON i.acquirer = $1 AND i.rrn = u.rrn AND i.approval_code = u.approval
        UNION SELECT i.bucket, i.idem_date, i.idem FROM unnest($5::text[], $6::text[]) AS u(approval, merchant)
          JOIN issued_transaction i ON i.acquirer = $1 AND i.approval_code = u.approval AND i.merchant = u.merchant
        UNION SELECT i.bucket, i.idem_date, i.idem FROM unnest($7::bytea[]) AS u(idem)
          JOIN issued_transaction i ON i.idem = u.idem AND i.acquirer = $1
    )
    SELECT a.bucket, a.auth_id, a.idem, a.kind::text AS kind, a.acquirer, a.lifecycle, a.rrn, a.approval_code, a.terminal, a.merchant,
           coalesce(t.dpan_masked, c.pan_masked) AS pan_masked, a.link, a.stan, a.local_at, a.entry_mode, a.requested_minor,
           a.approved_minor, a.currency, a.transaction_minor, a.transaction_currency,
           f.reversed_minor, f.adjusted_minor, e.paid_minor, p.presented_minor, p.posted_minor, p.items, p.captured_in, p.captured_by
    FROM named n
    CROSS JOIN LATERAL (SELECT * FROM auth a WHERE a.bucket = n.bucket AND a.idem_date = n.idem_date AND a.idem = n.idem OFFSET 0) a
    LEFT JOIN card c ON c.bucket = a.bucket AND c.card_id = a.card_id
    LEFT JOIN token t ON t.bucket = a.bucket AND t.token_id = a.token_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(v.approved_minor) FILTER (WHERE v.kind = 'reversal'), 0)::int8 AS reversed_minor,
               coalesce(sum(v.approved_minor) FILTER (WHERE v.kind = 'completion' AND a.kind = 'purchase'), 0)::int8 AS adjusted_minor
        FROM auth v WHERE v.bucket = a.bucket AND v.original_idem = a.idem AND v.original_idem IS NOT NULL
          AND v.original_auth_id = a.auth_id) f
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN q.takes_back THEN -abs(q.presented_minor) ELSE abs(q.presented_minor) END), 0)::int8
                 AS presented_minor,
               coalesce(sum(q.posted_minor), 0)::int8 AS posted_minor, count(*) AS items,
               (array_agg(q.file_id) FILTER (WHERE q.outcome IN ('captured', 'forced', 'credited')))[1] AS captured_in,
               (array_agg(q.record) FILTER (WHERE q.outcome IN ('captured', 'forced', 'credited')))[1] AS captured_by
        FROM presentment q WHERE q.auth_bucket = a.bucket AND q.auth_id = a.auth_id AND q.posted_minor <> 0) p
    CROSS JOIN LATERAL (
        SELECT coalesce(abs(sum(i.amount_minor)), 0)::int8 AS paid_minor FROM exception_item i
        WHERE i.bucket = a.bucket AND i.auth_id = a.auth_id AND i.act = 'pay' AND i.approved_at IS NOT NULL) e
    ORDER BY a.auth_id";

const POSTED: &str = "
    SELECT DISTINCT p.reference, p.takes_back FROM unnest($2::text[]) AS u(reference)
    JOIN presentment p ON p.acquirer = $1 AND p.reference = u.reference AND p.posted_minor <> 0";

/// The statements by which a file's presentments find what they claim.
#[derive(Debug)]
pub struct ClaimableTransactions {
    claimable: Statement,
    posted: Statement,
}

impl ClaimableTransactions {
    pub async fn prepare(transaction: &Transaction<'_>) -> Result<Self, StoreError> {
        let (claimable, posted) = (transaction.prepare(CLAIMABLE).await?, transaction.prepare(POSTED).await?);
        Ok(Self { claimable, posted })
    }

    /// The transactions of an acquirer that these presentments may mean, and those of their references that were posted, with
    /// whether they took something back.
    pub async fn of(
        &self,
        transaction: &Transaction<'_>,
        acquirer: &str,
        presented: &[Presented],
    ) -> Result<(Vec<IssuedTransaction>, HashSet<(String, bool)>), StoreError> {
        let names = || presented.iter().map(|of| &of.names);
        let life_cycles: Vec<&str> = names().filter_map(|of| of.life_cycle.as_deref()).collect();
        let (rrns, codes): (Vec<&str>, Vec<&str>) =
            names().filter_map(|of| Some((of.rrn.as_deref()?, of.approval.as_deref()?))).unzip();
        let (approvals, merchants): (Vec<&str>, Vec<&str>) =
            names().filter_map(|of| Some((of.approval.as_deref()?, of.merchant.as_deref()?))).unzip();
        let own: Vec<&[u8]> = presented.iter().map(|of| &of.own.0[..]).collect();
        let rows = transaction
            .query(&self.claimable, &[&acquirer, &life_cycles, &rrns, &codes, &approvals, &merchants, &own])
            .await?;
        let transactions = rows.iter().map(read).collect::<Result<_, _>>()?;
        let references: Vec<&str> = presented.iter().map(|of| of.reference.as_str()).collect();
        let posted = transaction.query(&self.posted, &[&acquirer, &references]).await?;
        Ok((transactions, posted.iter().map(|row| (row.get(0), row.get(1))).collect()))
    }
}

fn read(row: &Row) -> Result<IssuedTransaction, StoreError> {
    let kind = match row.get("kind") {
        "purchase" => IssuedKind::Sale,
        "completion" => IssuedKind::Completion,
        "refund" => IssuedKind::Refund,
        "pre-authorization" => IssuedKind::Authorization,
        _ => return Err(StoreError::Column("auth.kind")),
    };
    let own = |column: &'static str| row.get::<_, i16>(column).unsigned_abs();
    let (approved, requested): (i64, i64) = (row.get("approved_minor"), row.get("requested_minor"));
    let sent: Option<i64> = row.get("transaction_minor");
    // amounts of the row are in the account's currency: those of a message in another one are its share of what it asked for
    let as_sent = |minor: i64| match sent {
        Some(sent) if requested > 0 => Minor(minor).scaled(Minor(sent), Minor(requested)).0,
        _ => minor,
    };
    // what a person paid by hand is not paid again; it is in the currency of the account
    let paid: i64 = row.get("paid_minor");
    let idem: &[u8] = row.get("idem");
    let captured: (Option<String>, Option<i32>) = (row.get("captured_in"), row.get("captured_by"));
    Ok(IssuedTransaction {
        at: (row.get("bucket"), row.get("auth_id")),
        idem: JournalKey(idem.try_into().map_err(|_| StoreError::Column("auth.idem"))?),
        kind,
        names: Names {
            acquirer: row.get("acquirer"),
            life_cycle: row.get("lifecycle"),
            rrn: row.get("rrn"),
            approval: row.get("approval_code"),
            terminal: row.get("terminal"),
            merchant: row.get("merchant"),
            pan_masked: row.get("pan_masked"),
        },
        link: row.get("link"),
        stan: row.get::<_, i32>("stan").unsigned_abs(),
        local_at: row.get("local_at"),
        captured_by: captured.0.zip(captured.1),
        entry_mode: row.get("entry_mode"),
        currency: match row.get::<_, Option<i16>>("transaction_currency") {
            Some(currency) => currency.unsigned_abs(),
            None => own("currency"),
        },
        requested_minor: sent.unwrap_or(requested),
        approved_minor: as_sent(approved),
        account_minor: approved,
        account_currency: own("currency"),
        reversed_minor: as_sent(row.get("reversed_minor")),
        adjusted_minor: as_sent(row.get("adjusted_minor")),
        presented_minor: row.get::<_, i64>("presented_minor") + paid,
        posted_minor: row.get::<_, i64>("posted_minor").abs() + paid,
        ever_presented: paid > 0 || row.get::<_, i64>("items") > 0,
    })
}
