//! The fold: each request in turn is decided over what the ones before it left, and its effects are noted for writing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{Span, Timestamp};

use crate::authorize::{self, Decision, Facts, Movement, PinCount, Proof, Rules};
use crate::journal::{Kind, Original, Row, approval_code, lifecycle_id};
use crate::ledger::{self, Leg, Parties};
use crate::request::Request;

use super::book::{Account, Book, Hold, HoldState, RowKey};

/// Numbers of journal rows: unique over all hosts by the epoch in their high bits.
#[derive(Debug)]
pub struct Ids(AtomicI64);

impl Ids {
    const COUNTER_BITS: u32 = 40;

    /// The numbers of one start of a host.
    #[must_use]
    pub const fn of_epoch(epoch: i64) -> Self {
        Self(AtomicI64::new(epoch << Self::COUNTER_BITS))
    }

    /// The next number.
    pub fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Where a request's rows live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// With an account of ours.
    Ours { bucket: i16, account_id: i64, card_id: i64, card_version: i32, token: Option<(i64, i32)> },
    /// A foreign card, a card we do not know, or a reversal that names none.
    Elsewhere { bucket: i16 },
}

impl Place {
    #[must_use]
    pub const fn bucket(&self) -> i16 {
        match self {
            Self::Ours { bucket, .. } | Self::Elsewhere { bucket } => *bucket,
        }
    }
}

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
            of(crate::store::bucket_of(&rows.original.0), rows.reversal),
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

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new row; it is in [`Batch::rows`] too.
    Decided(Arc<Row>),
    /// The row that the journal has already.
    Repeated(Arc<Row>),
    /// Declined without a row of its own, because its key has one that differs or was reversed.
    Refused(Arc<Row>),
    /// The cold row that the HSM's verdict rests on was changed meanwhile: look again.
    Stale,
}

/// Everything that one batch writes.
#[derive(Debug, Default)]
pub struct Batch {
    pub rows: Vec<Arc<Row>>,
    pub legs: Vec<(usize, Vec<Leg>)>,
    /// Accounts, cards, tokens and holds of the book that were changed.
    pub accounts: BTreeSet<(i16, i64)>,
    pub cards: BTreeSet<i64>,
    pub tokens: BTreeSet<i64>,
    pub new_holds: BTreeSet<i64>,
    pub changed_holds: BTreeSet<i64>,
    /// One per item, in order.
    pub outcomes: Vec<Outcome>,
}

/// Folds `items` in order over `book`.
pub fn fold(items: &[Item], book: &mut Book, rules: Rules, hold_days: u16, ids: &Ids) -> Batch {
    let mut batch = Batch::default();
    for item in items {
        let outcome = one(item, book, rules, hold_days, ids, &mut batch);
        batch.outcomes.push(outcome);
    }
    batch
}

fn one(item: &Item, book: &mut Book, rules: Rules, hold_days: u16, ids: &Ids, batch: &mut Batch) -> Outcome {
    if is_stale(item, book) {
        return Outcome::Stale;
    }
    let facts = facts(item, book, rules);
    let decision = authorize::decide(&item.request, &facts);
    if let (Decision::Repeat, Some(earlier)) = (decision, own_row(item, book)) {
        return Outcome::Repeated(Arc::clone(earlier));
    }
    let pin = authorize::pin_count(&decision, &facts);
    let row = Arc::new(row(item, &facts, &decision, book, ids));
    if facts.earlier.is_some() {
        return Outcome::Refused(row);
    }
    let spent_on = facts.original.map(|original| original.business_date);
    apply(item, &row, &decision, pin, spent_on, hold_days, book, batch);
    Outcome::Decided(row)
}

fn is_stale(item: &Item, book: &Book) -> bool {
    let Place::Ours { card_id, card_version, token, .. } = item.place else { return false };
    let card_stands = book.cards.get(&card_id).is_some_and(|card| card.version == card_version);
    let token_stands = token
        .is_none_or(|(token_id, version)| book.tokens.get(&token_id).is_some_and(|token| token.version == version));
    !(card_stands && token_stands)
}

/// The row that the journal has under the request's own key.
fn own_row<'a>(item: &Item, book: &'a Book) -> Option<&'a Arc<Row>> {
    let (bucket, date, idem) = (item.place.bucket(), item.request.rows.date, item.request.own_idem());
    book.rows.get(&RowKey { bucket, date, idem })
}

fn facts<'a>(item: &'a Item, book: &'a Book, rules: Rules) -> Facts<'a> {
    let [own, reversal, partial, strayed] = item.row_keys().map(|key| book.rows.get(&key).map(|row| &**row));
    let is_reversal = item.request.kind == Kind::Reversal;
    let (account, card, token) = match item.place {
        Place::Ours { bucket, account_id, card_id, token, .. } => (
            book.accounts.get(&(bucket, account_id)),
            book.cards.get(&card_id),
            token.and_then(|(token_id, _)| book.tokens.get(&token_id)),
        ),
        Place::Elsewhere { .. } => (None, None, None),
    };
    let other_reversal = if item.request.is_partial_reversal() { reversal } else { partial };
    Facts {
        rules,
        earlier: own_row(item, book).map(|row| &**row),
        reversed: reversal.is_some() || strayed.is_some(),
        acceptor_known: item.acceptor_known,
        card,
        token,
        account,
        proof: &item.proof,
        original: own.filter(|_| is_reversal),
        given_back_minor: other_reversal.map_or(0, |row| row.approved_minor),
        hold: item.needs_holds().then(|| hold_meant(item, book)).flatten(),
    }
}

/// A completion names its pre-authorization by key, or by reference number and approval code; a reversal by its own key.
fn hold_meant<'a>(item: &Item, book: &'a Book) -> Option<&'a Hold> {
    let request = &item.request;
    let Place::Ours { account_id, .. } = item.place else { return None };
    let mut open = book.holds.values().filter(|hold| hold.account_id == account_id && hold.state == HoldState::Open);
    if request.kind == Kind::Reversal {
        return open.find(|hold| hold.idem == request.rows.original);
    }
    let referred = request.referred.as_ref().map(|rows| rows.original);
    open.find(|hold| match referred {
        Some(idem) => hold.idem == idem,
        None => {
            hold.rrn.is_some()
                && hold.rrn.as_deref() == request.rrn.as_deref()
                && request.approval_code.as_deref() == Some(hold.approval_code.as_str())
        }
    })
}

fn row(item: &Item, facts: &Facts<'_>, decision: &Decision, book: &Book, ids: &Ids) -> Row {
    let request = &item.request;
    let auth_id = ids.next();
    let (movement, reason, exception) = match *decision {
        Decision::Approve(movement) => (movement, None, None),
        Decision::Acknowledge { movement, reason, exception } => (movement, reason, exception),
        Decision::Decline(reason) => (Movement::None, Some(reason), None),
        Decision::Repeat => (Movement::None, None, None),
    };
    let approved = matches!(decision, Decision::Approve(_));
    let moved = movement != Movement::None;
    let own_lifecycle = || lifecycle_id(auth_id);
    let original_row = facts.original;
    Row {
        bucket: item.place.bucket(),
        idem_date: request.rows.date,
        idem: request.own_idem(),
        auth_id,
        kind: request.kind,
        role: request.role,
        advice: request.advice,
        digest: request.digest,
        pan_index: request.pan_index,
        account_id: facts.account.map(|account| account.account_id),
        card_id: facts.card.map(|card| card.card_id),
        token_id: facts.token.map(|token| token.token_id),
        account_seq: facts.account.map(|account| account.seq + 1),
        response_code: authorize::response_code(request, decision),
        reason: reason.map(|reason| Cow::Owned(format!("{reason:?}"))),
        approval_code: match (original_row, request.approval_code.as_ref()) {
            (Some(original), _) => original.approval_code.clone(),
            (None, Some(told)) => Some(told.clone()),
            (None, None) => (approved || moved).then(|| approval_code(auth_id)),
        },
        requested_minor: request.amount_minor,
        approved_minor: movement.minor(),
        currency: request.currency,
        icc_answer: item.icc_approval.clone().filter(|_| approved),
        available_minor: match (request.kind, decision) {
            (Kind::BalanceInquiry, Decision::Approve(_)) => facts.account.map(Account::available_minor),
            _ => None,
        },
        link: request.link.clone(),
        acquirer: request.acquirer.clone(),
        issuer: request.issuer.clone().or_else(|| original_row.and_then(|original| original.issuer.clone())),
        merchant: request.merchant.clone(),
        terminal: request.terminal.clone(),
        mcc: request.mcc,
        entry_mode: request.entry_mode.clone(),
        stan: request.stan,
        rrn: request.rrn.clone().or_else(|| original_row.and_then(|original| original.rrn.clone())),
        lifecycle: match (original_row, facts.hold, request.lifecycle.as_ref()) {
            (Some(original), ..) => original.lifecycle.clone(),
            (None, Some(hold), _) => hold.lifecycle.clone(),
            (None, None, Some(told)) => told.clone(),
            (None, None, None) => own_lifecycle(),
        },
        local_at: request.local_at,
        received_at: item.received_at,
        business_date: request.business_date,
        cycle: book.days.cycle_of(request.business_date),
        original: original_of(item, facts),
        exception: exception.map(authorize::Exception::as_str),
        why: super::why::why(facts),
    }
}

fn original_of(item: &Item, facts: &Facts<'_>) -> Option<Original> {
    let request = &item.request;
    if request.kind == Kind::Reversal {
        let auth_id = facts.original.map(|original| original.auth_id);
        return Some(Original { date: request.rows.date, idem: request.rows.original, auth_id });
    }
    facts.hold.map(|hold| Original { date: hold.idem_date, idem: hold.idem, auth_id: Some(hold.auth_id) })
}

#[expect(clippy::too_many_arguments, reason = "one call site; a struct would only rename the arguments")]
fn apply(
    item: &Item,
    row: &Arc<Row>,
    decision: &Decision,
    pin: PinCount,
    spent_on: Option<jiff::civil::Date>,
    hold_days: u16,
    book: &mut Book,
    batch: &mut Batch,
) {
    let movement = match *decision {
        Decision::Approve(movement) | Decision::Acknowledge { movement, .. } => movement,
        Decision::Decline(_) | Decision::Repeat => Movement::None,
    };
    if let Place::Ours { bucket, account_id, card_id, token, .. } = item.place {
        if let Some(account) = book.accounts.get_mut(&(bucket, account_id)) {
            account.seq += 1;
            batch.accounts.insert((bucket, account_id));
            move_balance(account, movement);
        }
        count(item, decision, pin, card_id, token, book, batch);
        move_limit(item, movement, spent_on, card_id, book, batch);
        move_hold(item, row, movement, hold_days, book, batch);
    }
    let parties = Parties {
        role: row.role,
        account_id: row.account_id,
        merchant: row.merchant.as_deref().unwrap_or("unnamed"),
        acquirer: &row.acquirer,
        issuer: row.issuer.as_deref().unwrap_or("unnamed"),
    };
    let legs = ledger::legs(movement, &parties);
    if !legs.is_empty() {
        batch.legs.push((batch.rows.len(), legs));
    }
    book.rows.insert(RowKey { bucket: row.bucket, date: row.idem_date, idem: row.idem }, Arc::clone(row));
    batch.rows.push(Arc::clone(row));
}

fn move_balance(account: &mut Account, movement: Movement) {
    match movement {
        Movement::None => {}
        Movement::Hold { minor } => account.held_minor += minor,
        Movement::Release { minor, .. } => account.held_minor -= minor,
        // the hold itself is taken off where its row is closed
        Movement::Capture { minor } | Movement::Complete { minor, .. } | Movement::UndoRefund { minor } => {
            account.ledger_minor -= minor;
        }
        Movement::Refund { minor } | Movement::UndoCapture { minor } => account.ledger_minor += minor,
    }
}

fn count(
    item: &Item,
    decision: &Decision,
    pin: PinCount,
    card_id: i64,
    token: Option<(i64, i32)>,
    book: &mut Book,
    batch: &mut Batch,
) {
    if let Some(card) = book.cards.get_mut(&card_id) {
        match pin {
            PinCount::Unchanged => {}
            PinCount::OneMore => card.pin_tries += 1,
            PinCount::BackToZero => card.pin_tries = 0,
        }
        if pin != PinCount::Unchanged {
            batch.cards.insert(card_id);
        }
    }
    let Some(atc) = authorize::counter_seen(decision, &item.proof) else { return };
    match token {
        Some((token_id, _)) => {
            if let Some(token) = book.tokens.get_mut(&token_id) {
                token.counters.record(atc);
                batch.tokens.insert(token_id);
            }
        }
        None => {
            if let Some(card) = book.cards.get_mut(&card_id) {
                card.counters.record(atc);
                batch.cards.insert(card_id);
            }
        }
    }
}

fn move_limit(
    item: &Item,
    movement: Movement,
    spent_on: Option<jiff::civil::Date>,
    card_id: i64,
    book: &mut Book,
    batch: &mut Batch,
) {
    let Some(card) = book.cards.get_mut(&card_id) else { return };
    let today = item.request.business_date;
    match (movement, spent_on) {
        (Movement::Hold { minor } | Movement::Capture { minor }, _) => card.spend(today, minor),
        // a hold has used the limit of its day; only what goes beyond it is new
        (Movement::Complete { minor, hold }, _) => {
            let held = book.holds.get(&hold).map_or(0, |hold| hold.amount_minor);
            card.spend(today, (minor - held).max(0));
        }
        (Movement::UndoCapture { minor } | Movement::Release { minor, .. }, Some(date)) => card.unspend(date, minor),
        _ => return,
    }
    batch.cards.insert(card_id);
}

fn move_hold(item: &Item, row: &Row, movement: Movement, hold_days: u16, book: &mut Book, batch: &mut Batch) {
    let Place::Ours { bucket, account_id, card_id, .. } = item.place else { return };
    match movement {
        Movement::Hold { minor } => {
            let hold = Hold {
                bucket,
                auth_id: row.auth_id,
                account_id,
                card_id,
                idem_date: row.idem_date,
                idem: row.idem,
                amount_minor: minor,
                currency: row.currency,
                rrn: row.rrn.clone(),
                approval_code: row.approval_code.clone().unwrap_or_default(),
                lifecycle: row.lifecycle.clone(),
                state: HoldState::Open,
                expires_on: row.business_date.saturating_add(Span::new().days(hold_days)),
            };
            batch.new_holds.insert(hold.auth_id);
            book.holds.insert(hold.auth_id, hold);
        }
        Movement::Complete { hold, .. } => {
            let Some(hold) = book.holds.get_mut(&hold) else { return };
            hold.state = HoldState::Completed;
            batch.changed_holds.insert(hold.auth_id);
            if let Some(account) = book.accounts.get_mut(&(bucket, account_id)) {
                account.held_minor -= hold.amount_minor;
            }
        }
        Movement::Release { minor, hold } => {
            let Some(hold) = book.holds.get_mut(&hold) else { return };
            if minor >= hold.amount_minor {
                hold.state = HoldState::Released;
            } else {
                hold.amount_minor -= minor;
            }
            batch.changed_holds.insert(hold.auth_id);
        }
        Movement::None
        | Movement::Capture { .. }
        | Movement::Refund { .. }
        | Movement::UndoCapture { .. }
        | Movement::UndoRefund { .. } => {}
    }
}
