//! A request that was seen before. Comes before everything else: a repeat counts no PIN try and uses no counter.

use super::{Decision, Facts, Movement, Reason};
use crate::request::Request;
use ledger::journal::Kind;

/// `Some` if the key decides alone.
///
/// The same key with the same content is a repeat and gets the stored answer – unless the original was reversed since,
/// when an approval must not be handed out again. Advices and reversals are acknowledged again in any case.
pub(super) fn seen_before(request: &Request, facts: &Facts<'_>) -> Option<Decision> {
    let told = request.advice || request.kind == Kind::Reversal;
    if let Some(earlier) = facts.earlier {
        if told {
            return Some(Decision::Repeat);
        }
        if earlier.digest != request.digest {
            return Some(Decision::Decline(Reason::KeyReused));
        }
        if !facts.reversed {
            return Some(Decision::Repeat);
        }
    }
    if !facts.reversed || request.kind == Kind::Reversal {
        return None;
    }
    // the reversal was here first: what it undid must not happen after it
    Some(if told {
        Decision::Acknowledge { movement: Movement::None, reason: Some(Reason::Reversed), exception: None }
    } else {
        Decision::Decline(Reason::Reversed)
    })
}
