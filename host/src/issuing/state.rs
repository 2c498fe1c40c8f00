//! Changes of state. Like every writer they lock the account first, and raise the version that cached copies are checked by.

use crate::store::StoreError;

use super::{IssuingError, Office};

const LOCK: &str = "SELECT 1 FROM account_state WHERE bucket = $1 AND account_id = $2 FOR UPDATE";

/// Gives the card called `note` another status.
pub async fn set_card_status(office: &Office, note: &str, status: &str) -> Result<(), IssuingError> {
    let find = "SELECT bucket, account_id, card_id FROM card WHERE note = $1";
    let change =
        "UPDATE card SET status = $3::text::card_status, version = version + 1 WHERE bucket = $1 AND card_id = $2";
    if set(office, find, change, note, status).await? { Ok(()) } else { Err(IssuingError::NoCard(note.to_owned())) }
}

/// Gives the tokens called `note` another status.
pub async fn set_token_status(office: &Office, note: &str, status: &str) -> Result<(), IssuingError> {
    let find = "SELECT bucket, account_id, token_id FROM token WHERE note = $1";
    let change =
        "UPDATE token SET status = $3::text::token_status, version = version + 1 WHERE bucket = $1 AND token_id = $2";
    if set(office, find, change, note, status).await? { Ok(()) } else { Err(IssuingError::NoToken(note.to_owned())) }
}

async fn set(office: &Office, find: &str, change: &str, note: &str, status: &str) -> Result<bool, IssuingError> {
    let mut client = office.pool.get().await.map_err(StoreError::from)?;
    let found = client.query(find, &[&note]).await?;
    for row in &found {
        let (bucket, account_id, id): (i16, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let transaction = client.transaction().await?;
        transaction.query(LOCK, &[&bucket, &account_id]).await?;
        transaction.execute(change, &[&bucket, &id, &status]).await?;
        transaction.commit().await?;
    }
    Ok(!found.is_empty())
}
