//! The fold: decides the requests of a batch in order, each on the state that the ones before it left, and collects
//! what has to be written.

use std::sync::Arc;

use ledger::batch_rows::{BatchRows, Changes};
use ledger::hold::{Hold, HoldState};
use ledger::journal::{Kind, Row, RowKey};
use ledger::row_location::RowLocation;

use crate::authorize::{self, Decision, Facts, Rules};

use super::effects::Effects;
use super::ids::Ids;
use super::item::Item;

/// Outcome of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new row, which is also among the batch's changes.
    Decided(Arc<Row>),
    /// A repeat: the row that the journal has already.
    Repeated(Arc<Row>),
    /// Declined without a row of its own: its key has a row with other content, or one that was reversed.
    Refused(Arc<Row>),
    /// The card's row has changed since the HSM verified the card: the facts must be found again.
    Stale,
}

/// Outcome of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The rows to be written.
    pub changes: Changes,
    /// The outcomes, one per item, in order.
    pub outcomes: Vec<Outcome>,
}

/// Decides `items` in order and applies their effects to `loaded`.
pub fn fold(items: &[Item], loaded: &mut BatchRows, rules: Rules, hold_days: u16, ids: &Ids) -> Batch {
    let mut batch = Batch::default();
    for item in items {
        let outcome = one(item, loaded, rules, hold_days, ids, &mut batch.changes);
        batch.outcomes.push(outcome);
    }
    batch
}

fn one(item: &Item, loaded: &mut BatchRows, rules: Rules, hold_days: u16, ids: &Ids, changes: &mut Changes) -> Outcome {
    if is_stale(item, loaded) {
        return Outcome::Stale;
    }
    let facts = facts(item, loaded, rules);
    let decision = authorize::decide(&item.request, &facts);
    if let (Decision::Repeat, Some(earlier)) = (decision, own_row(item, loaded)) {
        return Outcome::Repeated(Arc::clone(earlier));
    }
    let pin = authorize::pin_count(&decision, &facts);
    let row = Arc::new(super::entry::row(item, &facts, &decision, loaded, ids));
    if facts.earlier.is_some() {
        return Outcome::Refused(row);
    }
    let spent_on = facts.original.map(|original| original.business_date);
    Effects { item, row: &row, decision, pin, spent_on, hold_days }.apply(loaded, changes);
    Outcome::Decided(row)
}

fn is_stale(item: &Item, loaded: &BatchRows) -> bool {
    let RowLocation::OurAccount { card_id, card_version, token, .. } = item.location else { return false };
    let card_stands = loaded.cards.get(&card_id).is_some_and(|card| card.version == card_version);
    let token_stands = token
        .is_none_or(|(token_id, version)| loaded.tokens.get(&token_id).is_some_and(|token| token.version == version));
    !(card_stands && token_stands)
}

/// The journal row under the request's own key.
fn own_row<'a>(item: &Item, loaded: &'a BatchRows) -> Option<&'a Arc<Row>> {
    let (bucket, date, idem) = (item.location.bucket(), item.request.rows.date, item.request.own_journal_key());
    loaded.rows.get(&RowKey { bucket, date, idem })
}

fn facts<'a>(item: &'a Item, loaded: &'a BatchRows, rules: Rules) -> Facts<'a> {
    let [own, reversal, partial, strayed] = item.row_keys().map(|key| loaded.rows.get(&key).map(|row| &**row));
    let is_reversal = item.request.kind == Kind::Reversal;
    let (account, card, token) = match item.location {
        RowLocation::OurAccount { bucket, account_id, card_id, token, .. } => (
            loaded.accounts.get(&(bucket, account_id)),
            loaded.cards.get(&card_id),
            token.and_then(|(token_id, _)| loaded.tokens.get(&token_id)),
        ),
        RowLocation::NoAccount { .. } => (None, None, None),
    };
    let other_reversal = if item.request.is_partial_reversal() { reversal } else { partial };
    Facts {
        rules,
        earlier: own_row(item, loaded).map(|row| &**row),
        reversed: reversal.is_some() || strayed.is_some(),
        acceptor_known: item.acceptor_known,
        card,
        token,
        account,
        proof: &item.proof,
        original: own.filter(|_| is_reversal),
        given_back_minor: other_reversal.map_or(0, |row| row.approved.0),
        hold: item.needs_holds().then(|| hold_meant(item, loaded)).flatten(),
    }
}

/// The hold of the pre-authorization: a completion names it by key, or by RRN and approval code; a reversal by its own
/// key.
fn hold_meant<'a>(item: &Item, loaded: &'a BatchRows) -> Option<&'a Hold> {
    let request = &item.request;
    let RowLocation::OurAccount { account_id, .. } = item.location else { return None };
    let mut open = loaded.holds.values().filter(|hold| hold.account_id == account_id && hold.state == HoldState::Open);
    if request.kind == Kind::Reversal {
        return open.find(|hold| hold.idem == request.rows.original);
    }
    let referred = request.referred.as_ref().map(|rows| rows.original);
    open.find(|hold| match referred {
        Some(idem) => hold.idem == idem,
        None => hold.rrn.is_some() && hold.rrn == request.rrn && request.approval_code == Some(hold.approval_code),
    })
}
