//! Changes to one account outside the lanes' batches: an account, its cards and its tokens are changed under the lock
//! of the account's row.
#![expect(clippy::disallowed_methods, reason = "shell: a recorded change says when it was made")]

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use codecs::value::{Currency, InstitutionId, Minor};
use hsm::PanIndex;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_postgres::{Client, Transaction};

use super::card::NewCard;
use super::token::NewToken;
use super::{
    StoreError, Writer, account_state, business_day, card, card_state, pan_directory, reference, token, token_state,
    token_vault,
};
use crate::bucket::bucket_of_account;
use crate::card::CardStatus;
use crate::chain::{Change, Subject};
use crate::journal::{Opening, Row};
use crate::posting;
use crate::reference::{Reference, ReferenceKind};
use crate::token::TokenStatus;

/// An account whose row is locked until the transaction ends.
pub struct LockedAccount<'t> {
    transaction: &'t Transaction<'t>,
    bucket: i16,
    account_id: i64,
    /// What was changed, to be recorded before the commit.
    changed: Mutex<Vec<Changed>>,
}

/// One thing that was changed.
struct Changed {
    subject: Subject,
    id: i64,
    said: String,
}

/// Locks an account, runs `change`, records in the writer's chain what it changed, and commits. If `change` fails,
/// nothing is changed.
pub async fn with_account<T, E: From<StoreError>>(
    client: &mut Client,
    writer: &Writer,
    (bucket, account_id): (i16, i64),
    change: impl AsyncFnOnce(&LockedAccount<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = client.transaction().await.map_err(StoreError::from)?;
    account_state::lock(&transaction, &[(bucket, account_id)]).await?;
    let account = LockedAccount::new(&transaction, (bucket, account_id));
    let outcome = change(&account).await?;
    writer.record(&transaction, &account.changes(Timestamp::now()).await?).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(outcome)
}

/// An account to be opened.
#[derive(Clone, Copy, Debug)]
pub struct NewAccount<'a> {
    /// The default reference if absent.
    pub reference: Option<&'a Reference>,
    pub currency: Currency,
    pub opening: Minor,
    /// Index of the PAN of its first card; the journal row of the opening balance has it.
    pub pan_index: PanIndex,
    /// Our own institution number.
    pub acquirer: InstitutionId,
    pub now: Timestamp,
}

/// Opens an account, lets `furnish` add its card, and commits. The opening balance is a transaction like any other: a
/// journal row with its posting, in the writer's chain.
pub async fn open_account<T, E: From<StoreError>>(
    client: &mut Client,
    writer: &Writer,
    new: &NewAccount<'_>,
    furnish: impl AsyncFnOnce(&LockedAccount<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = client.transaction().await.map_err(StoreError::from)?;
    let account_id = account_state::next_number(&transaction).await?;
    let bucket = bucket_of_account(account_id);
    let at = (bucket, account_id);
    // the row is not visible to others before COMMIT, so it needs no lock
    account_state::insert(&transaction, at, new.currency, new.opening.0).await?;
    let account = LockedAccount::new(&transaction, at);
    account.note(Subject::Account, account_id, "opened".to_owned());
    account.name(ReferenceKind::Account, account_id, new.reference).await?;
    let outcome = furnish(&account).await?;
    let date = business_day::open_day(&transaction).await?;
    let date = date.unwrap_or_else(|| new.now.to_zoned(TimeZone::UTC).date());
    let row = Row::of_opening(&Opening {
        bucket,
        account_id,
        balance: new.opening,
        currency: new.currency,
        pan_index: new.pan_index,
        acquirer: new.acquirer,
        date,
        at: new.now,
    });
    let posting = posting::of_opening(account_id, new.opening.0);
    let changes = account.changes(new.now).await?;
    writer.append(&transaction, &[(Arc::new(row), Some(posting))], &changes).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(outcome)
}

impl fmt::Debug for LockedAccount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {} in bucket {}", self.account_id, self.bucket)
    }
}

impl<'t> LockedAccount<'t> {
    const fn new(transaction: &'t Transaction<'t>, (bucket, account_id): (i16, i64)) -> Self {
        Self { transaction, bucket, account_id, changed: Mutex::new(Vec::new()) }
    }

    fn note(&self, subject: Subject, id: i64, said: String) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).push(Changed { subject, id, said });
    }

    /// What was noted, with the rows as they are now.
    async fn changes(&self, at: Timestamp) -> Result<Vec<Change>, StoreError> {
        let noted = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        let mut changes = Vec::with_capacity(noted.len());
        for Changed { subject, id, said } in noted {
            let table = match subject {
                Subject::Card => card::RECORDED,
                Subject::Token => token::RECORDED,
                _ => account_state::RECORDED,
            };
            changes.push(table.change(self.transaction, &[&self.bucket, &id], said, at).await?);
        }
        Ok(changes)
    }

    #[must_use]
    pub const fn account_id(&self) -> i64 {
        self.account_id
    }

    /// Inserts a card with its counters; it can be found by its PAN's index.
    pub async fn add_card(&self, new: &NewCard<'_>) -> Result<(), StoreError> {
        card::insert(self.transaction, (self.bucket, self.account_id), new).await?;
        card_state::insert(self.transaction, self.bucket, new.card_id, self.account_id).await?;
        pan_directory::insert(self.transaction, new.pan_index, self.bucket, new.card_id, None).await?;
        self.note(Subject::Card, new.card_id, "issued".to_owned());
        self.name(ReferenceKind::Card, new.card_id, new.reference).await
    }

    /// Inserts a token with its counter and its sealed PANs; it can be found by its DPAN's index.
    pub async fn add_token(&self, new: &NewToken<'_>) -> Result<(), StoreError> {
        token::insert(self.transaction, (self.bucket, self.account_id), new).await?;
        token_state::insert(self.transaction, self.bucket, new.token_id).await?;
        token_vault::insert(self.transaction, self.bucket, new.token_id, new.funding, new.dpan).await?;
        pan_directory::insert(self.transaction, new.dpan_index, self.bucket, new.card_id, Some(new.token_id)).await?;
        self.note(Subject::Token, new.token_id, "provisioned".to_owned());
        self.name(ReferenceKind::Token, new.token_id, new.reference).await
    }

    async fn name(&self, of: ReferenceKind, id: i64, name: Option<&Reference>) -> Result<(), StoreError> {
        let by_number = Reference::by_number(of, id);
        let target = reference::ReferenceTarget { bucket: self.bucket, account_id: self.account_id, id };
        reference::insert(self.transaction, of, name.unwrap_or(&by_number), target).await
    }

    pub async fn set_card_status(&self, card_id: i64, status: CardStatus) -> Result<(), StoreError> {
        self.note(Subject::Card, card_id, format!("status {}", status.as_str()));
        card::set_status(self.transaction, self.bucket, card_id, status).await
    }

    pub async fn set_token_status(&self, token_id: i64, status: TokenStatus) -> Result<(), StoreError> {
        self.note(Subject::Token, token_id, format!("status {}", status.as_str()));
        token::set_status(self.transaction, self.bucket, token_id, status).await
    }
}
