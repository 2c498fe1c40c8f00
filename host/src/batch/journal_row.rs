//! Builds the journal row of a decision.

use std::borrow::Cow;

use codecs::value::{ApprovalCode, Minor};
use ledger::batch_rows::BatchRows;
use ledger::journal::{Kind, Original, Row, approval_code, life_cycle_id};
use ledger::movement::Movement;

use crate::authorize::{self, Decision, Exception, Facts, Reason};

use super::ids::Ids;
use super::prepared_request::PreparedRequest;

/// Movement, reason and exception of any decision.
fn taken_apart(decision: &Decision) -> (Movement, Option<Reason>, Option<Exception>) {
    match *decision {
        Decision::Approve(movement) => (movement, None, None),
        Decision::Acknowledge { movement, reason, exception } => (movement, reason, exception),
        Decision::Decline(reason) => (Movement::None, Some(reason), None),
        Decision::Repeat => (Movement::None, None, None),
    }
}

/// The row, built before the decision's effects are applied to the loaded rows.
pub(super) fn row(
    prepared: &PreparedRequest,
    facts: &Facts<'_>,
    decision: &Decision,
    loaded: &BatchRows,
    ids: &Ids,
) -> Row {
    let request = &prepared.request;
    let auth_id = ids.next();
    let (movement, reason, exception) = taken_apart(decision);
    let approved = matches!(decision, Decision::Approve(_));
    let reversed = facts.original;
    Row {
        bucket: prepared.location.bucket(),
        idem_date: request.rows.date,
        idem: request.own_journal_key(),
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
        reason: reason.map(|reason| Cow::Borrowed(reason.as_str())),
        approval_code: approval_code_of(prepared, facts, auth_id, approved || movement != Movement::None),
        requested: request.amount,
        approved: Minor(movement.minor()),
        currency: request.currency,
        icc_answer: prepared.icc_approval.clone().filter(|_| approved),
        available: facts
            .account
            .filter(|_| approved && request.kind == Kind::BalanceInquiry)
            .map(|account| Minor(account.available_minor())),
        link: request.link.clone(),
        acquirer: request.acquirer,
        issuer: request.issuer.clone().or_else(|| reversed.and_then(|original| original.issuer.clone())),
        merchant: request.merchant,
        terminal: request.terminal,
        mcc: request.mcc,
        entry_mode: request.entry_mode,
        stan: request.stan,
        rrn: request.rrn.or_else(|| reversed.and_then(|original| original.rrn)),
        life_cycle: life_cycle_of(prepared, facts, auth_id),
        local_at: request.local_at,
        received_at: prepared.received_at,
        business_date: request.business_date,
        cycle: loaded.days.cycle_of(request.business_date),
        original: original_of(prepared, facts),
        exception: exception.map(Exception::as_str),
        why: super::stored_facts::as_json(facts),
    }
}

/// The approval code: the original's for a reversal, the reported one for an advice, a new one for an approval of ours.
fn approval_code_of(
    prepared: &PreparedRequest,
    facts: &Facts<'_>,
    auth_id: i64,
    granted: bool,
) -> Option<ApprovalCode> {
    match (facts.original, prepared.request.approval_code) {
        (Some(original), _) => original.approval_code,
        (None, Some(told)) => Some(told),
        (None, None) => granted.then(|| approval_code(auth_id)),
    }
}

/// The life-cycle id: the original's, the pre-authorization's or the one the switch sent; a new one if there is none.
fn life_cycle_of(prepared: &PreparedRequest, facts: &Facts<'_>, auth_id: i64) -> String {
    let before = facts.original.map(|original| &original.life_cycle);
    let before = before.or_else(|| facts.hold.map(|hold| &hold.life_cycle)).or(prepared.request.life_cycle.as_ref());
    before.cloned().unwrap_or_else(|| life_cycle_id(auth_id))
}

fn original_of(prepared: &PreparedRequest, facts: &Facts<'_>) -> Option<Original> {
    let request = &prepared.request;
    if request.kind == Kind::Reversal {
        let auth_id = facts.original.map(|original| original.auth_id);
        return Some(Original { date: request.rows.date, idem: request.rows.original, auth_id });
    }
    facts.hold.map(|hold| Original { date: hold.idem_date, idem: hold.idem, auth_id: Some(hold.auth_id) })
}
