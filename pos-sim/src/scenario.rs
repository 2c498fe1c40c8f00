//! Scenarios: steps in a file, each with the result that is expected.
//!
//! A step names a till, a card by its note, the way it is read, and the expected result. Steps that refer to an earlier one –
//! a completion, a reversal, the same message again – name it by its label.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codecs::value::{Currency, Minor};
use serde::Deserialize;

use crate::acquirer::Acquirer;
use crate::chip::IssuerAuthentication;
use crate::exchange::{Exchange, RequestKind};
use crate::reading::{Instrument, PinEntry};
use crate::receipt;
use crate::request::reason;
use crate::terminal::Terminal;
use crate::till::{DecidedTransaction, Payment, TillError, Transaction};
use crate::world::{World, WorldError};

/// Why a step of a scenario file is refused.
#[derive(Debug, thiserror::Error)]
enum StepError<'s> {
    #[error("no earlier step is \"{0}\"")]
    UnknownLabel(&'s str),
    #[error("about: which step?")]
    AboutMissing,
    #[error("about: this deed is about nothing else")]
    AboutUnused,
    #[error("card and entry are needed")]
    CardMissing,
}

/// Why a scenario could not be read or played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("{file}: {source}")]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{file}: {reason}")]
    Parse { file: PathBuf, reason: String },
    #[error("step \"{step}\": {reason}")]
    Step { step: String, reason: String },
    #[error("step \"{step}\": {source}")]
    World { step: String, source: WorldError },
    #[error("step \"{step}\": {source}")]
    Till { step: String, source: TillError },
}

/// A file of steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    pub step: Vec<Step>,
}

/// How the card is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardEntry {
    Stripe,
    StripeCopiedFromChip,
    Chip,
    ReplayedChip,
    Contactless,
    Keyed,
    KeyedWrongCode,
    Ecommerce,
}

/// The action of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepAction {
    SignOn,
    Echo,
    Purchase,
    Preauth,
    Completion,
    Refund,
    Reversal,
    Balance,
    Verification,
    /// The same bytes once more.
    Repeat,
    /// The same trace number with another amount.
    SameStan,
}

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The purpose of the step, as text.
    pub say: String,
    /// A terminal's id, of ours or of the foreign acquirer.
    pub till: String,
    pub deed: StepAction,
    /// Note of the card.
    pub card: Option<String>,
    pub entry: Option<CardEntry>,
    #[serde(default)]
    pub pin: PinEntry,
    #[serde(default)]
    pub amount_minor: i64,
    /// The till supports partial approval.
    #[serde(default)]
    pub partial_supported: bool,
    /// Name of this step for later ones.
    pub label: Option<String>,
    /// The step that a completion, reversal or repeat is about.
    pub about: Option<String>,
    pub expect: Expectation,
}

/// Expected result of a step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Response code.
    pub code: String,
    /// Present if the approved amount is checked.
    pub approved_minor: Option<i64>,
    /// Whether the chip must have verified its issuer.
    #[serde(default)]
    pub issuer_authentic: bool,
}

/// Observed result of a step.
#[derive(Clone, Debug)]
pub struct Observed {
    /// `None` without an answer.
    pub code: Option<String>,
    pub approved_minor: i64,
    pub chip: IssuerAuthentication,
}

/// Expected and observed result of a step.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub say: String,
    pub expected: Expectation,
    pub got: Observed,
    /// The receipt, if the till printed one.
    pub receipt: Option<String>,
}

impl Outcome {
    #[must_use]
    pub fn held(&self) -> bool {
        let issuer = self.got.chip == IssuerAuthentication::Genuine { approves: true };
        self.got.code.as_deref() == Some(self.expected.code.as_str())
            && self.expected.approved_minor.is_none_or(|amount| amount == self.got.approved_minor)
            && (issuer || !self.expected.issuer_authentic)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.held() { "ok" } else { "NOT AS EXPECTED" };
        write!(f, "{}: expected {}", self.say, self.expected.code)?;
        if let Some(amount) = self.expected.approved_minor {
            write!(f, " for {}", Currency::EUR.decimal(Minor(amount)))?;
        }
        write!(f, ", got {}", self.got.code.as_deref().unwrap_or("no answer"))?;
        if self.got.approved_minor != 0 {
            write!(f, " for {}", Currency::EUR.decimal(Minor(self.got.approved_minor)))?;
        }
        match self.got.chip {
            IssuerAuthentication::Genuine { .. } => write!(f, ", the chip knows its issuer")?,
            IssuerAuthentication::Wrong => write!(f, ", THE CHIP DOES NOT KNOW THIS ISSUER")?,
            IssuerAuthentication::Absent => {}
        }
        write!(f, " – {mark}")
    }
}

impl Scenario {
    /// Reads a scenario from a file.
    pub fn load(file: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(file).map_err(|source| ScenarioError::Read { file: file.into(), source })?;
        Self::parse(&text, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, ScenarioError> {
        let refuse = |reason: String| ScenarioError::Parse { file: file.into(), reason };
        let scenario: Self = toml::from_str(text).map_err(|e| refuse(e.to_string()))?;
        let mut labels = Vec::new();
        for step in &scenario.step {
            step.check(&labels).map_err(|reason| refuse(format!("step \"{}\": {reason}", step.say)))?;
            labels.extend(step.label.as_deref());
        }
        Ok(scenario)
    }
}

impl Step {
    fn check(&self, labels: &[&str]) -> Result<(), StepError<'_>> {
        let refers = matches!(
            self.deed,
            StepAction::Completion | StepAction::Reversal | StepAction::Repeat | StepAction::SameStan
        );
        match (&self.about, refers) {
            (Some(about), true) if !labels.contains(&about.as_str()) => Err(StepError::UnknownLabel(about)),
            (None, true) => Err(StepError::AboutMissing),
            (Some(_), false) => Err(StepError::AboutUnused),
            _ if self.needs_card() && (self.card.is_none() || self.entry.is_none()) => Err(StepError::CardMissing),
            _ => Ok(()),
        }
    }

    fn needs_card(&self) -> bool {
        !matches!(
            self.deed,
            StepAction::SignOn | StepAction::Echo | StepAction::Completion | StepAction::Reversal | StepAction::Repeat
        )
    }
}

/// A scenario being played in a world.
#[derive(Debug)]
pub struct ScenarioRun<'w> {
    world: &'w World,
    done: HashMap<String, Transaction>,
}

enum Till {
    Ours(Arc<Terminal>),
    Foreign(Arc<Acquirer>),
}

/// Result of a step: a transaction with a card, or an exchange without one.
enum StepResult {
    Card(Box<Transaction>),
    Exchange(Box<Exchange>),
}

impl<'w> ScenarioRun<'w> {
    #[must_use]
    pub fn new(world: &'w World) -> Self {
        Self { world, done: HashMap::new() }
    }

    /// Plays one step.
    ///
    /// # Errors
    /// The step cannot be played at all. An unexpected result is not an error but an [`Outcome`].
    pub async fn step(&mut self, step: &Step) -> Result<Outcome, ScenarioError> {
        let done = self.perform(step).await?;
        let (exchange, chip) = match &done {
            StepResult::Card(transaction) => (&transaction.exchange, transaction.chip),
            StepResult::Exchange(exchange) => (&**exchange, IssuerAuthentication::Absent),
        };
        let got = Observed {
            code: exchange.code().map(|code| code.to_string()),
            approved_minor: exchange.approved_amount().0,
            chip,
        };
        let receipt = match &done {
            StepResult::Card(transaction) => receipt::text(transaction),
            StepResult::Exchange(_) => None,
        };
        if let (StepResult::Card(transaction), Some(label)) = (done, &step.label) {
            self.done.insert(label.clone(), *transaction);
        }
        Ok(Outcome { say: step.say.clone(), expected: step.expect.clone(), got, receipt })
    }

    async fn perform(&self, step: &Step) -> Result<StepResult, ScenarioError> {
        let wrong = |source| ScenarioError::Till { step: step.say.clone(), source };
        let till = self.till(step)?;
        let kind = match step.deed {
            StepAction::Purchase => RequestKind::Purchase,
            StepAction::Preauth => RequestKind::PreAuthorization,
            StepAction::Refund => RequestKind::Refund,
            StepAction::Balance => RequestKind::BalanceInquiry,
            StepAction::Verification => RequestKind::Verification,
            _ => return self.perform_other(step, &till).await,
        };
        let payment = self.payment(step)?;
        let decided: DecidedTransaction = match &till {
            Till::Ours(terminal) => terminal.transact_decided(kind, &payment).await,
            Till::Foreign(acquirer) => acquirer.transact_decided_at(&step.till, kind, &payment).await,
        }
        .map_err(wrong)?;
        Ok(StepResult::Card(Box::new(decided.transaction)))
    }

    /// Deeds without a card of their own.
    async fn perform_other(&self, step: &Step, till: &Till) -> Result<StepResult, ScenarioError> {
        let wrong = |source| ScenarioError::Till { step: step.say.clone(), source };
        let amount = Minor(step.amount_minor);
        let about = || {
            let label = step.about.as_deref().unwrap_or_default();
            let missing =
                || ScenarioError::Step { step: step.say.clone(), reason: format!("\"{label}\" was not played") };
            self.done.get(label).ok_or_else(missing)
        };
        let exchange = match (step.deed, till) {
            (StepAction::SignOn, Till::Ours(terminal)) => terminal.sign_on().await,
            (StepAction::SignOn, Till::Foreign(acquirer)) => acquirer.sign_on().await,
            (StepAction::Echo, Till::Ours(terminal)) => terminal.echo().await,
            (StepAction::Echo, Till::Foreign(acquirer)) => acquirer.echo().await,
            (StepAction::Reversal, Till::Ours(terminal)) => {
                terminal.reverse(about()?, reason::CUSTOMER_CANCELLED).await
            }
            (StepAction::Reversal, Till::Foreign(acquirer)) => {
                acquirer.reverse(about()?, reason::CUSTOMER_CANCELLED).await
            }
            (StepAction::Repeat, Till::Ours(terminal)) => terminal.repeat(about()?).await,
            (StepAction::Repeat, Till::Foreign(acquirer)) => acquirer.repeat(about()?).await,
            (StepAction::SameStan, till) => {
                let (about, payment) = (about()?, self.payment(step)?);
                let again = match till {
                    Till::Ours(terminal) => terminal.transact_again_as(about, &payment).await,
                    Till::Foreign(acquirer) => acquirer.transact_again_as(about, &payment).await,
                };
                return again.map(|again| StepResult::Card(Box::new(again))).map_err(wrong);
            }
            (_, till) => {
                let completed = match till {
                    Till::Ours(terminal) => terminal.complete(about()?, amount).await,
                    Till::Foreign(acquirer) => acquirer.complete(about()?, amount).await,
                };
                return completed.map(|completed| StepResult::Card(Box::new(completed))).map_err(wrong);
            }
        };
        exchange.map(|exchange| StepResult::Exchange(Box::new(exchange))).map_err(wrong)
    }

    fn till(&self, step: &Step) -> Result<Till, ScenarioError> {
        if self.world.acquirer.shop(&step.till).is_some() {
            return Ok(Till::Foreign(Arc::clone(&self.world.acquirer)));
        }
        let found = self.world.terminal(&step.till);
        found.map(Till::Ours).map_err(|source| ScenarioError::World { step: step.say.clone(), source })
    }

    fn payment(&self, step: &Step) -> Result<Payment, ScenarioError> {
        let wrong = |source| ScenarioError::World { step: step.say.clone(), source };
        let note = step.card.as_deref().unwrap_or_default();
        let card = || self.world.card(note).map_err(wrong);
        let instrument = match step.entry.unwrap_or(CardEntry::Chip) {
            CardEntry::Stripe => Instrument::Stripe(card()?),
            CardEntry::StripeCopiedFromChip => Instrument::StripeCopiedFromChip(card()?),
            CardEntry::Chip => Instrument::Chip(card()?),
            CardEntry::ReplayedChip => Instrument::ReplayedChip(card()?),
            CardEntry::Contactless => Instrument::Contactless(self.world.wallet(note).map_err(wrong)?),
            CardEntry::Keyed => Instrument::Keyed(card()?),
            CardEntry::KeyedWrongCode => Instrument::KeyedWrongCode(card()?),
            CardEntry::Ecommerce => Instrument::Ecommerce(card()?),
        };
        let payment = Payment::new(instrument, Minor(step.amount_minor), Currency::EUR).with_pin(step.pin);
        Ok(Payment { partial_supported: step.partial_supported, ..payment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        Scenario::parse(text, Path::new("s.toml"))
    }

    #[test]
    fn the_scenarios_that_come_along_are_right() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios")).unwrap() {
            let scenario = Scenario::load(&entry.unwrap().path()).unwrap();
            assert!(!scenario.step.is_empty());
        }
    }

    #[test]
    fn a_step_that_refers_to_nothing_is_refused() {
        let step = |deed: &str, more: &str| {
            let text = format!(
                "name = \"n\"\n[[step]]\nsay = \"s\"\ntill = \"T0000001\"\ndeed = \"{deed}\"\n{more}\nexpect = {{ code = \"00\" }}"
            );
            parse(&text).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(step("sign-on", ""), Ok(()));
        assert!(step("reversal", "about = \"x\"").unwrap_err().contains("no earlier step is \"x\""));
        assert!(step("reversal", "").unwrap_err().contains("about"));
        assert!(step("purchase", "amount_minor = 5").unwrap_err().contains("card and entry"));
        assert!(step("purchase", "amount = 5").unwrap_err().contains("amount"));
    }
}
