//! The report of a module check, as a table and as JSON.
use std::fmt;

use serde::Serialize;

use super::{Need, Outcome, Purpose};
use crate::token::ModuleDescription;

/// A need, and the result of its trial.
pub(crate) struct CheckedNeed {
    pub need: Need,
    /// Whether the module's own list has the mechanism for this use; `None` where the need is no mechanism.
    pub announced: Option<bool>,
    pub works: TrialResult,
}

/// Result of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrialResult {
    Works,
    /// With the reason.
    Fails(String),
    /// Not tried: it would have made a permanent key on somebody else's token.
    NotTried,
}

impl TrialResult {
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Ok(()) => Self::Works,
            Err(failure) => Self::Fails(failure.to_string()),
        }
    }
}

/// The report: every need with its result, and the verdict on each purpose.
#[derive(Debug, Serialize)]
pub struct Report {
    module: ModuleDescription,
    /// The value that `allowed_mechanisms` must have in the configuration.
    allowed_mechanisms: bool,
    needs: Vec<NeedRow>,
    verdict: Vec<PurposeVerdict>,
}

#[derive(Debug, Serialize)]
struct NeedRow {
    name: &'static str,
    /// Number of the mechanism.
    mechanism: Option<u64>,
    how: &'static str,
    verbs: Vec<&'static str>,
    purposes: &'static [Purpose],
    announced: Option<bool>,
    /// `null`: not tried.
    works: Option<bool>,
    why_not: Option<String>,
    without: &'static str,
}

#[derive(Debug, Serialize)]
struct PurposeVerdict {
    purpose: Purpose,
    works: bool,
    /// Whether one of its needs was not tried.
    in_part: bool,
}

impl Report {
    pub(super) fn new(module: ModuleDescription, allowed_mechanisms: bool, found: Vec<CheckedNeed>) -> Self {
        let needs: Vec<NeedRow> = found.into_iter().map(NeedRow::of).collect();
        let verdict = Purpose::ALL.into_iter().map(|purpose| PurposeVerdict::of(purpose, &needs)).collect();
        Self { module, allowed_mechanisms, needs, verdict }
    }

    /// 0 if everything works that was tried; else the sum of 4 (vault), 8 (fast), 16 (strict), 32 (anything else) for what
    /// does not.
    pub fn exit_code(&self) -> u8 {
        self.verdict.iter().filter(|verdict| !verdict.works).fold(0, |code, verdict| code | verdict.purpose.exit_code())
    }
}

impl NeedRow {
    fn of(found: CheckedNeed) -> Self {
        let CheckedNeed { need, announced, works } = found;
        let (works, why_not) = match works {
            TrialResult::Works => (Some(true), None),
            TrialResult::Fails(why) => (Some(false), Some(why)),
            TrialResult::NotTried => (None, None),
        };
        Self {
            name: need.name,
            mechanism: need.mechanism.map(|(mechanism, _)| *mechanism),
            how: need.how,
            verbs: need.verbs.iter().map(|verb| verb.label()).collect(),
            purposes: need.purposes,
            announced,
            works,
            why_not,
            without: need.without,
        }
    }
}

impl PurposeVerdict {
    fn of(purpose: Purpose, needs: &[NeedRow]) -> Self {
        let own = || needs.iter().filter(|row| row.purposes.contains(&purpose));
        Self {
            purpose,
            works: own().all(|row| row.works != Some(false)),
            in_part: own().any(|row| row.works.is_none()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.module)?;
        for row in &self.needs {
            writeln!(f, "{row}")?;
        }
        for verdict in &self.verdict {
            let works = match (verdict.works, verdict.in_part) {
                (false, _) => "no",
                (true, false) => "yes",
                (true, true) => "as far as tried",
            };
            writeln!(f, "{:<13} {works:<16} {}", verdict.purpose.label(), verdict.purpose.words())?;
        }
        if !self.allowed_mechanisms {
            writeln!(f, "\nhsm.toml needs allowed_mechanisms = false under [token]")?;
        }
        Ok(())
    }
}

impl fmt::Display for NeedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let announced = match self.announced {
            Some(true) => "announced",
            Some(false) => "not announced",
            None => "",
        };
        let works = match self.works {
            Some(true) => "works",
            Some(false) => "DOES NOT WORK",
            None => "not tried",
        };
        writeln!(f, "{:<26} {announced:<14} {works:<14} {}", self.name, self.how)?;
        if let Some(why) = &self.why_not {
            writeln!(f, "    seen: {why}")?;
        }
        let purposes: Vec<_> = self.purposes.iter().map(|purpose| purpose.label()).collect();
        write!(f, "    for {}", purposes.join(", "))?;
        if !self.verbs.is_empty() {
            write!(f, "; verbs {}", self.verbs.join(", "))?;
        }
        writeln!(f, "\n    without it: {}", self.without)
    }
}
