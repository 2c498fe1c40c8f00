//! The rows of the journal that a message concerns: its own, its original, and what followed from that.

use std::borrow::Cow;
use std::sync::Arc;

use codecs::originator::KeyClass;
use codecs::value::Minor;
use ledger::batch_rows::BatchRows;
use ledger::bucket::bucket_of;
use ledger::hold::{Hold, HoldState};
use ledger::journal::{Kind, Row, RowKey};
use ledger::key::{JournalKey, RequestKey};
use ledger::row_location::RowLocation;

use super::prepared_request::PreparedRequest;
use crate::request::Request;

/// The rows that concern one message.
#[derive(Debug)]
pub(super) struct RelatedRows<'a> {
    /// The message; its amounts at the rate of its original if that was in a foreign currency.
    pub request: Cow<'a, Request>,
    /// The key under which the message stands: for a reversal, that of the original that was found.
    pub key: RequestKey,
    /// The journal key of the message's own row.
    pub own: JournalKey,
    /// The row under it.
    pub earlier: Option<&'a Arc<Row>>,
    /// The row of a message with this content whose key another message has.
    pub other_content: Option<&'a Arc<Row>>,
    /// For a reversal: the row to be reversed. For a completion: the sale that it names. For a refund: the first capture that
    /// it names.
    pub original: Option<&'a Arc<Row>>,
    /// Reversals of the original, or of the request itself.
    pub reversals: Vec<&'a Row>,
    /// The keys under which a full reversal of the request itself may stand.
    full_reversals: Vec<JournalKey>,
    /// Completions that name the original.
    pub completions: Vec<&'a Row>,
    pub hold: MeantHold<'a>,
    /// For a refund: what is left to give back of the captures that it names.
    pub refundable_minor: Option<i64>,
}

/// The hold that a message means.
#[derive(Clone, Copy, Debug)]
pub(super) enum MeantHold<'a> {
    None,
    One(&'a Hold),
    /// Several answer to what the message says.
    Several,
}

impl<'a> RelatedRows<'a> {
    pub(super) fn of(prepared: &'a PreparedRequest, loaded: &'a BatchRows) -> Self {
        if prepared.request.kind == Kind::Reversal {
            Self::of_reversal(prepared, loaded)
        } else {
            Self::of_request(prepared, loaded)
        }
    }

    fn of_request(prepared: &'a PreparedRequest, loaded: &'a BatchRows) -> Self {
        let key = prepared.request.key;
        let own = key.original;
        let at = |key: &RequestKey| loaded.rows.get(&prepared.in_bucket(key, key.original));
        // an authorization of version 1 of the journal stands under the key of a sale
        let old = || prepared.request.other_class.as_ref().and_then(at).filter(|row| row.class == Some(key.class));
        let earlier = at(&key).filter(|row| row.class.is_none_or(|class| class == key.class)).or_else(old);
        let mut reversals = Vec::new();
        for key in prepared.candidate_keys() {
            for bucket in [prepared.location.bucket(), bucket_of(&key.original.0)] {
                let followers = loaded.followers.get(&RowKey { bucket, date: key.date, idem: key.original });
                let of_this = followers
                    .into_iter()
                    .flatten()
                    .map(|row| &**row)
                    .filter(|row| row.kind == Kind::Reversal && reverses(row, earlier, prepared.request.key.class));
                reversals.extend(of_this);
            }
        }
        let refunded = captures_named(prepared, loaded);
        let original = refunded.first().copied().or_else(|| sale_named(prepared, loaded));
        let of_original = original.map(|sale| followers_of(sale, loaded)).unwrap_or_default();
        if prepared.request.kind == Kind::Completion {
            reversals.extend(of_original.iter().filter(|row| row.kind == Kind::Reversal));
        }
        let other_content = loaded.rows.get(&prepared.with_other_content(own));
        // an advice beside a request has its row there
        let earlier = other_content.filter(|_| prepared.request.advice).or(earlier);
        Self {
            request: at_the_rate_of(original, &prepared.request),
            key,
            own,
            earlier,
            other_content,
            original,
            reversals,
            full_reversals: prepared.candidate_keys().map(|key| key.reversal).collect(),
            completions: of_original.into_iter().filter(|row| row.kind == Kind::Completion).collect(),
            hold: hold_meant(prepared, loaded),
            refundable_minor: (!refunded.is_empty()).then(|| refundable(refunded, loaded)),
        }
    }

    fn of_reversal(prepared: &'a PreparedRequest, loaded: &'a BatchRows) -> Self {
        let request = &prepared.request;
        let found = prepared.candidate_keys().find_map(|key| {
            let row = loaded.rows.get(&prepared.in_bucket(key, key.original))?;
            let beside = || loaded.rows.get(&prepared.beside(key)).filter(|row| row.advice && row.approved.0 > 0);
            let row = if row.approved.0 == 0 { beside().unwrap_or(row) } else { row };
            // the other class of one that is named is only where version 1 of the journal put an authorization
            request.class.is_none_or(|named| row.class.is_none_or(|class| class == named)).then_some((*key, row))
        });
        let key = found.map_or(request.key, |(key, _)| key);
        let original = found.map(|(_, row)| row);
        let own = request.partial_standing().map_or(key.reversal, |standing| key.partial(standing));
        let in_bucket = |idem| loaded.rows.get(&prepared.in_bucket(&key, idem));
        let reversals = match original {
            Some(original) => followers_of(original, loaded),
            None => Vec::new(),
        };
        let of_original = |row: &&Row| row.kind == Kind::Reversal;
        let hold = original.and_then(|original| {
            let number = original.hold.map_or(original.auth_id, |hold| hold.auth_id);
            loaded.holds.get(&number)
        });
        Self {
            request: at_the_rate_of(original, request),
            key,
            own,
            earlier: in_bucket(own),
            other_content: in_bucket(own.with_other_content(&request.digest)),
            original,
            reversals: reversals.into_iter().filter(of_original).collect(),
            full_reversals: Vec::new(),
            completions: Vec::new(),
            hold: hold.map_or(MeantHold::None, MeantHold::One),
            refundable_minor: None,
        }
    }

    /// Whether a full reversal of the message itself is in the journal.
    pub(super) fn reversed(&self) -> bool {
        self.reversals.iter().any(|row| self.full_reversals.contains(&row.idem))
    }

    /// What the lowest partial reversal of the message, which came before it, leaves standing.
    pub(super) fn standing(&self) -> Option<i64> {
        let tombstones = self.reversals.iter().filter(|row| row.original.is_some_and(|of| of.auth_id.is_none()));
        let standing = |row: &&Row| row.standing.map(|minor| self.in_account_currency(row, minor).0);
        tombstones.filter_map(standing).min()
    }

    /// An amount of a reversal that came before the message, which knew of no rate.
    fn in_account_currency(&self, tombstone: &Row, minor: Minor) -> Minor {
        match self.request.foreign {
            Some(foreign) if tombstone.currency == foreign.sent.currency => {
                minor.scaled(self.request.amount, foreign.sent.minor)
            }
            _ => minor,
        }
    }
}

fn at_the_rate_of<'a>(original: Option<&Arc<Row>>, request: &'a Request) -> Cow<'a, Request> {
    original.and_then(|original| request.at_the_rate_of(original)).map_or(Cow::Borrowed(request), Cow::Owned)
}

/// Whether a reversal among the followers of a key is one of the message of this class with that key: either it names
/// the row by its number, or it came before any and meant this class, or any.
fn reverses(reversal: &Row, earlier: Option<&Arc<Row>>, class: KeyClass) -> bool {
    match reversal.original.and_then(|of| of.auth_id) {
        Some(number) => earlier.is_some_and(|row| row.auth_id == number),
        None => reversal.class.is_none_or(|named| named == class),
    }
}

/// Rows that name `original`.
fn followers_of<'a>(original: &Row, loaded: &'a BatchRows) -> Vec<&'a Row> {
    let followers = loaded.followers.get(&original.key()).into_iter().flatten().map(|row| &**row);
    followers.filter(|row| row.original.and_then(|of| of.auth_id) == Some(original.auth_id)).collect()
}

/// The captures that a refund names.
fn captures_named<'a>(prepared: &PreparedRequest, loaded: &'a BatchRows) -> Vec<&'a Arc<Row>> {
    let named = prepared.refund_of.iter().filter(|_| prepared.request.is_refund());
    named.filter_map(|key| loaded.rows.get(key)).filter(|row| is_capture(row)).collect()
}

fn is_capture(row: &Row) -> bool {
    matches!(row.kind, Kind::Purchase | Kind::Completion) && row.approved.0 > 0
}

/// What was captured, completions that name a capture included, less what was reversed and refunded of it. A refund that was
/// reversed was none.
fn refundable(captures: Vec<&Arc<Row>>, loaded: &BatchRows) -> i64 {
    let mut all: Vec<&Row> = captures.into_iter().map(|row| &**row).collect();
    for at in 0..all.len() {
        let adjusted = followers_of(all[at], loaded).into_iter().filter(|row| is_capture(row));
        let new: Vec<&Row> = adjusted.filter(|row| all.iter().all(|known| known.auth_id != row.auth_id)).collect();
        all.extend(new);
    }
    let reversed = |row: &Row| of_kind(row, Kind::Reversal, loaded).map(|row| row.approved.0).sum::<i64>();
    let refunded =
        |row: &Row| of_kind(row, Kind::Refund, loaded).map(|row| row.approved.0 - reversed(row)).sum::<i64>();
    all.iter().map(|row| row.approved.0 - reversed(row) - refunded(row)).sum()
}

fn of_kind<'a>(original: &Row, kind: Kind, loaded: &'a BatchRows) -> impl Iterator<Item = &'a Row> {
    followers_of(original, loaded).into_iter().filter(move |row| row.kind == kind)
}

/// The captured sale that a completion names by key.
fn sale_named<'a>(prepared: &PreparedRequest, loaded: &'a BatchRows) -> Option<&'a Arc<Row>> {
    let request = &prepared.request;
    let referred = request.referred.filter(|_| request.kind == Kind::Completion)?;
    if referred.class == Some(KeyClass::Authorization) {
        return None;
    }
    let key = referred.financial;
    loaded.rows.get(&prepared.in_bucket(&key, key.original)).filter(|row| row.kind == Kind::Purchase)
}

/// The hold that a completion or increment means: by life-cycle id, by key, by RRN and approval code, by approval code,
/// card and merchant. The first of these that any hold answers to decides.
fn hold_meant<'a>(prepared: &PreparedRequest, loaded: &'a BatchRows) -> MeantHold<'a> {
    let request = &prepared.request;
    let RowLocation::OurAccount { account_id, .. } = prepared.location else { return MeantHold::None };
    if !prepared.needs_holds() {
        return MeantHold::None;
    }
    let by_key = |hold: &Hold| {
        request.referred.is_some_and(|keys| [keys.authorization.original, keys.financial.original].contains(&hold.idem))
    };
    let has_code = |hold: &Hold| request.approval_code == Some(hold.approval_code);
    let by_life_cycle = |hold: &Hold| request.life_cycle.as_ref() == Some(&hold.life_cycle);
    let by_rrn = |hold: &Hold| hold.rrn.is_some() && hold.rrn == request.rrn && has_code(hold);
    let by_code = |hold: &Hold| has_code(hold) && hold.merchant.is_some() && hold.merchant == request.merchant;
    let rules: [&dyn Fn(&Hold) -> bool; 4] = [&by_life_cycle, &by_key, &by_rrn, &by_code];
    for rule in rules {
        let mut answering: Vec<&Hold> =
            loaded.holds.values().filter(|hold| hold.account_id == account_id && rule(hold)).collect();
        if answering.iter().any(|hold| hold.state == HoldState::Open) {
            answering.retain(|hold| hold.state == HoldState::Open);
        }
        match answering[..] {
            [] => {}
            [hold] => return MeantHold::One(hold),
            _ => return MeantHold::Several,
        }
    }
    MeantHold::None
}
