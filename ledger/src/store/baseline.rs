//! The start of the record of changes: what an installation had when version 2 of the journal came is recorded as found.
#![expect(clippy::disallowed_methods, reason = "shell: a recorded change says when it was made")]

use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::recorded_change::RecordedTable;
use super::{StoreError, Writer, account_state, card, merchant, terminal, token};
use crate::chain::Change;

/// The migration that brought the record.
pub(super) const SINCE: i32 = 7;

/// Changes in one batch.
const BATCH: i32 = 1000;

const TABLES: [RecordedTable; 5] =
    [account_state::RECORDED, card::RECORDED, token::RECORDED, merchant::RECORDED, terminal::RECORDED];

/// Records every row that is there.
pub(super) async fn record(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut writer = None;
    let at = Timestamp::now();
    for table in TABLES {
        let found = transaction.bind(&table.select_all(), &[]).await?;
        loop {
            let rows = transaction.query_portal(&found, BATCH).await?;
            if rows.is_empty() {
                break;
            }
            let change = |row| table.change_of(row, "as found by the migration".to_owned(), at);
            let changes: Vec<Change> = rows.iter().map(change).collect();
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(Writer::register(transaction, "authhost migrate").await?),
            };
            writer.record(transaction, &changes).await?;
        }
    }
    Ok(())
}
