//! What was seen of a module, as a table and as JSON.
use std::fmt;

use serde::Serialize;

use super::{Need, Outcome, Purpose};
use crate::token::Description;

/// What was seen of a need.
pub(crate) struct Found {
    pub need: Need,
    /// Whether the module's own list has the mechanism for this use; `None` where the need is no mechanism.
    pub announced: Option<bool>,
    pub works: Seen,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Works,
    /// With the reason.
    Fails(String),
    /// It would have left something on a token that is not ours.
    NotTried,
}

impl Seen {
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Ok(()) => Self::Works,
            Err(failure) => Self::Fails(failure.to_string()),
        }
    }
}

/// What a module can be used for.
#[derive(Debug, Serialize)]
pub struct Report {
    module: Description,
    /// What `allowed_mechanisms` has to be in the configuration.
    allowed_mechanisms: bool,
    needs: Vec<Row>,
    verdict: Vec<Verdict>,
}

#[derive(Debug, Serialize)]
struct Row {
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
struct Verdict {
    purpose: Purpose,
    works: bool,
    /// Whether something that it needs was not tried.
    in_part: bool,
}

impl Report {
    pub(super) fn new(module: Description, allowed_mechanisms: bool, found: Vec<Found>) -> Self {
        let needs: Vec<Row> = found.into_iter().map(Row::of).collect();
        let verdict = Purpose::ALL.into_iter().map(|purpose| Verdict::of(purpose, &needs)).collect();
        Self { module, allowed_mechanisms, needs, verdict }
    }

    /// 0 if everything works that was tried; else the sum of 4 (vault), 8 (fast), 16 (strict), 32 (anything else) for what
    /// does not.
    pub fn exit_code(&self) -> u8 {
        self.verdict.iter().filter(|verdict| !verdict.works).fold(0, |code, verdict| code | verdict.purpose.exit_code())
    }
}

impl Row {
    fn of(found: Found) -> Self {
        let Found { need, announced, works } = found;
        let (works, why_not) = match works {
            Seen::Works => (Some(true), None),
            Seen::Fails(why) => (Some(false), Some(why)),
            Seen::NotTried => (None, None),
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

impl Verdict {
    fn of(purpose: Purpose, needs: &[Row]) -> Self {
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

impl fmt::Display for Row {
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
