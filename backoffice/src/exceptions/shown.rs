//! Items as they are shown: for people a line or a page, for programs JSON. Pure.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use ledger::chart::Account;
use ledger::posting::{Leg, NamedPosting};
use serde::Serialize;

use super::follow::AskedSwitch;
use super::item::{Decision, Item, Source, State};
use super::kind;

/// One side of a posting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownLeg {
    pub account: String,
    pub amount_minor: i64,
}

/// Something that can be done about an item, with what it would post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownAct {
    pub act: &'static str,
    /// How many people it takes.
    pub people: u8,
    pub entry: Option<Vec<ShownLeg>>,
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownItem {
    pub id: i64,
    pub source: Source,
    pub kind: String,
    pub meaning: &'static str,
    pub state: State,
    pub reference: String,
    pub opened_at: Timestamp,
    pub business_date: Option<Date>,
    pub amount_minor: Option<i64>,
    pub currency: Option<i16>,
    pub acquirer: Option<String>,
    pub merchant: Option<String>,
    pub terminal: Option<String>,
    pub rrn: Option<String>,
    pub role: Option<String>,
    pub auth_id: Option<i64>,
    /// What can be done, the proposed act first.
    pub acts: Vec<ShownAct>,
    pub decision: Option<Decision>,
}

/// The list, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownList {
    /// How many there are; the first of them are told.
    pub count: i64,
    /// Whether the switch's dead letters are among them.
    pub switch: String,
    pub items: Vec<ShownItem>,
}

/// The legs of a posting.
#[must_use]
pub fn legs(of: &NamedPosting) -> Vec<ShownLeg> {
    let name = |account: &Account| format!("{}/{}", account.kind.as_str(), account.reference);
    let leg = |leg: &Leg| ShownLeg { account: name(&leg.account), amount_minor: leg.amount_minor };
    of.posting.legs().iter().map(leg).collect()
}

impl ShownItem {
    #[must_use]
    pub fn of(item: Item) -> Self {
        let acts = item.acts().iter().map(|act| ShownAct {
            act: act.as_str(),
            people: if act.moves_money() { 2 } else { 1 },
            entry: kind::entry(*act, &item).as_ref().map(legs),
        });
        Self {
            id: item.number,
            source: item.of.source,
            meaning: item.kind().map_or("a kind that this version does not know", |kind| kind.meaning),
            state: item.state,
            acts: acts.collect(),
            kind: item.of.kind,
            reference: item.of.reference,
            opened_at: item.of.opened_at,
            business_date: item.of.business_date,
            amount_minor: item.of.amount_minor,
            currency: item.of.currency,
            acquirer: item.of.acquirer,
            merchant: item.of.merchant,
            terminal: item.of.terminal,
            rrn: item.of.rrn,
            role: item.of.role,
            auth_id: item.of.row.map(|(_, auth_id)| auth_id),
            decision: item.decision,
        }
    }

    fn amount(&self) -> String {
        self.amount_minor.map_or_else(
            || "-".to_owned(),
            |minor| {
                let size = minor.unsigned_abs();
                let currency = self.currency.unwrap_or_default();
                format!("{}{}.{:02} ({currency:03})", if minor < 0 { "-" } else { "" }, size / 100, size % 100)
            },
        )
    }
}

/// The item in one line.
impl fmt::Display for ShownItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.business_date.map_or_else(|| "-".to_owned(), |date| date.to_string());
        write!(
            f,
            "{} {} {} {} {date} {} terminal {} rrn {}",
            self.id,
            self.state.as_str(),
            self.source.as_str(),
            self.kind,
            self.amount(),
            self.terminal.as_deref().unwrap_or("-"),
            self.rrn.as_deref().unwrap_or("-"),
        )
    }
}

impl ShownList {
    #[must_use]
    pub fn of(items: Vec<Item>, count: i64, switch: &AskedSwitch) -> Self {
        let switch = match switch {
            AskedSwitch::No => "not asked: no switch_admin is configured".to_owned(),
            AskedSwitch::Told { told, of } if *told as u64 == *of => "asked".to_owned(),
            AskedSwitch::Told { told, of } => format!("asked: it told the oldest {told} of {of} dead letters"),
            AskedSwitch::Failed(error) => format!("its dead letters may be missing: {error}"),
        };
        Self { count, switch, items: items.into_iter().map(ShownItem::of).collect() }
    }
}
