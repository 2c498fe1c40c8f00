//! Online PIN and its try counter. The HSM verifies the PIN before the lock is taken; the outcome is answered only
//! after the commit that counts it, so that no more outcomes are released than the counter allows.

use super::{Decision, Facts, Pin, Reason};
use crate::request::Request;
use ledger::card::Card;
use ledger::journal::Kind;

/// Change of the PIN try counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinCount {
    Unchanged,
    OneMore,
    BackToZero,
}

pub(super) fn refuse(request: &Request, facts: &Facts<'_>, card: &Card) -> Option<Reason> {
    let most = facts.rules.max_pin_tries;
    match facts.proof.pin {
        Pin::Absent if request.kind == Kind::BalanceInquiry && facts.rules.balance_needs_pin => {
            Some(Reason::PinMissing)
        }
        Pin::Absent => None,
        Pin::Malformed => Some(Reason::PinBlockMalformed),
        // once the tries are used up, a right PIN and a wrong one get the same answer
        Pin::Right | Pin::Wrong if card.pin_tries >= most => Some(Reason::PinTriesExceeded),
        Pin::Wrong if card.pin_tries + 1 >= most => Some(Reason::PinTriesExceeded),
        Pin::Wrong => Some(Reason::PinWrong),
        Pin::Right => None,
    }
}

pub(super) fn count(decision: &Decision, facts: &Facts<'_>) -> PinCount {
    let Some(card) = facts.card else { return PinCount::Unchanged };
    let reached = match decision {
        Decision::Approve(_) => true,
        Decision::Decline(reason) => *reason >= Reason::PinTriesExceeded,
        Decision::Repeat | Decision::Acknowledge { .. } => false,
    };
    match facts.proof.pin {
        Pin::Wrong if reached && card.pin_tries < facts.rules.max_pin_tries => PinCount::OneMore,
        Pin::Right if reached && card.pin_tries > 0 && card.pin_tries < facts.rules.max_pin_tries => {
            PinCount::BackToZero
        }
        _ => PinCount::Unchanged,
    }
}
