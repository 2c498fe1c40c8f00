//! The receipt of a commit.

use std::sync::Arc;

use ledger::journal::Row;

use crate::batch::Outcome;

/// Proof that what is answered has been committed. Only this module's lane makes one, after COMMIT; an answer is made from
/// nothing else, so an approval cannot leave before it is in the journal.
#[derive(Clone, Debug)]
pub struct Committed {
    row: Arc<Row>,
    repeated: bool,
}

impl Committed {
    /// `None` for an outcome that decided nothing.
    pub(super) fn after_commit(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Decided(row) | Outcome::Refused(row) => Some(Self { row, repeated: false }),
            Outcome::Repeated(row) => Some(Self { row, repeated: true }),
            Outcome::Stale => None,
        }
    }

    /// What is in the journal, and so may be told.
    #[must_use]
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// The answer is one that was given before.
    #[must_use]
    pub const fn is_repeat(&self) -> bool {
        self.repeated
    }
}
