//! Table `pan_directory`: finds the card or token of a PAN index.

use hsm::PanIndex;
use tokio_postgres::GenericClient;

use super::StoreError;
use crate::bucket::bucket_of;

const INSERT: &str =
    "INSERT INTO pan_directory (bucket, pan_index, home_bucket, card_id, token_id) VALUES ($1, $2, $3, $4, $5)";

/// Inserts the index of a card's PAN or of a token's DPAN.
pub(super) async fn insert(
    client: &impl GenericClient,
    pan_index: &PanIndex,
    home_bucket: i16,
    card_id: i64,
    token_id: Option<i64>,
) -> Result<(), StoreError> {
    let index = &pan_index.0[..];
    client.execute(INSERT, &[&bucket_of(index), &index, &home_bucket, &card_id, &token_id]).await?;
    Ok(())
}
