//! Spending limits of the card and available funds of the account.

use super::{Facts, Reason};
use crate::request::Request;
use ledger::card::Card;
use ledger::journal::Kind;

pub(super) fn refuse(request: &Request, facts: &Facts<'_>, card: &Card) -> Option<Reason> {
    if !matches!(request.kind, Kind::Purchase | Kind::PreAuthorization) {
        return None;
    }
    if request.amount.0 > card.limit_txn_minor {
        return Some(Reason::TransactionLimit);
    }
    let within_the_day = card
        .spent_on(request.business_date)
        .checked_add(request.amount.0)
        .is_some_and(|sum| sum <= card.limit_day_minor);
    if !within_the_day {
        return Some(Reason::DailyLimit);
    }
    (affordable(request, facts) == 0).then_some(Reason::FundsInsufficient)
}

/// The amount that can be approved: all of it; the available part, if the terminal supports partial approval; or
/// nothing.
pub(super) fn affordable(request: &Request, facts: &Facts<'_>) -> i64 {
    let available = facts.account.map_or(0, |account| account.available_minor());
    if available >= request.amount.0 {
        request.amount.0
    } else if request.partial_supported {
        available.max(0)
    } else {
        0
    }
}
