//! What programs without lanes write to the journal: rows and recorded changes, chained as a lane's batches are.

use std::sync::Arc;

use tokio_postgres::{GenericClient, Transaction};

use super::auth::{AuthTable, LinkPlace};
use super::chain::{ChainTable, Link};
use super::instance::{JournalInstance, this_user};
use super::posting::PostingTable;
use super::{StoreError, epoch, recorded_change};
use crate::chain::Change;
use crate::journal::Row;
use crate::posting::Posting;

/// A registered writer. Its batches are written within the transactions of whoever uses it.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    by: JournalInstance,
}

impl Writer {
    /// Registers a run of `program`, on behalf of the user that runs it.
    pub async fn register(client: &impl GenericClient, program: &str) -> Result<Self, StoreError> {
        let by = JournalInstance::of_lane(epoch::next_of(client).await?, 0);
        by.register(client, program, &this_user()).await?;
        Ok(Self { by })
    }

    /// Records changes in the writer's chain. They stand or fall with the transaction.
    pub async fn record(&self, transaction: &Transaction<'_>, changes: &[Change]) -> Result<(), StoreError> {
        self.append(transaction, &[], changes).await
    }

    /// One batch: rows with their postings, then changes.
    pub(super) async fn append(
        &self,
        transaction: &Transaction<'_>,
        rows: &[(Arc<Row>, Option<Posting>)],
        changes: &[Change],
    ) -> Result<(), StoreError> {
        if rows.is_empty() && changes.is_empty() {
            return Ok(());
        }
        // two transactions of one program take turns, or both would write the same link
        transaction.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCK_WRITER, &self.by.number]).await?;
        let chain = ChainTable::prepare(transaction).await?;
        let before = chain.head(transaction, self.by).await?;
        let chained = rows.iter().map(|(row, posting)| (&**row, posting.as_ref()));
        let head = before.after(self.by.number, chained, changes);
        if !rows.is_empty() {
            let place = LinkPlace { lane_instance: self.by.number, batch_seq: head.batch_seq };
            let alone: Vec<_> = rows.iter().map(|(row, _)| Arc::clone(row)).collect();
            AuthTable::prepare(transaction).await?.insert(transaction, &alone, place).await?;
            let postings: Vec<(&Row, &Posting)> =
                rows.iter().filter_map(|(row, posting)| Some((&**row, posting.as_ref()?))).collect();
            PostingTable::prepare(transaction).await?.insert(transaction, &postings).await?;
        }
        recorded_change::insert(transaction, (self.by.number, head.batch_seq), rows.len(), changes).await?;
        let link = Link {
            by: self.by,
            rows: rows.len(),
            changes: changes.len(),
            previous: before.hash,
            head,
            committed_at: changes.first().map_or_else(|| rows[0].0.received_at, |change| change.at),
        };
        chain.insert(transaction, &link).await
    }
}

/// First half of the advisory lock of a writer; the second is its instance.
const LOCK_WRITER: i32 = 5_857_003;
