//! Changes of status. They lock the account first, and raise the version, so that cached copies are recognised as
//! stale.

use ledger::card::CardStatus;
use ledger::reference::{Reference, ReferenceKind};
use ledger::store::account::{LockedAccount, with_account};
use ledger::store::reference::ReferenceTarget;
use ledger::store::{StoreError, reference};
use ledger::token::TokenStatus;
use tokio_postgres::Client;

use super::{IssuingContext, IssuingError};

/// The card or token with this reference; an error if there is none.
pub(super) async fn find_or_refuse(
    client: &Client,
    of: ReferenceKind,
    name: &Reference,
) -> Result<ReferenceTarget, IssuingError> {
    let found = reference::find(client, of, name).await?;
    found.ok_or_else(|| IssuingError::Unknown(of.as_str(), name.clone()))
}

/// Changes a card's status.
pub async fn set_card_status(
    context: &IssuingContext,
    card: &Reference,
    status: CardStatus,
) -> Result<(), IssuingError> {
    let mut client = context.pool.get().await.map_err(StoreError::from)?;
    let of = find_or_refuse(&client, ReferenceKind::Card, card).await?;
    let change = async |account: &LockedAccount<'_>| account.set_card_status(of.id, status).await;
    Ok(with_account(&mut client, &context.writer, (of.bucket, of.account_id), change).await?)
}

/// Changes a token's status.
pub async fn set_token_status(
    context: &IssuingContext,
    token: &Reference,
    status: TokenStatus,
) -> Result<(), IssuingError> {
    let mut client = context.pool.get().await.map_err(StoreError::from)?;
    let of = find_or_refuse(&client, ReferenceKind::Token, token).await?;
    let change = async |account: &LockedAccount<'_>| account.set_token_status(of.id, status).await;
    Ok(with_account(&mut client, &context.writer, (of.bucket, of.account_id), change).await?)
}
