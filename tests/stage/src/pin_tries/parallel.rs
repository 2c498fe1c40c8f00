//! Many wrong PINs at once on one card, and then the right one.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use pos_sim::card::Card;
use pos_sim::reading::PinEntry;
use pos_sim::world::World;

use super::MAX_TRIES;
use super::card_tries;
use super::pin_attempt::{PinAttempt, PinOutcome, count, enter};
use crate::demo::narrate::Narrator;
use crate::stage::Stage;

/// Results of the guesses.
#[derive(Debug)]
pub struct Guesses {
    pub wrong: Vec<PinAttempt>,
    /// The right PIN, entered after all of them.
    pub right: PinAttempt,
    /// The counter in the database at the end.
    pub tries: usize,
}

impl Guesses {
    /// Answers that reveal something about a PIN: those that say wrong, and the first that says that no tries are left. Every
    /// later 75 is the same for a right and a wrong PIN.
    pub fn outcomes_released(&self) -> usize {
        count(&self.wrong, PinOutcome::Wrong) + count(&self.wrong, PinOutcome::Exhausted).min(1)
    }
}

/// Sends `times` wrong PINs for one card at once, spread over the terminals.
pub async fn guess(stage: &Stage, world: &World, card: &Arc<Card>, times: usize) -> Result<Guesses> {
    let terminals = world.terminals.iter().cycle().take(times);
    let wrong = try_join_all(terminals.map(|terminal| enter(terminal, card, PinEntry::Wrong))).await?;
    let terminal = world.terminals.first().context("no terminal")?;
    let right = enter(terminal, card, PinEntry::Right).await?;
    let tries = card_tries::of(&stage.database().await?, card).await?.tries;
    Ok(Guesses { wrong, right, tries })
}

pub fn judge(told: &mut Narrator, guesses: &Guesses) {
    let outcomes = |outcome| count(&guesses.wrong, outcome);
    told.equal("answered", guesses.wrong.len(), guesses.wrong.len() - outcomes(PinOutcome::Nothing));
    told.equal("told that the PIN is wrong (55)", MAX_TRIES - 1, outcomes(PinOutcome::Wrong));
    told.equal(
        "told that the tries are over (75)",
        guesses.wrong.len() + 1 - MAX_TRIES,
        outcomes(PinOutcome::Exhausted),
    );
    told.equal("accepted", 0, outcomes(PinOutcome::Accepted));
    told.equal("outcomes released", MAX_TRIES, guesses.outcomes_released());
    told.equal("tries in the database", MAX_TRIES, guesses.tries);
    told.equal("the right PIN, afterwards", "75", guesses.right.code.as_deref().unwrap_or("no answer"));
}
