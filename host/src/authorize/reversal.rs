//! Reversals, full and partial. Always acknowledged: the originator repeats them until they are.

use super::{Decision, Exception, Facts, Movement, Reason};
use crate::request::Request;
use ledger::journal::{Kind, Row};

pub(super) fn decide(request: &Request, facts: &Facts<'_>) -> Decision {
    let Some(original) = facts.original else {
        // a tombstone: if the original comes later, it finds this row and is declined
        return nothing(Reason::OriginalUnknown);
    };
    if original.approved.0 == 0 {
        return nothing(Reason::OriginalDeclined);
    }
    if !same_transaction(request, original) {
        return Decision::Acknowledge {
            movement: Movement::None,
            reason: None,
            exception: Some(Exception::ReversalDiffers),
        };
    }
    let left = original.approved.0 - facts.already_reversed_minor;
    // a partial reversal carries the amount that remains, not the amount given back
    let back = match request.replacement.map(|minor| minor.0) {
        Some(standing) => left - standing.min(left),
        None => left,
    };
    if back <= 0 {
        return nothing(Reason::NothingLeft);
    }
    undo(original, back, facts)
}

/// Whether the reversal matches its original. A time-out reversal carries the requested amount, a terminal may send the
/// approved one.
fn same_transaction(request: &Request, original: &Row) -> bool {
    let amount = request.amount.0;
    let same_amount = amount == original.requested.0 || amount == original.approved.0;
    let same_card = request.pan_index.is_none() || request.pan_index == original.pan_index;
    same_amount && same_card && request.currency == original.currency
}

fn undo(original: &Row, minor: i64, facts: &Facts<'_>) -> Decision {
    let movement = match original.kind {
        Kind::Purchase | Kind::Completion => Movement::UndoCapture { minor },
        Kind::Refund => Movement::UndoRefund { minor },
        Kind::PreAuthorization => match facts.hold {
            Some(hold) => Movement::Release { minor: minor.min(hold.amount_minor), hold: hold.auth_id },
            None => {
                return Decision::Acknowledge {
                    movement: Movement::None,
                    reason: Some(Reason::NothingLeft),
                    exception: Some(Exception::HoldEnded),
                };
            }
        },
        Kind::Reversal | Kind::BalanceInquiry | Kind::AccountVerification | Kind::Opening => Movement::None,
    };
    Decision::Acknowledge { movement, reason: None, exception: None }
}

fn nothing(reason: Reason) -> Decision {
    Decision::Acknowledge { movement: Movement::None, reason: Some(reason), exception: None }
}
