//! `backoffice reencrypt`: re-encrypts every stored PAN under the newest generation of the vault key, while the host
//! serves.
//!
//! An envelope's first bytes name its generation, so the job keeps no record of its progress: after a kill it continues
//! with the rows that are left. An envelope is replaced only if it has not changed since it was read. hsmd serves these
//! calls after those of authorizations.

use std::time::Duration;

use codecs::value::Pan;
use hsm::{Client as Hsm, HsmError, PanEnvelope};
use serde::Serialize;
use tokio_postgres::Client;

use ledger::store::envelopes::{BoundBy, EnvelopeColumn, Envelopes, OlderEnvelope};
use ledger::store::{StoreError, card, foreign_card, token_vault};

/// Pause between steps of 64 rows: authorizations need Postgres as well.
const PAUSE: Duration = Duration::from_millis(2);

/// Why the job stopped. The envelopes re-encrypted so far stay so.
#[derive(Debug, thiserror::Error)]
pub enum ReencryptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("hsmd: {0}")]
    Hsm(#[from] HsmError),
}

/// Result for one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReencryptedColumn {
    pub column: &'static str,
    /// Generation of the vault key that the envelopes are under now.
    pub generation: u8,
    /// Rows under an older generation at the start.
    pub found: i64,
    pub moved: u64,
    /// Envelopes that do not open with their row's data, because of tampering. They are left unchanged.
    pub unreadable: u64,
}

const COLUMNS: [Envelopes; 4] =
    [card::PAN_ENVELOPES, foreign_card::PAN_ENVELOPES, token_vault::FUNDING_ENVELOPES, token_vault::DPAN_ENVELOPES];

/// Re-encrypts all columns. `progress` is called after each step with column, rows done and rows found.
pub async fn reencrypt(
    client: &mut Client,
    hsm: &Hsm,
    mut progress: impl FnMut(&'static str, u64, i64),
) -> Result<Vec<ReencryptedColumn>, ReencryptError> {
    let generation = generation_in_use(hsm).await?;
    let mut all = Vec::new();
    for column in COLUMNS {
        all.push(reencrypt_column(client, hsm, column, generation, &mut progress).await?);
    }
    Ok(all)
}

/// Seals a throw-away value to find the generation that the daemons seal under now.
async fn generation_in_use(hsm: &Hsm) -> Result<u8, HsmError> {
    let nobody = Pan::from_digits(b"0000000000000000").map_err(|_| HsmError::BadInput("a PAN of zeros"))?;
    Ok(hsm.tokenize(&nobody, b"").await?.1.generation())
}

async fn reencrypt_column(
    client: &mut Client,
    hsm: &Hsm,
    envelopes: Envelopes,
    generation: u8,
    progress: &mut impl FnMut(&'static str, u64, i64),
) -> Result<ReencryptedColumn, ReencryptError> {
    let column = EnvelopeColumn::prepare(client, envelopes).await?;
    let found = column.count(client, generation).await?;
    let mut moved = ReencryptedColumn { column: envelopes.column, generation, found, moved: 0, unreadable: 0 };
    let mut after: (i16, Vec<u8>) = (-1, Vec::new());
    while let Some(page) = column.next(client, generation, &after).await? {
        moved.unreadable += page.unreadable;
        let bound = bound(hsm, &page.rows).await?;
        for (row, resealed) in page.rows.iter().zip(hsm.reseal(&bound).await?) {
            match resealed {
                Some(resealed) => moved.moved += u64::from(column.replace(client, row, &resealed).await?),
                None => moved.unreadable += 1,
            }
        }
        progress(moved.column, moved.moved + moved.unreadable, found);
        after = page.last;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(moved)
}

/// The envelopes with their associated data.
async fn bound(hsm: &Hsm, rows: &[OlderEnvelope]) -> Result<Vec<(PanEnvelope, Vec<u8>)>, HsmError> {
    let dpans: Vec<_> = rows
        .iter()
        .filter_map(|row| match &row.bound_by {
            BoundBy::Dpan(envelope, index) => Some((envelope.clone(), index.clone())),
            BoundBy::Data(_) => None,
        })
        .collect();
    let mut revealed = if dpans.is_empty() { Vec::new() } else { hsm.reveal(&dpans).await? }.into_iter();
    let bound = rows.iter().map(|row| {
        let data = match &row.bound_by {
            BoundBy::Data(data) => data.clone(),
            // if this envelope does not open, the data are empty, the other does not open either, and is counted as
            // unreadable
            BoundBy::Dpan(..) => revealed.next().flatten().map(|dpan| dpan.expose().to_vec()).unwrap_or_default(),
        };
        (row.envelope.clone(), data)
    });
    Ok(bound.collect())
}
