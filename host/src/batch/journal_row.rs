//! Builds the journal row of a decision.

use std::borrow::Cow;

use codecs::value::{ApprovalCode, Minor};
use ledger::batch_rows::BatchRows;
use ledger::hold::Hold;
use ledger::journal::{Kind, Original, Row, approval_code, life_cycle_id};
use ledger::key::JournalKey;
use ledger::movement::Movement;

use crate::authorize::{self, Decision, Exception, Facts, Reason};
use crate::request::Request;

use super::ids::Ids;
use super::prepared_request::PreparedRequest;
use super::related_rows::RelatedRows;

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
    related: &RelatedRows<'_>,
    own: JournalKey,
    facts: &Facts<'_>,
    decision: &Decision,
    loaded: &BatchRows,
    ids: &Ids,
) -> Row {
    let request = &*related.request;
    let auth_id = ids.next();
    let (movement, reason, exception) = taken_apart(decision);
    let disbelieved = || matches!(decision, Decision::Approve(_)) && request.billing_disbelieved;
    let exception = exception.or_else(|| disbelieved().then_some(Exception::BillingDiffers));
    let approved = matches!(decision, Decision::Approve(_));
    let exception = exception.or_else(|| authorize::refund_exception(request, facts).filter(|_| approved));
    let reversed = facts.original.filter(|_| request.kind == Kind::Reversal);
    // what an advice of a decline released was never approved by it
    let moved = match movement {
        Movement::Release { .. } if request.kind != Kind::Reversal => 0,
        movement => movement.minor(),
    };
    Row {
        bucket: prepared.location.bucket(),
        idem_date: related.key.date,
        idem: own,
        auth_id,
        kind: if matches!(movement, Movement::Raise { .. }) { Kind::Increment } else { request.kind },
        class: match (request.kind, reversed) {
            (Kind::Reversal, Some(original)) => original.class,
            _ => request.class,
        },
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
        approval_code: approval_code_of(request, reversed, auth_id, movement, approved),
        requested: request.amount,
        approved: Minor(moved),
        standing: request.partial_standing(),
        currency: request.currency,
        transaction: request.foreign.map(|foreign| foreign.sent),
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
        original: original_of(prepared, related, facts),
        hold: None,
        counted: None,
        exception: exception.map(|exception| Cow::Borrowed(exception.as_str())),
        why: super::stored_facts::encode(request, facts),
    }
}

/// The approval code: the original's for a reversal, the named one for an advice or a raised hold, a new one for any other
/// approval of ours.
fn approval_code_of(
    request: &Request,
    reversed: Option<&Row>,
    auth_id: i64,
    movement: Movement,
    approved: bool,
) -> Option<ApprovalCode> {
    let names = request.advice || request.kind == Kind::Reversal || matches!(movement, Movement::Raise { .. });
    match (reversed, request.approval_code.filter(|_| names)) {
        (Some(original), _) => original.approval_code,
        (None, Some(named)) => Some(named),
        (None, None) => (approved || movement != Movement::None).then(|| approval_code(auth_id)),
    }
}

/// The life-cycle id: the original's, the pre-authorization's or the one the switch sent; a new one if there is none.
fn life_cycle_of(prepared: &PreparedRequest, facts: &Facts<'_>, auth_id: i64) -> String {
    // a refund is presented apart from what it gives back
    let before = facts.original.filter(|_| !prepared.request.is_refund()).map(|original| &original.life_cycle);
    // a further payment with a stored number names the first one, and has a life of its own
    let sent = prepared.request.life_cycle.as_ref().filter(|_| !prepared.request.is_stored_credential());
    let before = before.or_else(|| facts.hold.map(|hold| &hold.life_cycle)).or(sent);
    before.cloned().unwrap_or_else(|| life_cycle_id(auth_id))
}

fn original_of(prepared: &PreparedRequest, related: &RelatedRows<'_>, facts: &Facts<'_>) -> Option<Original> {
    if prepared.request.kind == Kind::Reversal {
        return Some(match facts.original {
            Some(found) => Original { date: found.idem_date, idem: found.idem, auth_id: Some(found.auth_id) },
            None => Original { date: related.key.date, idem: related.key.original, auth_id: None },
        });
    }
    let sale =
        facts.original.map(|sale| Original { date: sale.idem_date, idem: sale.idem, auth_id: Some(sale.auth_id) });
    let of_hold = |hold: &Hold| Original { date: hold.idem_date, idem: hold.idem, auth_id: Some(hold.auth_id) };
    sale.or_else(|| facts.hold.map(of_hold))
}
