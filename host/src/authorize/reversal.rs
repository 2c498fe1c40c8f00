//! Reversals, full and partial. Always acknowledged: the originator repeats them until they are.

use super::{Decision, Exception, Facts, Movement, Reason};
use crate::request::Request;
use ledger::hold::HoldState;
use ledger::journal::{Kind, Row};

pub(super) fn decide(request: &Request, facts: &Facts<'_>) -> Decision {
    let Some(original) = facts.original else {
        // a tombstone: if the original comes later, it finds this row
        return nothing(Reason::OriginalUnknown);
    };
    if original.approved.0 == 0 {
        return nothing(Reason::OriginalDeclined);
    }
    if !same_transaction(request, original) {
        return irregular(None, Exception::ReversalDiffers);
    }
    let left = original.approved.0 - facts.already_reversed_minor;
    // a partial reversal carries the amount that stands after it, not the amount given back
    let standing = request.replacement.map_or(0, |minor| minor.0);
    if standing > left && standing < original.approved.0 {
        // less stands already: the sender's own messages contradict each other
        return irregular(Some(Reason::NothingLeft), Exception::StandingRaised);
    }
    if standing >= left {
        return nothing(Reason::NothingLeft);
    }
    undo(original, left - standing, facts)
}

/// Whether a reversal says the same as an earlier one under its key.
pub(super) fn same_content(request: &Request, earlier: &Row) -> bool {
    let same_card =
        request.pan_index.is_none() || earlier.pan_index.is_none() || request.pan_index == earlier.pan_index;
    same_card && request.sent() == earlier.sent()
}

/// Whether the reversal matches its original. A time-out reversal carries the requested amount, a terminal may send the
/// approved one.
fn same_transaction(request: &Request, original: &Row) -> bool {
    let (sent, of) = (request.sent(), original.sent());
    let same_amount = sent.minor == of.minor || sent.minor == original.approved_as_sent();
    let same_card = request.pan_index.is_none() || request.pan_index == original.pan_index;
    same_amount && same_card && sent.currency == of.currency
}

fn undo(original: &Row, minor: i64, facts: &Facts<'_>) -> Decision {
    let movement = match original.kind {
        Kind::Purchase | Kind::Completion => Movement::UndoCapture { minor },
        Kind::Refund => Movement::UndoRefund { minor },
        Kind::PreAuthorization | Kind::Increment => match facts.hold {
            Some(hold) if hold.state == HoldState::Open => {
                Movement::Release { minor: minor.min(hold.amount_minor), hold: hold.auth_id }
            }
            _ => return irregular(Some(Reason::NothingLeft), Exception::HoldEnded),
        },
        Kind::Reversal
        | Kind::BalanceInquiry
        | Kind::AccountVerification
        | Kind::RefundAuthorization
        | Kind::Opening
        | Kind::NotServed => Movement::None,
    };
    Decision::Acknowledge { movement, reason: None, exception: None }
}

fn nothing(reason: Reason) -> Decision {
    Decision::Acknowledge { movement: Movement::None, reason: Some(reason), exception: None }
}

fn irregular(reason: Option<Reason>, exception: Exception) -> Decision {
    Decision::Acknowledge { movement: Movement::None, reason, exception: Some(exception) }
}
