//! Table `foreign_card`: cards of other issuers seen at our merchants.

use deadpool_postgres::Pool;
use hsm::{PanEnvelope, PanIndex};

use super::StoreError;
use super::envelopes::Envelopes;
use crate::bucket::bucket_of;

const INSERT: &str = "INSERT INTO foreign_card (bucket, pan_index, pan_envelope, pan_masked, expiry)
  VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

/// Column of the envelopes of foreign cards' PANs. Associated data: the PAN index.
pub const PAN_ENVELOPES: Envelopes = Envelopes {
    column: "foreign_card.pan_envelope",
    count: "SELECT count(*) FROM foreign_card
            WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1",
    read: "SELECT bucket, pan_index, pan_envelope, pan_index FROM foreign_card
           WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1
             AND (bucket, pan_index) > ($2, $3) ORDER BY bucket, pan_index LIMIT 64",
    write: "UPDATE foreign_card SET pan_envelope = $4 WHERE bucket = $1 AND pan_index = $2 AND pan_envelope = $3",
    cached_with_token: false,
    bound_by_dpan: false,
};

/// Stores the PAN of another issuer's card, as ciphertext, for the presentment.
pub async fn add(
    pool: &Pool,
    index: &PanIndex,
    envelope: &PanEnvelope,
    masked: &str,
    expiry: Option<&str>,
) -> Result<(), StoreError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(INSERT).await?;
    client.execute(&statement, &[&bucket_of(&index.0), &&index.0[..], &envelope.as_bytes(), &masked, &expiry]).await?;
    Ok(())
}
