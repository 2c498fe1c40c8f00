//! Refunds. One that names what was captured gives back no more than is left of it. One that names nothing known is bounded by
//! what its terminal may give back in a day, at our merchants; whoever works there could pay himself otherwise.

use ledger::journal::Kind;

use super::{Exception, Facts, Reason};
use crate::request::Request;

pub(super) fn refuse(request: &Request, facts: &Facts<'_>) -> Option<Reason> {
    if is_over(request, facts, facts.refundable_minor) {
        Some(Reason::RefundOverOriginal)
    } else {
        is_over(request, facts, facts.unreferenced_left_minor).then_some(Reason::TerminalRefundsExceeded)
    }
}

/// Of a refund that was posted. Whatever names nothing known is for a person to look at.
pub(super) fn exception(request: &Request, facts: &Facts<'_>) -> Option<Exception> {
    match refuse(request, facts) {
        _ if request.kind != Kind::Refund => None,
        Some(Reason::RefundOverOriginal) => Some(Exception::RefundOverOriginal),
        Some(_) => Some(Exception::TerminalRefundsExceeded),
        None => facts.unreferenced_left_minor.map(|_| Exception::RefundUnreferenced),
    }
}

fn is_over(request: &Request, facts: &Facts<'_>, left: Option<i64>) -> bool {
    left.is_some_and(|left| facts.within_standing(request.amount.0) > left)
}
