//! Anchors: the heads of the hash chains, sealed under the HSM's audit key, in the database and in a file outside it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use deadpool_postgres::Pool;
use hsm::{Client, HsmError};
use jiff::Timestamp;
use ledger::chain::ChainHead;
use ledger::journal::hex;
use ledger::store::StoreError;
use ledger::store::anchor::{self, Anchor, Occasion};
use ledger::store::instance::JournalInstance;
use serde::Serialize;

/// A lane that has committed nothing for so long, and has not anchored what it committed, is taken for gone.
const SILENT_S: i32 = 30;
/// Hosts that anchor at the same moment contend for the next number; so often it is tried again.
const ATTEMPTS: usize = 20;

/// Why a head was not anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error("HSM: {0}")]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("other hosts took each number first")]
    Contended,
}

impl From<deadpool_postgres::PoolError> for AnchorError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Store(error.into())
    }
}

/// Anchors the chains of this host's lanes, and those whose own writers cannot.
#[derive(Debug)]
pub struct Anchors {
    pool: Pool,
    hsm: Client,
    file: Option<(PathBuf, File)>,
    /// The last batch that was anchored, by instance.
    last: HashMap<JournalInstance, i64>,
}

/// A line of the file of anchors.
#[derive(Serialize)]
struct Line<'a> {
    seq: i64,
    instance: i32,
    batch_seq: i64,
    hash: String,
    occasion: &'a str,
    previous: String,
    mac: String,
    at: String,
}

impl Anchors {
    /// `file` is created if it does not exist; anchors are appended.
    pub fn open(pool: Pool, hsm: Client, file: Option<&Path>) -> Result<Self, AnchorError> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map(|file| (path.to_owned(), file))
                .map_err(|source| AnchorError::File { path: path.to_owned(), source })
        };
        Ok(Self { pool, hsm, file: file.map(open).transpose()?, last: HashMap::new() })
    }

    /// Anchors what the lanes committed since they were anchored last; a lane that never was, as started.
    pub async fn keep_up(
        &mut self,
        heads: impl IntoIterator<Item = (JournalInstance, ChainHead)>,
    ) -> Result<(), AnchorError> {
        for (of, head) in heads {
            match self.last.get(&of) {
                None => {
                    self.anchor(of, ChainHead::START, Occasion::Started).await?;
                    if head.batch_seq > 0 {
                        self.anchor(of, head, Occasion::Running).await?;
                    }
                }
                Some(last) if head.batch_seq > *last => self.anchor(of, head, Occasion::Running).await?,
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Anchors the last heads of the lanes, which write nothing more.
    pub async fn end(
        &mut self,
        heads: impl IntoIterator<Item = (JournalInstance, ChainHead)>,
    ) -> Result<(), AnchorError> {
        for (of, head) in heads {
            self.anchor(of, head, Occasion::Ended).await?;
        }
        Ok(())
    }

    /// Anchors the chains of writers that cannot, or are gone: issuing, back office, lanes of a killed host.
    pub async fn adopt(&mut self) -> Result<(), AnchorError> {
        let left_alone = anchor::left_alone(&**self.pool.get().await?, SILENT_S).await?;
        for (of, head) in left_alone {
            self.anchor(of, head, Occasion::Adopted).await?;
        }
        Ok(())
    }

    async fn anchor(&mut self, of: JournalInstance, head: ChainHead, occasion: Occasion) -> Result<(), AnchorError> {
        for _ in 0..ATTEMPTS {
            let client = self.pool.get().await?;
            let (last, previous) = anchor::last(&**client).await?;
            let anchor = Anchor { seq: last + 1, of, head, occasion, previous };
            let seal = self.hsm.seal(&anchor.covered()).await?;
            let at = now();
            if anchor::insert(&**client, &anchor, seal.as_bytes(), at).await? {
                self.last.insert(of, head.batch_seq);
                return self.append(&anchor, seal.as_bytes(), at);
            }
        }
        Err(AnchorError::Contended)
    }

    /// On the disk before the next one: whoever can write to the database must not be able to take the last ones back.
    fn append(&mut self, anchor: &Anchor, mac: &[u8], at: Timestamp) -> Result<(), AnchorError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let line = Line {
            seq: anchor.seq,
            instance: anchor.of.number,
            batch_seq: anchor.head.batch_seq,
            hash: hex(&anchor.head.hash),
            occasion: anchor.occasion.as_str(),
            previous: hex(&anchor.previous),
            mac: hex(mac),
            at: at.to_string(),
        };
        let mut text = serde_json::to_string(&line).expect("numbers and texts serialize");
        text.push('\n');
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(|source| AnchorError::File { path: path.clone(), source })
    }
}

#[expect(clippy::disallowed_methods, reason = "shell: an anchor says when it was made")]
fn now() -> Timestamp {
    Timestamp::now()
}
