//! What the journal records of a settlement batch or an acquirer's file: a hash over every row of it, so that none can be
//! changed, added or taken away unseen. docs/journal.md lists the columns.

use std::pin::pin;

use futures::TryStreamExt;
use jiff::Timestamp;
use ledger::chain::{Change, FieldHash, Subject};
use ledger::store::StoreError;
use tokio_postgres::Transaction;

/// The tables of a batch, each with its columns as texts, in the order in which they are hashed. `$1` is its name. Batches of
/// earlier forms were recorded with fewer; the auditor knows which.
const BATCH: [&str; 8] = [
    "SELECT form::text, cycle::text, currency::text, value_date::text, scheme_fee_minor::text, on_us_interchange_minor::text,
       acquirer_id, dialect, processing, payer_name, payer_iban, payer_bic
     FROM settlement_batch WHERE batch_id = $1",
    "SELECT bucket::text, auth_id::text, merchant, movement, of_refund::text, whole::text, gross_minor::text, fee_minor::text,
       rate_id, interchange_minor::text, interchange_rate_id, scheme_fee_minor::text, scheme_fee_rate_id, pan_masked,
       held::text, rejected::text
     FROM settlement_line WHERE batch_id = $1 ORDER BY bucket, auth_id, held",
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

/// The tables of an acquirer's file. `$1` is its id.
const FILE: [&str; 3] = [
    "SELECT incoming::text, institution, name, encode(sha256, 'hex'), records::text, checksum_minor::text, cycle::text
     FROM clearing_file WHERE file_id = $1",
    "SELECT record::text, outcome, acquirer, lifecycle, reference, rrn, terminal, merchant, approval_code, pan_masked,
       takes_back::text, presented_minor::text, currency::text || coalesce('/' || posted_currency::text, ''), auth_bucket::text, auth_id::text, standing_minor::text,
       posted_minor::text, interchange_minor::text, interchange_rate_id, scheme_fee_minor::text, scheme_fee_rate_id, cycle::text
     FROM presentment WHERE file_id = $1 ORDER BY record",
    "SELECT posting, leg::text, account_kind, account_ref, amount_minor::text, currency::text, cycle::text
     FROM settlement_posting WHERE starts_with(posting, 'presented/' || $1 || '/')
     ORDER BY posting COLLATE \"C\", leg",
];

/// The batch as it stands in the transaction, to be recorded.
pub(crate) async fn settlement_batch(
    transaction: &Transaction<'_>,
    batch_id: &str,
    at: Timestamp,
) -> Result<Change, StoreError> {
    change(transaction, Subject::SettlementBatch, &BATCH, batch_id, "closed", at).await
}

/// The file as it stands in the transaction, to be recorded.
pub(crate) async fn clearing_file(
    transaction: &Transaction<'_>,
    file_id: &str,
    at: Timestamp,
) -> Result<Change, StoreError> {
    change(transaction, Subject::ClearingFile, &FILE, file_id, "read", at).await
}

async fn change(
    transaction: &Transaction<'_>,
    subject: Subject,
    tables: &[&str],
    name: &str,
    said: &str,
    at: Timestamp,
) -> Result<Change, StoreError> {
    let mut content = FieldHash::of(subject.as_str());
    for table in tables {
        let mut rows = pin!(transaction.query_raw(*table, [name]).await?);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            (0..row.len()).for_each(|column| _ = content.text(row.get::<_, Option<&str>>(column)));
            count += 1;
        }
        content.number(count);
    }
    Ok(Change { subject, reference: name.to_owned(), said: said.to_owned(), content: content.finish(), at })
}
