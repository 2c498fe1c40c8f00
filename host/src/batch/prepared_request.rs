//! One request of a batch, with the facts that were found before the lock.

use jiff::Timestamp;
use ledger::bucket::bucket_of;
use ledger::journal::{Kind, RowKey};
use ledger::row_location::RowLocation;

use crate::authorize::Proof;
use crate::request::Request;

/// A request with its account, the HSM's outcomes and everything else that was found before the lock.
#[derive(Clone, Debug)]
pub struct PreparedRequest {
    pub request: Request,
    pub location: RowLocation,
    pub proof: Proof,
    /// Value of tag 91 (ARPC), sent if the request is approved.
    pub icc_approval: Option<Vec<u8>>,
    pub acceptor_known: bool,
    pub received_at: Timestamp,
}

impl PreparedRequest {
    /// Keys of the journal rows that may affect this request: its own, its reversal's, its partial reversal's, and the
    /// tombstone that a reversal without a PAN may have left in another bucket.
    #[must_use]
    pub fn row_keys(&self) -> [RowKey; 4] {
        let bucket = self.location.bucket();
        let rows = &self.request.rows;
        let of = |bucket, idem| RowKey { bucket, date: rows.date, idem };
        [
            of(bucket, rows.original),
            of(bucket, rows.reversal),
            of(bucket, rows.partial),
            of(bucket_of(&rows.original.0), rows.reversal),
        ]
    }

    /// Those of [`PreparedRequest::row_keys`] that are loaded: the partial reversal for reversals only, the tombstone for others
    /// only.
    pub fn keys_to_load(&self) -> impl Iterator<Item = RowKey> + use<> {
        let [original, reversal, partial, strayed] = self.row_keys();
        let is_reversal = self.request.kind == Kind::Reversal;
        [Some(original), Some(reversal), is_reversal.then_some(partial), (!is_reversal).then_some(strayed)]
            .into_iter()
            .flatten()
    }

    /// Whether the decision needs the open holds of the account.
    #[must_use]
    pub fn needs_holds(&self) -> bool {
        matches!(self.request.kind, Kind::Completion | Kind::Reversal)
    }
}
