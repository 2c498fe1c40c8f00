//! Columns of envelopes that move to the newest generation of the vault key. Each table that has one names it here; reading
//! and replacing is the same for all.

use hsm::PanEnvelope;
use tokio_postgres::{Client, Statement};

use super::StoreError;

/// A column of envelopes, and what they are bound by.
#[derive(Clone, Copy, Debug)]
pub struct Envelopes {
    /// `table.column`, for whoever watches.
    pub column: &'static str,
    /// Rows not under generation `$1`. The head of an envelope is the byte 1, or the byte 2 and the generation.
    pub(super) count: &'static str,
    /// The next of them after `($2, $3)`: bucket, key, envelope, and what it is bound by.
    pub(super) read: &'static str,
    /// Puts `$4` in the place of `$3`. An envelope is no fact that a lane decides on: it needs no lock, only that it is
    /// still the one that was read.
    pub(super) write: &'static str,
    /// What `read` gives last is an envelope, bound by the column before it, of the DPAN that binds.
    pub(super) bound_by_dpan: bool,
}

/// A row under an older generation.
#[derive(Clone, Debug)]
pub struct OlderEnvelope {
    pub bucket: i16,
    pub key: Vec<u8>,
    pub envelope: PanEnvelope,
    pub bound_by: BoundBy,
}

/// The associated data of an envelope.
#[derive(Clone, Debug)]
pub enum BoundBy {
    Data(Vec<u8>),
    /// The digits of the DPAN in this envelope, which is bound by the data beside it.
    Dpan(PanEnvelope, Vec<u8>),
}

/// The next rows of a column, as far as they could be read.
#[derive(Clone, Debug)]
pub struct Step {
    pub rows: Vec<OlderEnvelope>,
    /// Rows that hold no envelope.
    pub unreadable: u64,
    /// Bucket and key of the last row looked at.
    pub last: (i16, Vec<u8>),
}

/// The statements for one column, prepared on one connection.
#[derive(Debug)]
pub struct EnvelopeColumn {
    of: Envelopes,
    read: Statement,
    write: Statement,
}

impl EnvelopeColumn {
    pub async fn prepare(client: &Client, of: Envelopes) -> Result<Self, StoreError> {
        Ok(Self { of, read: client.prepare(of.read).await?, write: client.prepare(of.write).await? })
    }

    /// How many rows are not under `generation`.
    pub async fn count(&self, client: &Client, generation: u8) -> Result<i64, StoreError> {
        Ok(client.query_one(self.of.count, &[&i32::from(generation)]).await?.get(0))
    }

    /// The next rows after `after`; `None` when there are no more.
    pub async fn next(
        &self,
        client: &Client,
        generation: u8,
        after: &(i16, Vec<u8>),
    ) -> Result<Option<Step>, StoreError> {
        let rows = client.query(&self.read, &[&i32::from(generation), &after.0, &after.1]).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let mut step = Step { rows: Vec::with_capacity(rows.len()), unreadable: 0, last: (last.get(0), last.get(1)) };
        for row in &rows {
            let dpan = if self.of.bound_by_dpan { PanEnvelope::from_bytes(row.get(4)).map(Some) } else { Ok(None) };
            let (Ok(envelope), Ok(dpan)) = (PanEnvelope::from_bytes(row.get(2)), dpan) else {
                step.unreadable += 1;
                continue;
            };
            let data: Vec<u8> = row.get(3);
            let bound_by = match dpan {
                Some(dpan) => BoundBy::Dpan(dpan, data),
                None => BoundBy::Data(data),
            };
            step.rows.push(OlderEnvelope { bucket: row.get(0), key: row.get(1), envelope, bound_by });
        }
        Ok(Some(step))
    }

    /// Puts an envelope in the place of the one that was read; `false` if that is not there any more.
    pub async fn replace(
        &self,
        client: &Client,
        row: &OlderEnvelope,
        resealed: &PanEnvelope,
    ) -> Result<bool, StoreError> {
        let (old, new) = (row.envelope.as_bytes(), resealed.as_bytes());
        Ok(client.execute(&self.write, &[&row.bucket, &row.key, &old, &new]).await? == 1)
    }
}
