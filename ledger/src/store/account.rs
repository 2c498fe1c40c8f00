//! Changes to one account outside the lanes' batches: an account, its cards and its tokens are changed under the lock
//! of the account's row.

use std::fmt;
use std::sync::Arc;

use codecs::value::{Currency, InstitutionId, Minor};
use hsm::PanIndex;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio_postgres::{Client, Transaction};

use super::auth::{AuthTable, LinkPlace};
use super::card::NewCard;
use super::ledger::LedgerTable;
use super::token::NewToken;
use super::{
    StoreError, account_state, business_day, card, card_state, pan_directory, reference, token, token_state,
    token_vault,
};
use crate::bucket::bucket_of_account;
use crate::card::CardStatus;
use crate::journal::{Opening, Row};
use crate::posting;
use crate::reference::{Reference, ReferenceKind};
use crate::token::TokenStatus;

/// An account whose row is locked until the transaction ends.
pub struct LockedAccount<'t> {
    transaction: &'t Transaction<'t>,
    bucket: i16,
    account_id: i64,
}

/// Locks an account, runs `change` and commits. If `change` fails, nothing is changed.
pub async fn with_account<T, E: From<StoreError>>(
    client: &mut Client,
    (bucket, account_id): (i16, i64),
    change: impl AsyncFnOnce(&LockedAccount<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = client.transaction().await.map_err(StoreError::from)?;
    account_state::lock(&transaction, &[(bucket, account_id)]).await?;
    let outcome = change(&LockedAccount { transaction: &transaction, bucket, account_id }).await?;
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

/// Opens an account, lets `furnish` add its card, and commits. The opening balance is a transaction like any other: two
/// legs and a journal row, which is in no chain because no lane wrote it.
pub async fn open_account<T, E: From<StoreError>>(
    client: &mut Client,
    new: &NewAccount<'_>,
    furnish: impl AsyncFnOnce(&LockedAccount<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = client.transaction().await.map_err(StoreError::from)?;
    let account_id = account_state::next_number(&transaction).await?;
    let bucket = bucket_of_account(account_id);
    let at = (bucket, account_id);
    // the row is not visible to others before COMMIT, so it needs no lock
    account_state::insert(&transaction, at, new.currency, new.opening.0).await?;
    let account = LockedAccount { transaction: &transaction, bucket, account_id };
    account.name(ReferenceKind::Account, account_id, new.reference).await?;
    let outcome = furnish(&account).await?;
    let date = business_day::open_day(&transaction).await?;
    post_opening(&transaction, at, new, date.unwrap_or_else(|| new.now.to_zoned(TimeZone::UTC).date())).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(outcome)
}

async fn post_opening(
    transaction: &Transaction<'_>,
    (bucket, account_id): (i16, i64),
    new: &NewAccount<'_>,
    date: Date,
) -> Result<(), StoreError> {
    let row = Arc::new(Row::of_opening(&Opening {
        bucket,
        account_id,
        balance: new.opening,
        currency: new.currency,
        pan_index: new.pan_index,
        acquirer: new.acquirer,
        date,
        at: new.now,
    }));
    let place = LinkPlace { lane_instance: 0, batch_seq: 0 };
    AuthTable::prepare(transaction).await?.insert(transaction, &[Arc::clone(&row)], place).await?;
    let posting = posting::of_opening(account_id, new.opening.0);
    LedgerTable::prepare(transaction).await?.insert(transaction, &[(&*row, &posting)]).await
}

impl fmt::Debug for LockedAccount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {} in bucket {}", self.account_id, self.bucket)
    }
}

impl LockedAccount<'_> {
    #[must_use]
    pub const fn account_id(&self) -> i64 {
        self.account_id
    }

    /// Inserts a card with its counters; it can be found by its PAN's index.
    pub async fn add_card(&self, new: &NewCard<'_>) -> Result<(), StoreError> {
        card::insert(self.transaction, (self.bucket, self.account_id), new).await?;
        card_state::insert(self.transaction, self.bucket, new.card_id, self.account_id).await?;
        pan_directory::insert(self.transaction, new.pan_index, self.bucket, new.card_id, None).await?;
        self.name(ReferenceKind::Card, new.card_id, new.reference).await
    }

    /// Inserts a token with its counter and its sealed PANs; it can be found by its DPAN's index.
    pub async fn add_token(&self, new: &NewToken<'_>) -> Result<(), StoreError> {
        token::insert(self.transaction, (self.bucket, self.account_id), new).await?;
        token_state::insert(self.transaction, self.bucket, new.token_id).await?;
        token_vault::insert(self.transaction, self.bucket, new.token_id, new.funding, new.dpan).await?;
        pan_directory::insert(self.transaction, new.dpan_index, self.bucket, new.card_id, Some(new.token_id)).await?;
        self.name(ReferenceKind::Token, new.token_id, new.reference).await
    }

    async fn name(&self, of: ReferenceKind, id: i64, name: Option<&Reference>) -> Result<(), StoreError> {
        let by_number = Reference::by_number(of, id);
        let target = reference::ReferenceTarget { bucket: self.bucket, account_id: self.account_id, id };
        reference::insert(self.transaction, of, name.unwrap_or(&by_number), target).await
    }

    pub async fn set_card_status(&self, card_id: i64, status: CardStatus) -> Result<(), StoreError> {
        card::set_status(self.transaction, self.bucket, card_id, status).await
    }

    pub async fn set_token_status(&self, token_id: i64, status: TokenStatus) -> Result<(), StoreError> {
        token::set_status(self.transaction, self.bucket, token_id, status).await
    }
}
