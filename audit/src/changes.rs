//! Checks of what is seldom changed – cards, tokens, credit lines, merchants, terminals, settlement batches, acquirers'
//! files – against the last recorded change of each.

use std::pin::pin;

use futures::TryStreamExt;
use tokio_postgres::{Client, Row};

use super::fields::Fields;
use super::{AuditError, Differences, Finding};

/// The last recorded content of a thing called `$name`.
macro_rules! recorded {
    ($subject:literal, $name:literal) => {
        concat!(
            "(SELECT content FROM recorded_change r WHERE r.subject = '",
            $subject,
            "' AND r.reference = ",
            $name,
            " ORDER BY at DESC, instance DESC, batch_seq DESC, batch_pos DESC LIMIT 1)"
        )
    };
}

/// Rows of one table each: the name, the last recorded content, then the deciding columns as texts.
const ROWS: [(&str, &str); 7] = [
    (
        "account",
        concat!(
            "SELECT bucket || '/' || account_id, ",
            recorded!("account", "bucket || '/' || account_id"),
            ", bucket::text, account_id::text, currency::text, credit_minor::text FROM account_state"
        ),
    ),
    (
        "card",
        concat!(
            "SELECT bucket || '/' || card_id, ",
            recorded!("card", "bucket || '/' || card_id"),
            ", bucket::text, card_id::text, account_id::text, encode(pan_index, 'hex'), expiry::text, psn::text,
             service_code::text, pvki::text, pvv::text, key_set, status::text, limit_txn_minor::text, limit_day_minor::text
             FROM card"
        ),
    ),
    (
        "token",
        concat!(
            "SELECT bucket || '/' || token_id, ",
            recorded!("token", "bucket || '/' || token_id"),
            ", bucket::text, token_id::text, card_id::text, account_id::text, encode(dpan_index, 'hex'), expiry::text,
             psn::text, key_set, status::text FROM token"
        ),
    ),
    (
        "merchant",
        concat!(
            "SELECT merchant_id, ",
            recorded!("merchant", "merchant_id"),
            ", merchant_id, name, mcc::text, city, country::text, iban FROM merchant"
        ),
    ),
    (
        "terminal",
        concat!(
            "SELECT terminal_id, ",
            recorded!("terminal", "terminal_id"),
            ", terminal_id, merchant_id FROM terminal"
        ),
    ),
    (
        "operator",
        concat!("SELECT name, ", recorded!("operator", "name"), ", name, unix_uid::text, active::text FROM operator"),
    ),
    (
        "exception",
        concat!(
            "SELECT item::text, ",
            recorded!("exception", "item::text"),
            ", item::text, source, reference, kind, (extract(epoch FROM opened_at) * 1000000)::int8::text, business_date::text,
             amount_minor::text, currency::text, acquirer, merchant, terminal, rrn, role, bucket::text, auth_id::text, state, act,
             reason, proposed_by, proposed_uid::text, (extract(epoch FROM proposed_at) * 1000000)::int8::text, approved_by,
             approved_uid::text, (extract(epoch FROM approved_at) * 1000000)::int8::text, posting_cycle::text,
             (extract(epoch FROM changed_at) * 1000000)::int8::text FROM exception_item"
        ),
    ),
];

/// Things that were recorded and are gone.
const GONE: &str = "
    SELECT DISTINCT r.subject, r.reference FROM recorded_change r WHERE NOT CASE r.subject
      WHEN 'account' THEN EXISTS (SELECT 1 FROM account_state a WHERE a.bucket || '/' || a.account_id = r.reference)
      WHEN 'card' THEN EXISTS (SELECT 1 FROM card c WHERE c.bucket || '/' || c.card_id = r.reference)
      WHEN 'token' THEN EXISTS (SELECT 1 FROM token t WHERE t.bucket || '/' || t.token_id = r.reference)
      WHEN 'hold' THEN EXISTS (SELECT 1 FROM hold h WHERE h.bucket || '/' || h.auth_id = r.reference)
      WHEN 'merchant' THEN EXISTS (SELECT 1 FROM merchant m WHERE m.merchant_id = r.reference)
      WHEN 'terminal' THEN EXISTS (SELECT 1 FROM terminal t WHERE t.terminal_id = r.reference)
      WHEN 'operator' THEN EXISTS (SELECT 1 FROM operator o WHERE o.name = r.reference)
      WHEN 'exception' THEN EXISTS (SELECT 1 FROM exception_item e WHERE e.item::text = r.reference)
      WHEN 'settlement-batch' THEN EXISTS (SELECT 1 FROM settlement_batch b WHERE b.batch_id = r.reference)
      WHEN 'clearing-file' THEN EXISTS (SELECT 1 FROM clearing_file f WHERE f.file_id = r.reference)
      ELSE false END";

/// Rows that have what their last recorded change says.
pub(super) async fn rows_are_as_recorded(client: &Client) -> Result<Finding, AuditError> {
    let (mut differences, mut checked) = (Differences::default(), 0);
    for (subject, statement) in ROWS {
        let mut rows = pin!(client.query_raw(statement, std::iter::empty::<i32>()).await?);
        while let Some(row) = rows.try_next().await? {
            checked += 1;
            let name: &str = row.get(0);
            let content = texts(Fields::of(subject), &row, 2).finish();
            differences.extend(unlike(subject, name, row.get(1), &content));
        }
    }
    for row in &client.query(GONE, &[]).await? {
        differences.push(format!("{} {}: recorded, and gone", row.get::<_, &str>(0), row.get::<_, &str>(1)));
    }
    Ok(Finding::new(
        "rows_are_as_recorded",
        "cards, tokens, credit lines, merchants, terminals, operators and exceptions are what the last recorded change made them",
        checked,
        differences,
    ))
}

/// What is wrong with a thing that has this content now.
fn unlike(subject: &str, name: &str, recorded: Option<&[u8]>, content: &[u8]) -> Option<String> {
    match recorded {
        None => Some(format!("{subject} {name}: it was never recorded")),
        Some(recorded) if recorded != content => Some(format!("{subject} {name}: it is not what was recorded last")),
        Some(_) => None,
    }
}

/// The tables of a settlement batch of form 1, `$1`, in the order in which they are hashed.
const BATCH_1: [&str; 6] = [
    "SELECT cycle::text, currency::text, value_date::text, scheme_fee_minor::text, on_us_interchange_minor::text
     FROM settlement_batch WHERE batch_id = $1",
    "SELECT bucket::text, auth_id::text, merchant, movement, of_refund::text, whole::text, gross_minor::text, fee_minor::text,
       rate_id, interchange_minor::text, interchange_rate_id, scheme_fee_minor::text, scheme_fee_rate_id
     FROM settlement_line WHERE batch_id = $1 ORDER BY bucket, auth_id",
    "SELECT merchant, name, iban, lines::text, gross_minor::text, fee_minor::text, brought_forward_minor::text,
       payout_minor::text, carried_forward_minor::text
     FROM settlement_merchant WHERE batch_id = $1 ORDER BY merchant COLLATE \"C\"",
    "SELECT side, institution, items::text, gross_minor::text, interchange_minor::text
     FROM settlement_position WHERE batch_id = $1 ORDER BY side COLLATE \"C\", institution COLLATE \"C\"",
    "SELECT file_id, record::text, institution, bucket::text, auth_id::text, amount_minor::text, refund::text, takes_back::text,
       reference
     FROM outgoing_presentment WHERE batch_id = $1 ORDER BY file_id COLLATE \"C\", record",
    "SELECT posting, leg::text, account_kind, account_ref, amount_minor::text, currency::text, cycle::text
     FROM settlement_posting WHERE starts_with(posting, $1 || '/') ORDER BY posting COLLATE \"C\", leg",
];

/// The tables of a batch of form 3: its lines say whether they are held or rejected.
const BATCH_3: [&str; 8] = [
    BATCH_2[0],
    "SELECT bucket::text, auth_id::text, merchant, movement, of_refund::text, whole::text, gross_minor::text, fee_minor::text,
       rate_id, interchange_minor::text, interchange_rate_id, scheme_fee_minor::text, scheme_fee_rate_id, pan_masked,
       held::text, rejected::text
     FROM settlement_line WHERE batch_id = $1 ORDER BY bucket, auth_id, held",
    BATCH_2[2],
    BATCH_2[3],
    BATCH_2[4],
    BATCH_2[5],
    BATCH_2[6],
    BATCH_2[7],
];

/// The tables of a batch of form 2.
const BATCH_2: [&str; 8] = [
    "SELECT form::text, cycle::text, currency::text, value_date::text, scheme_fee_minor::text, on_us_interchange_minor::text,
       acquirer_id, dialect, processing, payer_name, payer_iban, payer_bic
     FROM settlement_batch WHERE batch_id = $1",
    "SELECT bucket::text, auth_id::text, merchant, movement, of_refund::text, whole::text, gross_minor::text, fee_minor::text,
       rate_id, interchange_minor::text, interchange_rate_id, scheme_fee_minor::text, scheme_fee_rate_id, pan_masked
     FROM settlement_line WHERE batch_id = $1 ORDER BY bucket, auth_id",
    "SELECT merchant, name, iban, city, country::text, lines::text, gross_minor::text, fee_minor::text,
       brought_forward_minor::text, payout_minor::text, carried_forward_minor::text
     FROM settlement_merchant WHERE batch_id = $1 ORDER BY merchant COLLATE \"C\"",
    "SELECT side, institution, items::text, gross_minor::text, interchange_minor::text
     FROM settlement_position WHERE batch_id = $1 ORDER BY side COLLATE \"C\", institution COLLATE \"C\"",
    "SELECT file_id, institution, name, records::text
     FROM outgoing_file WHERE batch_id = $1 ORDER BY file_id COLLATE \"C\"",
    "SELECT file_id, record::text, institution, bucket::text, auth_id::text, amount_minor::text, refund::text, takes_back::text,
       taken_back_on::text, reference
     FROM outgoing_presentment WHERE batch_id = $1 ORDER BY file_id COLLATE \"C\", record",
    "SELECT outcome, items::text, minor::text FROM settlement_presentment WHERE batch_id = $1 ORDER BY outcome COLLATE \"C\"",
    "SELECT posting, leg::text, account_kind, account_ref, amount_minor::text, currency::text, cycle::text
     FROM settlement_posting WHERE starts_with(posting, $1 || '/') ORDER BY posting COLLATE \"C\", leg",
];

/// The tables of an acquirer's file, `$1`.
const FILE: [&str; 3] = [
    "SELECT incoming::text, institution, name, encode(sha256, 'hex'), records::text, checksum_minor::text, cycle::text
     FROM clearing_file WHERE file_id = $1",
    "SELECT record::text, outcome, acquirer, lifecycle, reference, rrn, terminal, merchant, approval_code, pan_masked,
       takes_back::text, presented_minor::text, currency::text || coalesce('/' || posted_currency::text, ''), auth_bucket::text, auth_id::text, standing_minor::text,
       posted_minor::text, interchange_minor::text, interchange_rate_id, scheme_fee_minor::text, scheme_fee_rate_id, cycle::text
     FROM presentment WHERE file_id = $1 ORDER BY record",
    "SELECT posting, leg::text, account_kind, account_ref, amount_minor::text, currency::text, cycle::text
     FROM settlement_posting WHERE starts_with(posting, 'presented/' || $1 || '/') ORDER BY posting COLLATE \"C\", leg",
];

/// Batches and files with what was recorded of them; those that were closed or read before there was a record are not
/// listed.
const SETTLED: &str = concat!(
    "SELECT 'settlement-batch', batch_id, ",
    recorded!("settlement-batch", "batch_id"),
    ", form FROM settlement_batch WHERE closed_at >= (SELECT date_trunc('second', applied_at) FROM schema_migration WHERE number = 7)
     UNION ALL SELECT 'clearing-file', file_id, ",
    recorded!("clearing-file", "file_id"),
    ", NULL FROM clearing_file WHERE incoming AND recorded_at >= (SELECT applied_at FROM schema_migration WHERE number = 7)"
);

/// Postings of clearing and settlement that belong to no batch and no file. Those of exceptions have a check of their own.
const UNOWNED: &str = "
    SELECT DISTINCT posting FROM settlement_posting p
    WHERE NOT EXISTS (SELECT 1 FROM settlement_batch b WHERE starts_with(p.posting, b.batch_id || '/'))
      AND NOT EXISTS (SELECT 1 FROM clearing_file f WHERE starts_with(p.posting, 'presented/' || f.file_id || '/'))
      AND NOT starts_with(p.posting, 'exception/')";

/// Batches and acquirers' files are, to the last line and posting, what was recorded when they were made or read.
pub(super) async fn settlement_is_as_recorded(client: &Client) -> Result<Finding, AuditError> {
    let mut differences = Differences::default();
    let settled = client.query(SETTLED, &[]).await?;
    for row in &settled {
        let (subject, name): (&str, &str) = (row.get(0), row.get(1));
        let tables: &[&str] = match row.get::<_, Option<i16>>(3) {
            None => &FILE,
            Some(1) => &BATCH_1,
            Some(2) => &BATCH_2,
            Some(_) => &BATCH_3,
        };
        let content = content(client, subject, name, tables).await?;
        differences.extend(unlike(subject, name, row.get(2), &content));
    }
    for row in &client.query(UNOWNED, &[]).await? {
        differences.push(format!("posting {}: no batch and no file has it", row.get::<_, &str>(0)));
    }
    Ok(Finding::new(
        "settlement_is_as_recorded",
        "settlement batches and acquirers' files are, to the last line and posting, what was recorded of them",
        settled.len(),
        differences,
    ))
}

async fn content(client: &Client, subject: &str, name: &str, tables: &[&str]) -> Result<[u8; 32], AuditError> {
    let mut content = Fields::of(subject);
    for table in tables {
        let mut rows = pin!(client.query_raw(*table, [name]).await?);
        let mut count = 0_i64;
        while let Some(row) = rows.try_next().await? {
            count += 1;
            content = texts(content, &row, 0);
        }
        // after the rows of each table, their number
        content = content.number(Some(count));
    }
    Ok(content.finish())
}

fn texts(fields: Fields, row: &Row, first: usize) -> Fields {
    (first..row.len()).fold(fields, |fields, column| fields.text(row.get(column)))
}
