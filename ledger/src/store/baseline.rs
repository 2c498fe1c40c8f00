//! The start of the record of changes: what an installation had when version 2 of the journal came is recorded as found.
#![expect(clippy::disallowed_methods, reason = "shell: a recorded change says when it was made")]

use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::{StoreError, Writer, recorded_change};
use crate::chain::{Change, Subject};

/// The migration that brought the record.
pub(super) const SINCE: i32 = 7;

/// Changes in one batch.
const BATCH: usize = 1000;

/// The deciding columns of every row, after its reference; as the single rows' contents in the modules of the tables.
const FOUND: [(Subject, &str); 5] = [
    (
        Subject::Account,
        "SELECT bucket || '/' || account_id, bucket::text, account_id::text, currency::text, credit_minor::text
         FROM account_state ORDER BY bucket, account_id",
    ),
    (
        Subject::Card,
        "SELECT bucket || '/' || card_id, bucket::text, card_id::text, account_id::text, encode(pan_index, 'hex'), expiry::text,
           psn::text, service_code::text, pvki::text, pvv::text, key_set, status::text, limit_txn_minor::text,
           limit_day_minor::text
         FROM card ORDER BY bucket, card_id",
    ),
    (
        Subject::Token,
        "SELECT bucket || '/' || token_id, bucket::text, token_id::text, card_id::text, account_id::text,
           encode(dpan_index, 'hex'), expiry::text, psn::text, key_set, status::text
         FROM token ORDER BY bucket, token_id",
    ),
    (
        Subject::Merchant,
        "SELECT merchant_id, merchant_id, name, mcc::text, city, country::text, iban FROM merchant ORDER BY merchant_id",
    ),
    (Subject::Terminal, "SELECT terminal_id, terminal_id, merchant_id FROM terminal ORDER BY terminal_id"),
];

/// Records every row that is there.
pub(super) async fn record(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut writer = None;
    let at = Timestamp::now();
    for (subject, statement) in FOUND {
        let rows = transaction.query(statement, &[]).await?;
        for rows in rows.chunks(BATCH) {
            let found = |row| {
                let reference: String = tokio_postgres::Row::get(row, 0);
                recorded_change::change_from(subject, reference, "as found by the migration".to_owned(), row, 1, at)
            };
            let changes: Vec<Change> = rows.iter().map(found).collect();
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(Writer::register(transaction, "authhost migrate").await?),
            };
            writer.record(transaction, &changes).await?;
        }
    }
    Ok(())
}
