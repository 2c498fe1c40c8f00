//! What the verbs need of a PKCS#11 module, tried on scratch keys in the very way in which the verbs use theirs.
//!
//! The trials go through [`crate::module::Module`], as the verbs do: same templates, same usage flags, same calls. A module's own list of
//! mechanisms is shown beside what was seen, because the two do not always agree.
mod needs;
mod purpose;
mod report;
mod token_needs;
mod trials;

#[cfg(test)]
mod tests;

use cryptoki::mechanism::{MechanismInfo, MechanismType};
use hsm::verb::VerbKind;

use crate::module::Fault;
use crate::token::Token;
pub(crate) use purpose::Purpose;
pub use report::Report;
use report::{Found, Seen};

/// One thing that a module has to do.
pub(crate) struct Need {
    /// What PKCS#11 calls it: a mechanism, a function or an attribute.
    name: &'static str,
    /// The mechanism, and the use that it has to be announced for. The keys are of the kind that `how` names.
    mechanism: Option<(MechanismType, Way)>,
    /// How it is used.
    how: &'static str,
    verbs: &'static [VerbKind],
    purposes: &'static [Purpose],
    /// What cannot be had of a module that does not do it.
    without: &'static str,
}

/// The use of a mechanism that a module announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Encrypt,
    Decrypt,
    Sign,
    Derive,
    Wrap,
    Unwrap,
    Generate,
}

impl Way {
    fn is_in(self, info: MechanismInfo) -> bool {
        match self {
            Self::Encrypt => info.encrypt(),
            Self::Decrypt => info.decrypt(),
            Self::Sign => info.sign(),
            Self::Derive => info.derive(),
            Self::Wrap => info.wrap(),
            Self::Unwrap => info.unwrap(),
            Self::Generate => info.generate(),
        }
    }
}

/// Why a trial did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Module(#[from] Fault),
    #[error("{0} is not what it should be")]
    Differs(&'static str),
    #[error("{0}, which should have been refused")]
    Allowed(&'static str),
}

type Outcome = Result<(), Failure>;

/// Leaves the list of mechanisms out of keys from now on, if the module does not take it.
pub(crate) fn leave_out_what_is_not_taken(token: &mut Token) {
    let (_, trial) = token_needs::mechanisms_are_written();
    if trial(token, false).is_err() {
        token.write_mechanisms(false);
    }
}

/// Tries everything. Only on a token that `may_keep` are keys made that stay, for the moment of their trial.
pub(crate) fn run(token: &mut Token, may_keep: bool) -> Report {
    let mut found = Vec::new();
    // first, because everything else can do without if it has to
    let (need, trial) = token_needs::mechanisms_are_written();
    let configured = token.writes_mechanisms();
    token.write_mechanisms(true);
    let written = trial(token, may_keep);
    token.write_mechanisms(configured && written.is_ok());
    // that an object of the session carries the list does not tell whether a key that stays can
    let written = if may_keep || written.is_err() { Seen::of(written) } else { Seen::NotTried };
    found.push(seen(token, need, written));
    for (need, trial) in needs::all() {
        let outcome = trial(token);
        found.push(seen(token, need, Seen::of(outcome)));
    }
    for (need, trial) in token_needs::in_a_session() {
        let outcome = trial(token);
        found.push(seen(token, need, Seen::of(outcome)));
    }
    for (need, trial) in token_needs::on_the_token() {
        let outcome = if may_keep { Seen::of(trial(token)) } else { Seen::NotTried };
        found.push(seen(token, need, outcome));
    }
    Report::new(token.description(), token.writes_mechanisms(), found)
}

fn seen(token: &Token, need: Need, works: Seen) -> Found {
    let announced =
        need.mechanism.map(|(mechanism, way)| token.announces(mechanism).is_some_and(|info| way.is_in(info)));
    Found { need, announced, works }
}
