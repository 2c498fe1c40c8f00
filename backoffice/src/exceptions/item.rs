//! An item of the list of exceptions: what it is about, and what was decided. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use ledger::journal::Role;

use super::kind::{self, Act, Kind};

/// Who found the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A row of the journal with a word in `auth.exception`.
    Host,
    /// A dead letter of store and forward.
    Switch,
    /// A presentment that was not posted.
    Backoffice,
}

ledger::stored_words!(Source, "column `exception_item.source`" {
    Host => "host",
    Switch => "switch",
    Backoffice => "backoffice",
});

/// State of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Open,
    /// One person decided on an act that moves money; another has to approve it.
    Proposed,
    Resolved,
}

ledger::stored_words!(State, "column `exception_item.state`" {
    Open => "open",
    Proposed => "proposed",
    Resolved => "resolved",
});

/// Matter to be listed, as it was found. Texts are empty of card data: no PAN is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMatter {
    pub source: Source,
    /// What it is about, unique for its source.
    pub reference: String,
    pub kind: String,
    pub opened_at: Timestamp,
    pub business_date: Option<Date>,
    /// Amount at risk: a sale is positive, a refund negative.
    pub amount_minor: Option<i64>,
    pub currency: Option<i16>,
    pub acquirer: Option<String>,
    pub merchant: Option<String>,
    pub terminal: Option<String>,
    pub rrn: Option<String>,
    pub role: Option<String>,
    /// The journal row that it is about: bucket and number.
    pub row: Option<(i16, i64)>,
}

/// What one person said, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signature {
    pub name: String,
    pub unix_uid: u32,
    pub at: Timestamp,
}

/// A decision, with those who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    #[serde(serialize_with = "word")]
    pub act: Act,
    pub reason: String,
    pub proposed: Signature,
    pub approved: Option<Signature>,
    /// Cycle of its posting, if it has one.
    pub posting_cycle: Option<Date>,
}

fn word<S: serde::Serializer>(act: &Act, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(act.as_str())
}

/// An item of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub number: i64,
    pub of: FoundMatter,
    pub state: State,
    pub decision: Option<Decision>,
    /// A batch has settled its movement with the merchant.
    pub settled: bool,
    pub changed_at: Timestamp,
}

impl Item {
    /// Its row of the table of kinds; `None` for a word of a version that this one does not know.
    #[must_use]
    pub fn kind(&self) -> Option<&'static Kind> {
        Kind::of(self.of.source, &self.of.kind)
    }

    /// What can be done about it, the proposed act first.
    #[must_use]
    pub fn acts(&self) -> &'static [Act] {
        match self.kind() {
            // nothing is held of it: the merchant is none of ours, or an earlier version paid it at once
            Some(kind) if kind.is_held() && !self.is_held() => &[Act::Acknowledge],
            Some(kind) if kind.is_held() => kind::OF_HELD,
            Some(kind) => kind.acts,
            // whatever it is, it can be looked at and closed
            None => &[Act::Acknowledge],
        }
    }

    fn is_held(&self) -> bool {
        let is_ours = self.of.role.as_deref().is_some_and(|role| role != Role::Issued.as_str());
        is_ours && !(self.state == State::Open && self.settled)
    }
}
