//! The auditor: recomputes what must hold from raw rows, files and the outside's own log.
//!
//! It shares no deciding, posting or pricing code with what it checks, and Cargo sees to that: it does not depend on them; what it checks it works out again from the tables and the
//! bytes, so that a mistake is not made twice. Each invariant is true, or every difference is named down to the transaction.
//!
//! | what is checked | module |
//! |---|---|
//! | (the journal as it is read, once) | `journal` |
//! | postings, balances, effects, dates, holds | `books` |
//! | hash chains and their anchors | `chain` |
//! | the terminals' log beside the journal | `outside` |
//! | clearing files beside the journal | `clearing` |
//! | settlement files and postings beside the journal | `settlement` |

mod books;
mod chain;
mod clearing;
mod journal;
mod outside;
mod settlement;
mod verb;

pub use chain::Seal;
pub use verb::{Evidence, House, audit};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use serde::Serialize;

/// One invariant, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(skip)]
    pub name: &'static str,
    /// What it says, in a sentence.
    pub says: &'static str,
    pub holds: bool,
    /// How many things were looked at.
    pub checked: usize,
    pub differences: Vec<String>,
}

impl Finding {
    fn new(name: &'static str, says: &'static str, checked: usize, differences: Vec<String>) -> Self {
        Self { name, says, holds: differences.is_empty(), checked, differences }
    }
}

/// Everything that was checked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub invariants: BTreeMap<&'static str, Finding>,
    pub differences: usize,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.differences += finding.differences.len();
        self.invariants.insert(finding.name, finding);
    }
}

/// Why an audit came to no verdict.
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

/// `12.34`, for people who read differences.
fn decimal(minor: i64) -> String {
    let size = minor.unsigned_abs();
    format!("{}{}.{:02}", if minor < 0 { "-" } else { "" }, size / 100, size % 100)
}

/// What two sides say of the same things, where they say otherwise. What one side does not have counts as zero there.
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
