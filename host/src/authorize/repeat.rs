//! Detection of repeats (idempotency). It comes before every other check: a repeat counts no PIN try and no counter.

use super::{Decision, Exception, Facts, Movement, Reason, reversal};
use crate::request::Request;
use ledger::journal::Kind;

/// The decision, if the idempotency key alone determines it.
///
/// The same key with the same content is a repeat and gets the stored answer – unless the original was reversed since:
/// an approval must not be given again then. Advices and reversals are acknowledged again in any case. With other
/// content a request is declined; an advice or reversal tells of something else that has happened, so it gets a row of
/// its own.
pub(super) fn seen_before(request: &Request, facts: &Facts<'_>) -> Option<Decision> {
    let told = request.advice || request.kind == Kind::Reversal;
    if let Some(earlier) = facts.earlier {
        let same = match request.kind {
            Kind::Reversal => reversal::same_content(request, earlier),
            _ => earlier.digest == request.digest,
        };
        if told {
            return Some(if same { Decision::Repeat } else { other_content() });
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
    Some(if told {
        Decision::Acknowledge { movement: Movement::None, reason: Some(Reason::Reversed), exception: None }
    } else {
        Decision::Decline(Reason::Reversed)
    })
}

fn other_content() -> Decision {
    Decision::Acknowledge {
        movement: Movement::None,
        reason: Some(Reason::KeyReused),
        exception: Some(Exception::KeyReused),
    }
}
