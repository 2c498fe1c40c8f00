//! What a person's word changes of an item. Pure.

use ledger::store::operator::Operator;

use super::item::{Decision, Item, State};
use super::kind::Act;

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Decided by one person.
    Resolve,
    /// Decided by the first of two.
    Propose,
    /// The second agrees.
    Approve,
    /// It was said before: nothing.
    Already,
}

/// Why an item is not decided that way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0} is not possible here")]
    NotPossible(&'static str),
    #[error("nothing was proposed")]
    NothingProposed,
    #[error("{by} proposed {act}: that can be approved, or withdrawn first")]
    ProposedOtherwise { by: String, act: &'static str },
    #[error("{act} was decided before")]
    Decided { act: &'static str },
    #[error("it takes two people, and {0} proposed it")]
    SamePerson(String),
}

/// A person says that this act is right.
pub fn resolve(item: &Item, act: Act, by: &Operator) -> Result<Step, Refusal> {
    if !item.acts().contains(&act) {
        return Err(Refusal::NotPossible(act.as_str()));
    }
    match (item.state, &item.decision) {
        (State::Resolved, Some(decided)) if decided.act == act => Ok(Step::Already),
        (State::Resolved, Some(decided)) => Err(Refusal::Decided { act: decided.act.as_str() }),
        (State::Proposed, Some(proposed)) if proposed.act == act => {
            Ok(if is_by(proposed, by) { Step::Already } else { Step::Approve })
        }
        (State::Proposed, Some(proposed)) => {
            Err(Refusal::ProposedOtherwise { by: proposed.proposed.name.clone(), act: proposed.act.as_str() })
        }
        _ if act.moves_money() => Ok(Step::Propose),
        _ => Ok(Step::Resolve),
    }
}

/// A person agrees with what was proposed.
pub fn approve(item: &Item, by: &Operator) -> Result<Step, Refusal> {
    match (item.state, &item.decision) {
        (State::Proposed, Some(proposed)) if is_by(proposed, by) => {
            Err(Refusal::SamePerson(proposed.proposed.name.clone()))
        }
        (State::Proposed, Some(_)) => Ok(Step::Approve),
        (State::Resolved, Some(decided)) if decided.approved.is_some() => Ok(Step::Already),
        (State::Resolved, Some(decided)) => Err(Refusal::Decided { act: decided.act.as_str() }),
        _ => Err(Refusal::NothingProposed),
    }
}

/// Name and user must differ: a person may have got another user, and a user another person.
fn is_by(decision: &Decision, by: &Operator) -> bool {
    decision.proposed.name == by.name || decision.proposed.unix_uid == by.unix_uid
}
