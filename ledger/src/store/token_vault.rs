//! Table `token_vault`: the PANs behind a token, sealed by the HSM.

use hsm::PanEnvelope;
use tokio_postgres::GenericClient;

use super::StoreError;
use super::envelopes::Envelopes;

/// Column of the envelopes of funding PANs. Associated data: the DPAN's digits.
pub const FUNDING_ENVELOPES: Envelopes = Envelopes {
    column: "token_vault.envelope",
    count: "SELECT count(*) FROM token_vault
            WHERE CASE get_byte(envelope, 0) WHEN 1 THEN 1 ELSE get_byte(envelope, 1) END <> $1",
    read: "SELECT v.bucket, int8send(v.token_id), v.envelope, t.dpan_index, v.dpan_envelope
           FROM token_vault v JOIN token t USING (bucket, token_id)
           WHERE CASE get_byte(v.envelope, 0) WHEN 1 THEN 1 ELSE get_byte(v.envelope, 1) END <> $1
             AND (v.bucket, int8send(v.token_id)) > ($2, $3) ORDER BY v.bucket, int8send(v.token_id) LIMIT 64",
    write: "UPDATE token_vault SET envelope = $4 WHERE bucket = $1 AND int8send(token_id) = $2 AND envelope = $3",
    cached_with_token: true,
    bound_by_dpan: true,
};

/// Column of the envelopes of DPANs. Associated data: the PAN index of the DPAN.
pub const DPAN_ENVELOPES: Envelopes = Envelopes {
    column: "token_vault.dpan_envelope",
    count: "SELECT count(*) FROM token_vault
            WHERE CASE get_byte(dpan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(dpan_envelope, 1) END <> $1",
    read: "SELECT v.bucket, int8send(v.token_id), v.dpan_envelope, t.dpan_index
           FROM token_vault v JOIN token t USING (bucket, token_id)
           WHERE CASE get_byte(v.dpan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(v.dpan_envelope, 1) END <> $1
             AND (v.bucket, int8send(v.token_id)) > ($2, $3) ORDER BY v.bucket, int8send(v.token_id) LIMIT 64",
    write: "UPDATE token_vault SET dpan_envelope = $4
            WHERE bucket = $1 AND int8send(token_id) = $2 AND dpan_envelope = $3",
    cached_with_token: false,
    bound_by_dpan: false,
};

pub(super) async fn insert(
    client: &impl GenericClient,
    bucket: i16,
    token_id: i64,
    funding: &PanEnvelope,
    dpan: &PanEnvelope,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO token_vault (bucket, token_id, envelope, dpan_envelope) VALUES ($1, $2, $3, $4)";
    client.execute(insert, &[&bucket, &token_id, &funding.as_bytes(), &dpan.as_bytes()]).await?;
    Ok(())
}
