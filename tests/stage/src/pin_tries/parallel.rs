//! Many wrong PINs at once on one card, and then the right one.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use pos_sim::card::Card;
use pos_sim::reading::PinEntry;
use pos_sim::world::World;

use super::MAX_TRIES;
use super::entry::{Entry, Heard, count, enter};
use super::kept;
use crate::demo::narrate::Narrator;
use crate::stage::Stage;

/// What came of it.
#[derive(Debug)]
pub struct Guesses {
    pub wrong: Vec<Entry>,
    /// The right PIN, entered after all of them.
    pub right: Entry,
    /// The counter in the database at the end.
    pub tries: usize,
}

impl Guesses {
    /// Answers that told something about a PIN: those that say wrong, and the one with which the tries were over. Every
    /// later 75 is the same for a right and a wrong PIN.
    pub fn outcomes_released(&self) -> usize {
        count(&self.wrong, Heard::Wrong) + count(&self.wrong, Heard::Exhausted).min(1)
    }
}

/// Sends `times` wrong PINs for one card at once, spread over the terminals.
pub async fn guess(stage: &Stage, world: &World, card: &Arc<Card>, times: usize) -> Result<Guesses> {
    let terminals = world.terminals.iter().cycle().take(times);
    let wrong = try_join_all(terminals.map(|terminal| enter(terminal, card, PinEntry::Wrong))).await?;
    let terminal = world.terminals.first().context("no terminal")?;
    let right = enter(terminal, card, PinEntry::Right).await?;
    let tries = kept::of(&stage.database().await?, card).await?.tries;
    Ok(Guesses { wrong, right, tries })
}

pub fn judge(told: &mut Narrator, guesses: &Guesses) {
    let heard = |heard| count(&guesses.wrong, heard);
    told.equal("answered", guesses.wrong.len(), guesses.wrong.len() - heard(Heard::Nothing));
    told.equal("told that the PIN is wrong (55)", MAX_TRIES - 1, heard(Heard::Wrong));
    told.equal("told that the tries are over (75)", guesses.wrong.len() + 1 - MAX_TRIES, heard(Heard::Exhausted));
    told.equal("accepted", 0, heard(Heard::Accepted));
    told.equal("outcomes released", MAX_TRIES, guesses.outcomes_released());
    told.equal("tries in the database", MAX_TRIES, guesses.tries);
    told.equal("the right PIN, afterwards", "75", guesses.right.code.as_deref().unwrap_or("no answer"));
}
