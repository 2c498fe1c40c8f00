//! One request of a batch, with what it depends on.

use jiff::Timestamp;
use ledger::bucket::bucket_of;
use ledger::journal::{Kind, RowKey};
use ledger::place::Place;

use crate::authorize::Proof;
use crate::request::Request;

/// One request with all that was found out about it before the lock.
#[derive(Clone, Debug)]
pub struct Item {
    pub request: Request,
    pub place: Place,
    pub proof: Proof,
    /// Value of tag 91 for the case that it is approved.
    pub icc_approval: Option<Vec<u8>>,
    pub acceptor_known: bool,
    pub received_at: Timestamp,
}

impl Item {
    /// The journal rows that this request's decision depends on: its own, those of its reversals – also where a reversal
    /// without a PAN would have left its tombstone.
    #[must_use]
    pub fn row_keys(&self) -> [RowKey; 4] {
        let bucket = self.place.bucket();
        let rows = &self.request.rows;
        let of = |bucket, idem| RowKey { bucket, date: rows.date, idem };
        [
            of(bucket, rows.original),
            of(bucket, rows.reversal),
            of(bucket, rows.partial),
            of(bucket_of(&rows.original.0), rows.reversal),
        ]
    }

    /// Those of [`Item::row_keys`] that have to be looked up: a partial reversal matters to reversals alone.
    pub fn keys_to_load(&self) -> impl Iterator<Item = RowKey> + use<> {
        let [original, reversal, partial, strayed] = self.row_keys();
        let is_reversal = self.request.kind == Kind::Reversal;
        [Some(original), Some(reversal), is_reversal.then_some(partial), (!is_reversal).then_some(strayed)]
            .into_iter()
            .flatten()
    }

    /// Whether open holds of the account matter.
    #[must_use]
    pub fn needs_holds(&self) -> bool {
        matches!(self.request.kind, Kind::Completion | Kind::Reversal)
    }
}
