//! Printed security codes and their try counter. Wrong expiry dates count with them: both are guessed from a number alone.
//! Whoever guesses must not lock the cardholder out, so only what carries a printed code is refused.

use jiff::{SignedDuration, Timestamp};
use ledger::card::Card;

use super::{Decision, Facts, Proof, Reason, SecurityCode};
use crate::request::{CardEntry, Request};

/// How long requests with a printed code are refused after too many wrong ones.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Change of the counter of wrong printed codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeCount {
    Unchanged,
    OneMore,
    BackToZero,
    /// It was one too many.
    RefusedUntil(Timestamp),
}

/// Whether printed codes of the card are refused at this time, right or wrong.
pub(super) fn refused(request: &Request, facts: &Facts<'_>, card: &Card) -> bool {
    carries_code(request, facts.proof) && card.code_refused_until.is_some_and(|until| facts.at < until)
}

pub(super) fn count(request: &Request, decision: &Decision, facts: &Facts<'_>) -> CodeCount {
    let Some(card) = facts.card.filter(|_| carries_code(request, facts.proof)) else { return CodeCount::Unchanged };
    match decision {
        Decision::Decline(Reason::SecurityCodeWrong | Reason::ExpiryWrong) => {
            if card.code_tries + 1 >= facts.rules.max_code_tries {
                CodeCount::RefusedUntil(facts.at.saturating_add(REFUSED_FOR).unwrap_or(Timestamp::MAX))
            } else {
                CodeCount::OneMore
            }
        }
        Decision::Approve(_) if card.code_tries > 0 => CodeCount::BackToZero,
        _ => CodeCount::Unchanged,
    }
}

/// What a printed code proved to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeTry {
    /// Code, expiry date or number was wrong.
    Failed,
    /// All three were right, whatever became of the request.
    Passed,
}

pub(super) fn tried(request: &Request, decision: &Decision, proof: &Proof) -> Option<CodeTry> {
    if !carries_code(request, proof) {
        return None;
    }
    match decision {
        Decision::Decline(Reason::SecurityCodeWrong | Reason::ExpiryWrong | Reason::CardUnknown) => {
            Some(CodeTry::Failed)
        }
        Decision::Decline(reason) if *reason > Reason::ExpiryWrong => Some(CodeTry::Passed),
        Decision::Approve(_) => Some(CodeTry::Passed),
        Decision::Decline(_) | Decision::Repeat | Decision::Acknowledge { .. } => None,
    }
}

/// Whether a request carries a printed code.
#[must_use]
pub fn carries_code(request: &Request, proof: &Proof) -> bool {
    request.card_entry == CardEntry::Keyed && proof.security_code != SecurityCode::Absent
}
