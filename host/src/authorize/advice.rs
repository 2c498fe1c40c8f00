//! Advices: messages about something that has happened. They are acknowledged and posted, even into an overdraft;
//! whatever is irregular becomes an exception for the back office, never a decline.

use super::{Decision, Exception, Facts, Movement, Reason};
use crate::request::Request;
use ledger::hold::{Hold, HoldState};
use ledger::journal::{Kind, Row};

pub(super) fn decide(request: &Request, facts: &Facts<'_>) -> Decision {
    if request.kind == Kind::NotServed {
        return Decision::Acknowledge {
            movement: Movement::None,
            reason: Some(Reason::NotServed),
            exception: Some(Exception::NotServed),
        };
    }
    if request.advised.is_some_and(|code| !code.is_approval()) {
        let movement = match facts.hold.filter(|hold| hold.state == HoldState::Open) {
            Some(hold) => Movement::Release { minor: hold.amount_minor, hold: hold.auth_id },
            None => Movement::None,
        };
        return Decision::Acknowledge { movement, reason: Some(Reason::AdvisedDecline), exception: None };
    }
    if request.currency != facts.rules.currency {
        return Decision::Acknowledge {
            movement: Movement::None,
            reason: Some(Reason::CurrencyNotServed),
            exception: Some(Exception::CurrencyNotServed),
        };
    }
    let minor = facts.within_standing(request.amount.0);
    match request.kind {
        Kind::Completion => completion(request, facts, minor),
        Kind::Refund => {
            let irregular = super::refund::exception(request, facts);
            acknowledge(Movement::Refund { minor }, oddity(request, facts, irregular))
        }
        Kind::Purchase => acknowledge(Movement::Capture { minor }, oddity(request, facts, None)),
        // another decided in our place and approved: its merchant relies on the hold
        Kind::PreAuthorization => acknowledge(Movement::Hold { minor }, oddity(request, facts, None)),
        _ => acknowledge(Movement::None, None),
    }
}

/// A completion: the sale after a pre-authorization. Its amount may differ; whatever it matches, it is posted.
fn completion(request: &Request, facts: &Facts<'_>, minor: i64) -> Decision {
    if let Some(sale) = facts.original.filter(|sale| sale.kind == Kind::Purchase && sale.approved.0 > 0) {
        return adjustment(request, facts, sale);
    }
    let found = facts.hold.filter(|hold| hold.state != HoldState::Released);
    let movement = match found {
        Some(hold) => Movement::Complete { minor, hold: hold.auth_id },
        None => Movement::Capture { minor },
    };
    let irregular = match found {
        Some(hold) if within_tolerance(request, facts, hold) => None,
        // several captures may share a hold; this one has no part in it
        Some(hold) if hold.state == HoldState::Completed && hold.left_to_capture() <= 0 => {
            Some(Exception::CompletionOfCaptured)
        }
        Some(_) => Some(Exception::CompletionOverHold),
        None => Some(unmatched(request, facts)),
    };
    acknowledge(movement, oddity(request, facts, irregular))
}

/// Why no hold takes a completion.
fn unmatched(request: &Request, facts: &Facts<'_>) -> Exception {
    if facts.hold_ambiguous {
        Exception::HoldAmbiguous
    } else if facts.hold.is_some() {
        Exception::CompletionAfterRelease
    } else if request.referred.is_some() || request.approval_code.is_some() {
        Exception::CompletionOfUnknown
    } else {
        Exception::CompletionWithoutHold
    }
}

/// Whether the capture stays within what the hold leaves to capture, and the tolerance of its merchant category.
fn within_tolerance(request: &Request, facts: &Facts<'_>, hold: &Hold) -> bool {
    let beyond = request.amount.0.saturating_sub(hold.left_to_capture());
    let percent = i64::from(facts.rules.tolerance_percent(request.mcc));
    beyond.saturating_mul(100) <= hold.authorized_minor.saturating_mul(percent)
}

/// An advice that names a sale that was captured already: its amount is the whole, a tip included; only what is new is
/// posted. Less than was captured is a matter for a person.
fn adjustment(request: &Request, facts: &Facts<'_>, sale: &Row) -> Decision {
    let captured = sale.approved.0 - facts.already_reversed_minor + facts.adjusted_minor;
    let more = request.amount.0 - captured;
    let percent = i64::from(facts.rules.tolerance_percent(request.mcc));
    let within = more.saturating_mul(100) <= sale.approved.0.saturating_mul(percent);
    match more {
        0 => Decision::Acknowledge { movement: Movement::None, reason: Some(Reason::NothingLeft), exception: None },
        ..0 => Decision::Acknowledge {
            movement: Movement::None,
            reason: Some(Reason::NothingLeft),
            exception: Some(Exception::AdjustmentLower),
        },
        minor => acknowledge(
            Movement::Capture { minor },
            oddity(request, facts, None).or_else(|| (!within).then_some(Exception::CompletionOverHold)),
        ),
    }
}

/// What a person should look at, in one word: first what says whether the merchant is owed the amount, `irregular` being why nobody
/// promised it, because by that word the back office holds it.
fn oddity(request: &Request, facts: &Facts<'_>, irregular: Option<Exception>) -> Option<Exception> {
    if Facts::role_has_card_of_ours(request.role) && facts.card.is_none() {
        Some(Exception::CardUnknown)
    } else if irregular.is_some() {
        irregular
    } else if !facts.acceptor_known {
        Some(Exception::AcceptorUnknown)
    } else {
        request.billing_disbelieved.then_some(Exception::BillingDiffers)
    }
}

fn acknowledge(movement: Movement, exception: Option<Exception>) -> Decision {
    // a completion of zero ends its hold
    let movement =
        if movement.minor() == 0 && !matches!(movement, Movement::Complete { .. }) { Movement::None } else { movement };
    Decision::Acknowledge { movement, reason: None, exception }
}
