//! Detection of repeats (idempotency). It comes before every other check: a repeat counts no PIN try and no counter.

use super::{Decision, Exception, Facts, Movement, Reason, reversal};
use crate::request::Request;
use ledger::journal::{Kind, Row};

/// The decision, if the idempotency key alone determines it.
///
/// The same key with the same content is a repeat and gets the stored answer – unless the original was reversed since:
/// an approval must not be given again then. Advices and reversals are acknowledged again in any case. With other
/// content a request is declined; an advice or reversal tells of something else that has happened, so it gets a row of
/// its own. So does an advice with the key of a request that failed: the terminal has sold all the same.
pub(super) fn seen_before(request: &Request, facts: &Facts<'_>) -> Option<Decision> {
    let told = request.advice || request.kind == Kind::Reversal;
    if let Some(earlier) = facts.earlier {
        let same = match request.kind {
            Kind::Reversal => reversal::same_content(request, earlier),
            _ => earlier.digest == request.digest,
        };
        if told {
            return match same {
                true if !is_of_a_failed_request(request, earlier, facts) => Some(Decision::Repeat),
                true => facts.reversed.then(reversed_before),
                false => Some(other_content()),
            };
        }
        if !same {
            return Some(Decision::Decline(Reason::KeyReused));
        }
        if !facts.reversed {
            return Some(Decision::Repeat);
        }
    }
    if !facts.reversed || request.kind == Kind::Reversal {
        return None;
    }
    // the reversal came first, or the original was reversed: it must not take effect any more
    Some(if told { reversed_before() } else { Decision::Decline(Reason::Reversed) })
}

/// Whether an advice that reports a sale has the key of a request that was declined, or reversed since.
fn is_of_a_failed_request(request: &Request, earlier: &Row, facts: &Facts<'_>) -> bool {
    let reports_a_sale = request.advice && request.advised.is_none_or(|code| code.is_approval());
    reports_a_sale && !earlier.advice && (earlier.approved.0 == 0 || facts.reversed)
}

/// A reversal that overtook its advice looks the same as one of an earlier attempt, after which the terminal sold offline.
fn reversed_before() -> Decision {
    Decision::Acknowledge {
        movement: Movement::None,
        reason: Some(Reason::Reversed),
        exception: Some(Exception::ReversedBefore),
    }
}

fn other_content() -> Decision {
    Decision::Acknowledge {
        movement: Movement::None,
        reason: Some(Reason::KeyReused),
        exception: Some(Exception::KeyReused),
    }
}
