//! `authhost reencrypt`: moves every stored PAN to the newest generation of the vault key, while the host serves.
//!
//! A row under an older generation says so in its envelope's head, so the job needs no memory of its own: killed anywhere, it
//! goes on with the rows that are left. An envelope is replaced only if it is still the one that was read. hsmd serves
//! these calls behind authorizations.

use std::time::Duration;

use codecs::value::Pan;
use hsm::{Client as Hsm, HsmError, PanEnvelope};
use serde::Serialize;
use tokio_postgres::Client;

/// Between steps of 64 rows: authorizations need Postgres as well.
const PAUSE: Duration = Duration::from_millis(2);

/// Why it stopped. What it had moved by then stays moved.
#[derive(Debug, thiserror::Error)]
pub enum ReencryptError {
    #[error("Postgres: {0}")]
    Store(#[from] tokio_postgres::Error),
    #[error("hsmd: {0}")]
    Hsm(#[from] HsmError),
}

/// What was done to one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    pub column: &'static str,
    /// Generation of the vault key that envelopes are under now.
    pub generation: u8,
    /// Rows under an older one when it began.
    pub found: i64,
    pub moved: u64,
    /// Envelopes that do not open with their row's data: tampered with, and left as they are.
    pub unreadable: u64,
}

/// A column of envelopes, and what they are bound by.
struct Column {
    name: &'static str,
    /// Rows not under generation `$1`. The head of an envelope is the byte 1, or the byte 2 and the generation.
    count: &'static str,
    /// The next of them after `($2, $3)`: bucket, key, envelope, and what it is bound by.
    read: &'static str,
    write: &'static str,
    /// What `read` gives last is the envelope, bound by the column after it, of the DPAN that binds.
    bound_by_dpan: bool,
}

const CARDS: Column = Column {
    name: "card.pan_envelope",
    count: "SELECT count(*) FROM card
            WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1",
    read: "SELECT bucket, int8send(card_id), pan_envelope, pan_index FROM card
           WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1
             AND (bucket, int8send(card_id)) > ($2, $3) ORDER BY bucket, int8send(card_id) LIMIT 64",
    write: "UPDATE card SET pan_envelope = $4 WHERE bucket = $1 AND int8send(card_id) = $2 AND pan_envelope = $3",
    bound_by_dpan: false,
};

const FOREIGN_CARDS: Column = Column {
    name: "foreign_card.pan_envelope",
    count: "SELECT count(*) FROM foreign_card
            WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1",
    read: "SELECT bucket, pan_index, pan_envelope, pan_index FROM foreign_card
           WHERE CASE get_byte(pan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(pan_envelope, 1) END <> $1
             AND (bucket, pan_index) > ($2, $3) ORDER BY bucket, pan_index LIMIT 64",
    write: "UPDATE foreign_card SET pan_envelope = $4 WHERE bucket = $1 AND pan_index = $2 AND pan_envelope = $3",
    bound_by_dpan: false,
};

const TOKENS: Column = Column {
    name: "token_vault.envelope",
    count: "SELECT count(*) FROM token_vault
            WHERE CASE get_byte(envelope, 0) WHEN 1 THEN 1 ELSE get_byte(envelope, 1) END <> $1",
    read: "SELECT v.bucket, int8send(v.token_id), v.envelope, t.dpan_index, v.dpan_envelope
           FROM token_vault v JOIN token t USING (bucket, token_id)
           WHERE CASE get_byte(v.envelope, 0) WHEN 1 THEN 1 ELSE get_byte(v.envelope, 1) END <> $1
             AND (v.bucket, int8send(v.token_id)) > ($2, $3) ORDER BY v.bucket, int8send(v.token_id) LIMIT 64",
    write: "UPDATE token_vault SET envelope = $4 WHERE bucket = $1 AND int8send(token_id) = $2 AND envelope = $3",
    bound_by_dpan: true,
};

const DPANS: Column = Column {
    name: "token_vault.dpan_envelope",
    count: "SELECT count(*) FROM token_vault
            WHERE CASE get_byte(dpan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(dpan_envelope, 1) END <> $1",
    read: "SELECT v.bucket, int8send(v.token_id), v.dpan_envelope, t.dpan_index
           FROM token_vault v JOIN token t USING (bucket, token_id)
           WHERE CASE get_byte(v.dpan_envelope, 0) WHEN 1 THEN 1 ELSE get_byte(v.dpan_envelope, 1) END <> $1
             AND (v.bucket, int8send(v.token_id)) > ($2, $3) ORDER BY v.bucket, int8send(v.token_id) LIMIT 64",
    write: "UPDATE token_vault SET dpan_envelope = $4 WHERE bucket = $1 AND int8send(token_id) = $2 AND dpan_envelope = $3",
    bound_by_dpan: false,
};

/// Moves all of them; `progress` is told column, rows done and rows found after each step.
pub async fn reencrypt(
    client: &Client,
    hsm: &Hsm,
    mut progress: impl FnMut(&'static str, u64, i64),
) -> Result<Vec<Moved>, ReencryptError> {
    let generation = generation_in_use(hsm).await?;
    let mut all = Vec::new();
    for column in [&CARDS, &FOREIGN_CARDS, &TOKENS, &DPANS] {
        all.push(move_column(client, hsm, column, generation, &mut progress).await?);
    }
    Ok(all)
}

/// A throw-away envelope tells which generation the daemons seal under now.
async fn generation_in_use(hsm: &Hsm) -> Result<u8, HsmError> {
    let nobody = Pan::from_digits(b"0000000000000000").map_err(|_| HsmError::BadInput("a PAN of zeros"))?;
    Ok(hsm.tokenize(&nobody, b"").await?.1.generation())
}

/// A row under an older generation.
struct Row {
    bucket: i16,
    key: Vec<u8>,
    envelope: PanEnvelope,
    bound_by: Vec<u8>,
}

async fn move_column(
    client: &Client,
    hsm: &Hsm,
    column: &Column,
    generation: u8,
    progress: &mut impl FnMut(&'static str, u64, i64),
) -> Result<Moved, ReencryptError> {
    let found = client.query_one(column.count, &[&i32::from(generation)]).await?.get(0);
    let mut moved = Moved { column: column.name, generation, found, moved: 0, unreadable: 0 };
    let (read, write) = (client.prepare(column.read).await?, client.prepare(column.write).await?);
    let mut after: (i16, Vec<u8>) = (-1, Vec::new());
    loop {
        let rows = client.query(&read, &[&i32::from(generation), &after.0, &after.1]).await?;
        let Some(last) = rows.last() else { return Ok(moved) };
        after = (last.get(0), last.get(1));
        let step = bound(hsm, column, &rows, &mut moved.unreadable).await?;
        let envelopes: Vec<_> = step.iter().map(|row| (row.envelope.clone(), row.bound_by.clone())).collect();
        for (row, resealed) in step.iter().zip(hsm.reseal(&envelopes).await?) {
            let Some(resealed) = resealed else {
                moved.unreadable += 1;
                continue;
            };
            let (old, new) = (row.envelope.as_bytes(), resealed.as_bytes());
            moved.moved += client.execute(&write, &[&row.bucket, &row.key, &old, &new]).await?;
        }
        progress(column.name, moved.moved + moved.unreadable, found);
        tokio::time::sleep(PAUSE).await;
    }
}

/// The rows with what their envelopes are bound by; those where that cannot be told are counted and left out.
async fn bound(
    hsm: &Hsm,
    column: &Column,
    rows: &[tokio_postgres::Row],
    unreadable: &mut u64,
) -> Result<Vec<Row>, HsmError> {
    let mut step = Vec::with_capacity(rows.len());
    let mut dpans = Vec::new();
    for row in rows {
        let dpan = if column.bound_by_dpan { PanEnvelope::from_bytes(row.get(4)).map(Some) } else { Ok(None) };
        match (PanEnvelope::from_bytes(row.get(2)), dpan) {
            (Ok(envelope), Ok(dpan)) => {
                let bound_by: Vec<u8> = row.get(3);
                dpans.extend(dpan.map(|dpan| (dpan, bound_by.clone())));
                step.push(Row { bucket: row.get(0), key: row.get(1), envelope, bound_by });
            }
            _ => *unreadable += 1,
        }
    }
    if column.bound_by_dpan {
        for (row, dpan) in step.iter_mut().zip(hsm.reveal(&dpans).await?) {
            // one that does not open leaves data that opens nothing, and is counted then
            row.bound_by = dpan.map(|dpan| dpan.expose().to_vec()).unwrap_or_default();
        }
    }
    Ok(step)
}
