//! Table `reference`: finds the account, card or token of a reference.

use sha2::{Digest, Sha256};
use tokio_postgres::GenericClient;

use super::StoreError;
use crate::bucket::bucket_of;
use crate::reference::{Reference, ReferenceKind};

const INSERT: &str = "INSERT INTO reference (bucket, kind, reference, home_bucket, account_id, id)
  VALUES ($1, $2, $3, $4, $5, $6)";

const FIND: &str =
    "SELECT home_bucket, account_id, id FROM reference WHERE bucket = $1 AND kind = $2 AND reference = $3";

/// The account, card or token that a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceTarget {
    pub bucket: i16,
    pub account_id: i64,
    /// The number of the account, card or token.
    pub id: i64,
}

fn bucket(reference: &Reference) -> i16 {
    bucket_of(&Sha256::digest(reference.as_str().as_bytes()))
}

/// Inserts the reference of a new account, card or token; the table's key refuses one that is taken.
pub(super) async fn insert(
    client: &impl GenericClient,
    of: ReferenceKind,
    reference: &Reference,
    target: ReferenceTarget,
) -> Result<(), StoreError> {
    let ReferenceTarget { bucket: home, account_id, id } = target;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&bucket(reference), &of.as_str(), &reference.as_str(), &home, &account_id, &id];
    client.execute(INSERT, &values).await?;
    Ok(())
}

/// The account, card or token with this reference.
pub async fn find(
    client: &impl GenericClient,
    of: ReferenceKind,
    reference: &Reference,
) -> Result<Option<ReferenceTarget>, StoreError> {
    let row = client.query_opt(FIND, &[&bucket(reference), &of.as_str(), &reference.as_str()]).await?;
    Ok(row.map(|row| ReferenceTarget { bucket: row.get(0), account_id: row.get(1), id: row.get(2) }))
}
