//! The receipt of a commit, from which an answer is built.

use std::sync::Arc;

use ledger::journal::Row;

use crate::batch::Outcome;

/// Proof that a decision was committed. Only a lane makes one, after COMMIT, and approvals are built from nothing else;
/// so an approval cannot leave before it is in the journal.
#[derive(Clone, Debug)]
pub struct Committed {
    row: Arc<Row>,
    repeated: bool,
}

impl Committed {
    /// `None` for a request that got no decision.
    pub(super) fn after_commit(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Decided(row) | Outcome::Refused(row) => Some(Self { row, repeated: false }),
            Outcome::Repeated(row) => Some(Self { row, repeated: true }),
            Outcome::Stale => None,
        }
    }

    /// The committed journal row.
    #[must_use]
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// Whether the row was answered before.
    #[must_use]
    pub const fn is_repeat(&self) -> bool {
        self.repeated
    }
}
