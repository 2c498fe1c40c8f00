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
use super::prepared_request::PreparedRequest;

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
    /// The outcomes, one per request, in order.
    pub outcomes: Vec<Outcome>,
}

/// Decides `requests` in order and applies their effects to `loaded`.
pub fn fold(requests: &[PreparedRequest], loaded: &mut BatchRows, rules: Rules, hold_days: u16, ids: &Ids) -> Batch {
    let mut batch = Batch::default();
    for prepared in requests {
        let outcome = one(prepared, loaded, rules, hold_days, ids, &mut batch.changes);
        batch.outcomes.push(outcome);
    }
    batch
}

fn one(
    prepared: &PreparedRequest,
    loaded: &mut BatchRows,
    rules: Rules,
    hold_days: u16,
    ids: &Ids,
    changes: &mut Changes,
) -> Outcome {
    if is_stale(prepared, loaded) {
        return Outcome::Stale;
    }
    let facts = facts(prepared, loaded, rules);
    let decision = authorize::decide(&prepared.request, &facts);
    if let (Decision::Repeat, Some(earlier)) = (decision, own_row(prepared, loaded)) {
        return Outcome::Repeated(Arc::clone(earlier));
    }
    let pin = authorize::pin_count(&decision, &facts);
    let row = Arc::new(super::journal_row::row(prepared, &facts, &decision, loaded, ids));
    if facts.earlier.is_some() {
        return Outcome::Refused(row);
    }
    let spent_on = facts.original.map(|original| original.business_date);
    Effects { prepared, row: &row, decision, pin, spent_on, hold_days }.apply(loaded, changes);
    Outcome::Decided(row)
}

fn is_stale(prepared: &PreparedRequest, loaded: &BatchRows) -> bool {
    let RowLocation::OurAccount { card_id, card_version, token, .. } = prepared.location else { return false };
    let card_stands = loaded.cards.get(&card_id).is_some_and(|card| card.version == card_version);
    let token_stands = token
        .is_none_or(|(token_id, version)| loaded.tokens.get(&token_id).is_some_and(|token| token.version == version));
    !(card_stands && token_stands)
}

/// The journal row under the request's own key.
fn own_row<'a>(prepared: &PreparedRequest, loaded: &'a BatchRows) -> Option<&'a Arc<Row>> {
    let (bucket, date, idem) =
        (prepared.location.bucket(), prepared.request.rows.date, prepared.request.own_journal_key());
    loaded.rows.get(&RowKey { bucket, date, idem })
}

fn facts<'a>(prepared: &'a PreparedRequest, loaded: &'a BatchRows, rules: Rules) -> Facts<'a> {
    let [own, reversal, partial, strayed] = prepared.row_keys().map(|key| loaded.rows.get(&key).map(|row| &**row));
    let is_reversal = prepared.request.kind == Kind::Reversal;
    let (account, card, token) = match prepared.location {
        RowLocation::OurAccount { bucket, account_id, card_id, token, .. } => (
            loaded.accounts.get(&(bucket, account_id)),
            loaded.cards.get(&card_id),
            token.and_then(|(token_id, _)| loaded.tokens.get(&token_id)),
        ),
        RowLocation::NoAccount { .. } => (None, None, None),
    };
    let other_reversal = if prepared.request.is_partial_reversal() { reversal } else { partial };
    Facts {
        rules,
        earlier: own_row(prepared, loaded).map(|row| &**row),
        reversed: reversal.is_some() || strayed.is_some(),
        acceptor_known: prepared.acceptor_known,
        card,
        token,
        account,
        proof: &prepared.proof,
        original: own.filter(|_| is_reversal),
        already_reversed_minor: other_reversal.map_or(0, |row| row.approved.0),
        hold: prepared.needs_holds().then(|| hold_meant(prepared, loaded)).flatten(),
    }
}

/// The hold of the pre-authorization: a completion names it by key, or by RRN and approval code; a reversal by its own
/// key.
fn hold_meant<'a>(prepared: &PreparedRequest, loaded: &'a BatchRows) -> Option<&'a Hold> {
    let request = &prepared.request;
    let RowLocation::OurAccount { account_id, .. } = prepared.location else { return None };
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
