//! Changes of state. Like every writer they lock the account first, and raise the version that cached copies are checked by.

use ledger::card::CardStatus;
use ledger::store::account::{LockedAccount, with_account};
use ledger::store::{StoreError, card, token};
use ledger::token::TokenStatus;

use super::{IssuingError, Office};

/// Gives the card called `note` another status.
pub async fn set_card_status(office: &Office, note: &str, status: CardStatus) -> Result<(), IssuingError> {
    let mut client = office.pool.get().await.map_err(StoreError::from)?;
    let cards = card::by_note(&**client, note).await?;
    if cards.is_empty() {
        return Err(IssuingError::NoCard(note.to_owned()));
    }
    for of in cards {
        let change = async |account: &LockedAccount<'_>| account.set_card_status(of.card_id, status).await;
        with_account(&mut client, (of.bucket, of.account_id), change).await?;
    }
    Ok(())
}

/// Gives the tokens called `note` another status.
pub async fn set_token_status(office: &Office, note: &str, status: TokenStatus) -> Result<(), IssuingError> {
    let mut client = office.pool.get().await.map_err(StoreError::from)?;
    let tokens = token::by_note(&**client, note).await?;
    if tokens.is_empty() {
        return Err(IssuingError::NoToken(note.to_owned()));
    }
    for of in tokens {
        let change = async |account: &LockedAccount<'_>| account.set_token_status(of.token_id, status).await;
        with_account(&mut client, (of.bucket, of.account_id), change).await?;
    }
    Ok(())
}
