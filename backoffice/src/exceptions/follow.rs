//! Lists what has come since: exceptions in the journal, presentments that were not posted, dead letters of the switch. Each once,
//! however often and by however many it is asked for.
#![expect(clippy::disallowed_methods, reason = "shell: an item says when it was listed")]

use jiff::Timestamp;
use ledger::chain::Change;
use ledger::store::{StoreError, Writer};
use tokio_postgres::{Client, Transaction};

use super::item::FoundMatter;
use super::store;
use super::switch::{self, SwitchAdmin, SwitchError};
use crate::PROGRAM;

/// Changes in one batch of the journal.
const CHANGES_PER_BATCH: usize = 1000;

/// What became of asking the switch.
#[derive(Debug)]
pub enum AskedSwitch {
    /// No switch is configured.
    No,
    /// So many of its dead letters were told, of so many that it has.
    Told {
        told: usize,
        of: u64,
    },
    Failed(SwitchError),
}

/// Lists everything that was committed before, a stretch at a time.
pub async fn follow(client: &mut Client, switch: Option<&SwitchAdmin>) -> Result<AskedSwitch, StoreError> {
    while follow_journal(client).await? {}
    while follow_presentments(client).await? {}
    let Some(switch) = switch else { return Ok(AskedSwitch::No) };
    let list = match switch::owed(switch).await {
        Ok(list) => list,
        Err(error) => return Ok(AskedSwitch::Failed(error)),
    };
    let (told, of, at) = (list.dead_letters.len(), list.dead_letter_count, Timestamp::now());
    let found: Vec<FoundMatter> = list.dead_letters.into_iter().map(|letter| letter.matter(at)).collect();
    let transaction = client.transaction().await?;
    store::begin_follow(&transaction).await?;
    open(&transaction, &found).await?;
    transaction.commit().await?;
    Ok(AskedSwitch::Told { told, of })
}

/// Lists what the journal has, in somebody's transaction.
pub(crate) async fn follow_within(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    store::begin_follow(transaction).await?;
    while follow_stretch(transaction).await? {}
    store::end_follow(transaction).await
}

/// Whether there was a stretch.
async fn follow_journal(client: &mut Client) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    store::begin_follow(&transaction).await?;
    let was_one = follow_stretch(&transaction).await?;
    transaction.commit().await?;
    Ok(was_one)
}

async fn follow_stretch(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    let Some(stretch) = store::next_stretch(transaction).await? else { return Ok(false) };
    open(transaction, &stretch.found).await?;
    store::move_on(transaction, &stretch).await?;
    Ok(true)
}

/// Whether there were any.
async fn follow_presentments(client: &mut Client) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    store::begin_follow(&transaction).await?;
    let found = store::next_presentments(&transaction).await?;
    open(&transaction, &found).await?;
    transaction.commit().await?;
    Ok(!found.is_empty())
}

async fn open(transaction: &Transaction<'_>, found: &[FoundMatter]) -> Result<(), StoreError> {
    let mut changes: Vec<Change> = Vec::new();
    for matter in found {
        changes.extend(store::open(transaction, matter, Timestamp::now()).await?);
    }
    if changes.is_empty() {
        return Ok(());
    }
    let writer = Writer::register(transaction, PROGRAM).await?;
    for batch in changes.chunks(CHANGES_PER_BATCH) {
        writer.record(transaction, batch).await?;
    }
    Ok(())
}
