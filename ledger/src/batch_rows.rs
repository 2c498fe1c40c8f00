//! The working set of one batch: the rows loaded under lock and changed in memory, and the changes to be written.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::civil::Date;

use super::account::Account;
use super::acquired::AcquiredCards;
use super::card::Card;
use super::day::BusinessDays;
use super::hold::Hold;
use super::journal::{Row, RowKey};
use super::posting::Posting;
use super::stored_credential::StoredCredential;
use super::token::Token;

/// A business date and a terminal of ours on it.
pub type TerminalDay = (Date, String);

/// Everything loaded for one batch. The decisions of the batch change it in memory.
#[derive(Clone, Debug, Default)]
pub struct BatchRows {
    pub days: BusinessDays,
    pub accounts: HashMap<(i16, i64), Account>,
    pub cards: HashMap<i64, Card>,
    pub tokens: HashMap<i64, Token>,
    pub rows: HashMap<RowKey, Arc<Row>>,
    /// Rows that name another as their original, by the key of that one: reversals, tombstones, completions.
    pub followers: HashMap<RowKey, Vec<Arc<Row>>>,
    /// Holds of the accounts that a completion, increment or reversal of this batch concerns, by the hold's `auth_id`.
    pub holds: HashMap<i64, Hold>,
    /// Stored credentials of the cards that a request with one of this batch concerns.
    pub credentials: Vec<StoredCredential>,
    /// What terminals gave back without naming a sale, where a refund or reversal of this batch concerns it.
    pub terminal_refunds: HashMap<TerminalDay, i64>,
}

impl BatchRows {
    /// Adds a row to the followers of the one that it names as its original.
    pub fn add_follower(&mut self, row: Arc<Row>) {
        if let Some(original) = &row.original {
            let key = RowKey { bucket: row.bucket, date: original.date, idem: original.idem };
            let of_original = self.followers.entry(key).or_default();
            if of_original.iter().all(|known| known.auth_id != row.auth_id) {
                of_original.push(row);
            }
        }
    }
}

/// Everything that one batch writes: new rows, and the keys of what was changed in its [`BatchRows`].
#[derive(Debug, Default)]
pub struct Changes {
    pub rows: Vec<Arc<Row>>,
    /// Postings, each with the index of its row in `rows`.
    pub postings: Vec<(usize, Posting)>,
    /// Keys of the accounts, cards, tokens and holds among the loaded rows that were changed.
    pub accounts: BTreeSet<(i16, i64)>,
    pub cards: BTreeSet<i64>,
    pub tokens: BTreeSet<i64>,
    pub new_holds: BTreeSet<i64>,
    pub changed_holds: BTreeSet<i64>,
    /// Merchants that may use a card's stored number from now on.
    pub credentials: Vec<StoredCredential>,
    /// Keys of what terminals gave back, where it was changed.
    pub terminal_refunds: BTreeSet<TerminalDay>,
    /// What is kept of foreign cards.
    pub acquired: AcquiredCards,
}
