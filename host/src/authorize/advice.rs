//! Advices: messages about something that has happened. They are acknowledged and posted, even into an overdraft;
//! whatever is irregular becomes an exception for the back office, never a decline.

use super::{Decision, Exception, Facts, Movement, Reason};
use crate::request::Request;
use ledger::journal::Kind;

pub(super) fn decide(request: &Request, facts: &Facts<'_>) -> Decision {
    if request.advised.is_some_and(|code| !code.is_approval()) {
        let movement = match facts.hold {
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
    match request.kind {
        Kind::Completion => completion(request, facts),
        Kind::Refund => acknowledge(Movement::Refund { minor: request.amount.0 }, oddity(request, facts)),
        Kind::Purchase => acknowledge(Movement::Capture { minor: request.amount.0 }, oddity(request, facts)),
        _ => acknowledge(Movement::None, None),
    }
}

/// A completion: the sale after a pre-authorization. Its amount may differ; without an open hold it is posted by force.
fn completion(request: &Request, facts: &Facts<'_>) -> Decision {
    let minor = request.amount.0;
    match facts.hold {
        Some(hold) => acknowledge(Movement::Complete { minor, hold: hold.auth_id }, oddity(request, facts)),
        None => {
            acknowledge(Movement::Capture { minor }, oddity(request, facts).or(Some(Exception::CompletionWithoutHold)))
        }
    }
}

fn oddity(request: &Request, facts: &Facts<'_>) -> Option<Exception> {
    if Facts::role_has_card_of_ours(request.role) && facts.card.is_none() {
        Some(Exception::CardUnknown)
    } else if !facts.acceptor_known {
        Some(Exception::AcceptorUnknown)
    } else {
        None
    }
}

fn acknowledge(movement: Movement, exception: Option<Exception>) -> Decision {
    let movement =
        if movement.minor() == 0 && !matches!(movement, Movement::Complete { .. }) { Movement::None } else { movement };
    Decision::Acknowledge { movement, reason: None, exception }
}
