//! The auditor: recomputes the invariants of the books from raw rows, raw file bytes and the terminals' own log.
//!
//! The crate shares no decision, posting or pricing code with the programs it checks, and does not depend on them, so
//! that a mistake is not made twice. For each invariant it reports either that it holds, or every difference, down to
//! the transaction.
//!
//! | checks | module |
//! |---|---|
//! | rows, postings and dates, a day at a time | `days` |
//! | (a row with its posting) | `row` |
//! | balances, holds and counters | `accounts` |
//! | the sums of the day | `totals` |
//! | cards, tokens, merchants, batches, files against what was recorded of them | `changes` |
//! | the list of exceptions against its sources and decisions | `exceptions` |
//! | hash chains | `chain` |
//! | their anchors | `anchors` |
//! | the terminals' log against the journal | `terminal_log`, `journal` |
//! | clearing files against the journal | `clearing` |
//! | settlement files and postings against the journal | `settlement` |

mod accounts;
mod anchors;
mod chain;
mod changes;
mod clearing;
mod days;
mod exceptions;
mod fields;
mod journal;
mod row;
mod settlement;
mod terminal_log;
mod totals;
mod verb;

pub use anchors::Seal;
pub use days::DayVerdict;
pub use verb::{Evidence, Installation, audit};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use jiff::civil::Date;
use serde::Serialize;

/// The outcome of checking one invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(skip)]
    pub name: &'static str,
    /// The invariant in a sentence.
    pub says: &'static str,
    pub holds: bool,
    /// Number of items checked.
    pub checked: usize,
    /// The differences, in words; of very many, the first.
    pub differences: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Finding {
    fn new(name: &'static str, says: &'static str, checked: usize, differences: impl Into<Differences>) -> Self {
        let Differences { count, told } = differences.into();
        Self { name, says, holds: count == 0, checked, differences: told, count }
    }
}

/// Differences: all counted, so many told that a report can be read and held in memory.
#[derive(Debug, Default)]
struct Differences {
    count: usize,
    told: Vec<String>,
}

impl Differences {
    const TOLD: usize = 1_000;

    fn push(&mut self, difference: String) {
        self.count += 1;
        if self.told.len() < Self::TOLD {
            self.told.push(difference);
        }
    }

    fn extend(&mut self, differences: impl IntoIterator<Item = String>) {
        differences.into_iter().for_each(|difference| self.push(difference));
    }
}

impl From<Vec<String>> for Differences {
    fn from(differences: Vec<String>) -> Self {
        let mut counted = Self::default();
        counted.extend(differences);
        counted
    }
}

/// The findings of one audit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub invariants: BTreeMap<&'static str, Finding>,
    pub differences: usize,
    /// A verdict on each closed day.
    pub days: BTreeMap<Date, DayVerdict>,
    /// Rows after the last anchor of their chain: of a moment ago, or of a host that was killed. Only the journal's own
    /// hashes protect them.
    pub unanchored_rows: usize,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.differences += finding.count;
        self.invariants.insert(finding.name, finding);
    }
}

/// Why an audit could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("Postgres: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("HSM: {0}")]
    Hsm(#[from] hsm::HsmError),
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
}

impl AuditError {
    fn file(file: &Path, reason: impl Display) -> Self {
        Self::File { file: file.display().to_string(), reason: reason.to_string() }
    }
}

/// An amount in minor units as `12.34`.
fn decimal(minor: i64) -> String {
    let size = minor.unsigned_abs();
    format!("{}{}.{:02}", if minor < 0 { "-" } else { "" }, size / 100, size % 100)
}

/// Compares the amounts of two sides, by key, and describes each difference. A missing key counts as zero.
fn compare<K: Ord + Display>(
    (left_name, left): (&str, &BTreeMap<K, i64>),
    (right_name, right): (&str, &BTreeMap<K, i64>),
) -> Vec<String> {
    let keys: BTreeSet<&K> = left.keys().chain(right.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let of = |side: &BTreeMap<K, i64>| side.get(key).copied().unwrap_or(0);
            let (left, right) = (of(left), of(right));
            (left != right).then(|| format!("{key}: {left_name} {}, {right_name} {}", decimal(left), decimal(right)))
        })
        .collect()
}
