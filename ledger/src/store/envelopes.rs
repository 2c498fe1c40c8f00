//! Re-encryption of stored envelopes under the newest generation of the vault key. Each table with a column of
//! envelopes describes it as an [`Envelopes`]; reading and replacing is the same for all.

use hsm::PanEnvelope;
use tokio_postgres::{Client, Statement};

use super::{StoreError, fixed, token};

/// A column of envelopes: its statements, and what binds each envelope (its associated data).
#[derive(Clone, Copy, Debug)]
pub struct Envelopes {
    /// `table.column`, for progress reports.
    pub column: &'static str,
    /// Counts rows not under generation `$1`. An envelope begins with the byte 1, or with the byte 2 and its
    /// generation.
    pub(super) count: &'static str,
    /// The next of these rows after `($2, $3)`: bucket, key, envelope, associated data.
    pub(super) read: &'static str,
    /// Replaces `$3` by `$4`. It takes no lock, because no decision depends on an envelope's generation; the old
    /// envelope only has to be the one that was read.
    pub(super) write: &'static str,
    /// The host caches these envelopes with their tokens: with each, the token's version is raised, in one transaction.
    pub(super) cached_with_token: bool,
    /// `read` returns a fifth column: the envelope of the DPAN whose digits bind the first one. The fourth binds the
    /// DPAN's.
    pub(super) bound_by_dpan: bool,
}

/// A row whose envelope is under an older generation.
#[derive(Clone, Debug)]
pub struct OlderEnvelope {
    pub bucket: i16,
    pub key: Vec<u8>,
    pub envelope: PanEnvelope,
    pub bound_by: BoundBy,
}

/// The associated data that bind an envelope to its row.
#[derive(Clone, Debug)]
pub enum BoundBy {
    Data(Vec<u8>),
    /// The digits of the DPAN in this envelope, which is itself bound by the data beside it.
    Dpan(PanEnvelope, Vec<u8>),
}

/// The next rows of a column.
#[derive(Clone, Debug)]
pub struct EnvelopePage {
    pub rows: Vec<OlderEnvelope>,
    /// Number of rows whose bytes are no envelope.
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
    ) -> Result<Option<EnvelopePage>, StoreError> {
        let rows = client.query(&self.read, &[&i32::from(generation), &after.0, &after.1]).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let mut page =
            EnvelopePage { rows: Vec::with_capacity(rows.len()), unreadable: 0, last: (last.get(0), last.get(1)) };
        for row in &rows {
            let dpan = if self.of.bound_by_dpan { PanEnvelope::from_bytes(row.get(4)).map(Some) } else { Ok(None) };
            let (Ok(envelope), Ok(dpan)) = (PanEnvelope::from_bytes(row.get(2)), dpan) else {
                page.unreadable += 1;
                continue;
            };
            let data: Vec<u8> = row.get(3);
            let bound_by = match dpan {
                Some(dpan) => BoundBy::Dpan(dpan, data),
                None => BoundBy::Data(data),
            };
            page.rows.push(OlderEnvelope { bucket: row.get(0), key: row.get(1), envelope, bound_by });
        }
        Ok(Some(page))
    }

    /// Replaces an envelope; `false` if it has changed since it was read.
    pub async fn replace(
        &self,
        client: &mut Client,
        row: &OlderEnvelope,
        resealed: &PanEnvelope,
    ) -> Result<bool, StoreError> {
        let (old, new) = (row.envelope.as_bytes(), resealed.as_bytes());
        if !self.of.cached_with_token {
            return Ok(client.execute(&self.write, &[&row.bucket, &row.key, &old, &new]).await? == 1);
        }
        let token_id = i64::from_be_bytes(fixed(&row.key, "token_vault.token_id")?);
        let transaction = client.transaction().await?;
        let replaced = transaction.execute(&self.write, &[&row.bucket, &row.key, &old, &new]).await? == 1;
        if replaced {
            token::raise_version(&transaction, row.bucket, token_id).await?;
        }
        transaction.commit().await?;
        Ok(replaced)
    }
}
