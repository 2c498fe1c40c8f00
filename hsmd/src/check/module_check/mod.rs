//! `hsmd check-module`: tries what the verbs need of a PKCS#11 module, on scratch keys.
//!
//! The trials go through [`crate::module::Module`], as the verbs do: same templates, same usage flags, same calls. The module's
//! own list of mechanisms is shown beside the results, because the two do not always agree.
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
use report::{CheckedNeed, TrialResult};

/// One ability that the verbs need of a module.
pub(crate) struct Need {
    /// Its PKCS#11 name: a mechanism, a function or an attribute.
    name: &'static str,
    /// The mechanism, and the use that it has to be announced for. The keys are of the kind that `how` names.
    mechanism: Option<(MechanismType, AnnouncedUse)>,
    /// How it is used.
    how: &'static str,
    verbs: &'static [VerbKind],
    purposes: &'static [Purpose],
    /// The features that are missing without it.
    without: &'static str,
}

/// The use of a mechanism that a module announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnnouncedUse {
    Encrypt,
    Decrypt,
    Sign,
    Derive,
    Wrap,
    Unwrap,
    Generate,
}

impl AnnouncedUse {
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

/// Omits the list of mechanisms from keys from now on, if the module refuses it.
pub(crate) fn omit_mechanisms_if_refused(token: &mut Token) {
    let (_, trial) = token_needs::mechanisms_are_written();
    if trial(token, false).is_err() {
        token.write_mechanisms(false);
    }
}

/// Tries everything. Permanent keys are made only if `may_keep`, and destroyed after their trial.
pub(crate) fn run(token: &mut Token, may_keep: bool) -> Report {
    let mut found = Vec::new();
    // first, because the other trials omit the list if the module refuses it
    let (need, trial) = token_needs::mechanisms_are_written();
    let configured = token.writes_mechanisms();
    token.write_mechanisms(true);
    let written = trial(token, may_keep);
    token.write_mechanisms(configured && written.is_ok());
    // that a session object carries the list does not show whether a permanent key can
    let written = if may_keep || written.is_err() { TrialResult::of(written) } else { TrialResult::NotTried };
    found.push(checked_need(token, need, written));
    for (need, trial) in needs::all() {
        let outcome = trial(token);
        found.push(checked_need(token, need, TrialResult::of(outcome)));
    }
    for (need, trial) in token_needs::in_a_session() {
        let outcome = trial(token);
        found.push(checked_need(token, need, TrialResult::of(outcome)));
    }
    for (need, trial) in token_needs::on_the_token() {
        let outcome = if may_keep { TrialResult::of(trial(token)) } else { TrialResult::NotTried };
        found.push(checked_need(token, need, outcome));
    }
    Report::new(token.description(), token.writes_mechanisms(), found)
}

fn checked_need(token: &Token, need: Need, works: TrialResult) -> CheckedNeed {
    let announced =
        need.mechanism.map(|(mechanism, way)| token.announces(mechanism).is_some_and(|info| way.is_in(info)));
    CheckedNeed { need, announced, works }
}
