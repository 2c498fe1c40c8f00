//! Adds and removes operators: people who may decide exceptions.
#![expect(clippy::disallowed_methods, reason = "shell: a change says when it was made")]

use jiff::Timestamp;
use ledger::store::operator::{self, Operator};
use ledger::store::{StoreError, Writer};
use tokio_postgres::Client;

use crate::PROGRAM;

/// Why operators were not changed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("user {unix_uid} is {name}")]
    UserTaken { unix_uid: u32, name: String },
    #[error("no operator is called {0}")]
    Unknown(String),
    #[error("a name has 1 to 64 printable characters")]
    Name,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds an operator, or gives it another user. `false` if nothing changed.
pub async fn add(client: &mut Client, name: &str, unix_uid: u32) -> Result<bool, OperatorError> {
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(OperatorError::Name);
    }
    put(client, Operator { name: name.to_owned(), unix_uid, active: true }).await
}

/// Lets an operator decide nothing more. `false` if nothing changed.
pub async fn remove(client: &mut Client, name: &str) -> Result<bool, OperatorError> {
    let known = operator::named(client, name).await?.ok_or_else(|| OperatorError::Unknown(name.to_owned()))?;
    put(client, Operator { active: false, ..known }).await
}

async fn put(client: &mut Client, of: Operator) -> Result<bool, OperatorError> {
    let transaction = client.transaction().await.map_err(StoreError::from)?;
    if let Some(other) = operator::of_user(&transaction, of.unix_uid).await?.filter(|other| other.name != of.name) {
        return Err(OperatorError::UserTaken { unix_uid: of.unix_uid, name: other.name });
    }
    let Some(change) = operator::put(&transaction, &of, Timestamp::now()).await? else { return Ok(false) };
    Writer::register(&transaction, PROGRAM).await?.record(&transaction, &[change]).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(true)
}
