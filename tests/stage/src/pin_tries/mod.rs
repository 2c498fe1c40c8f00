//! Checks that no PIN is tried more often than its card allows, and that no try is lost without an attempt. PINs are guessed from
//! outside, over TCP, while the programs that verify and count are killed; the terminals' outcomes are compared with the
//! database.

pub mod card_tries;
pub mod kill_moments;
pub mod kills;
pub mod parallel;
pub mod pin_attempt;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use pos_sim::card::Card;
use pos_sim::world::World;

use crate::demo::narrate::Narrator;
use crate::layout::state_root;
use crate::population::Population;
use crate::stage::{Options, Stage};
use kill_moments::KillMoment;

/// Wrong PINs in a row that `config/host.toml` allows.
pub const MAX_TRIES: usize = 3;

#[derive(Debug, Clone, Args)]
pub struct PinTriesArguments {
    /// Wrong PINs at once on one card
    #[arg(long, default_value_t = 200)]
    parallel: usize,
    /// Kills at each named moment between a verification and its answer
    #[arg(long, default_value_t = 10)]
    placed: usize,
    /// Kills of hsmd while cardholders enter right and wrong PINs
    #[arg(long, default_value_t = 100)]
    kills: u32,
}

/// Cardholders who enter PINs while daemons are killed.
const HOLDERS: usize = 24;

/// Guesses PINs and kills programs; true if every check held.
pub async fn run(checkout: &Path, arguments: &PinTriesArguments) -> Result<bool> {
    let mut told = Narrator::new();
    told.step("Raising the stage");
    let mut options = Options::new(checkout, state_root(checkout).join("pin-tries"))?;
    let cards = 1 + KillMoment::ALL.len() * arguments.placed + HOLDERS;
    options.population = Population { load_cards: u32::try_from(cards)?, load_wallets: 1, ..Population::demo() };
    let stage = Stage::start(options).await?;
    let world = stage.open_world().await?;
    for terminal in &world.terminals {
        terminal.sign_on().await?;
    }
    let mut cards = load_cards(&world).into_iter();

    told.step(format!("{} wrong PINs at once on one card, over TCP", arguments.parallel));
    let card = cards.next().context("no card")?;
    let guesses = parallel::guess(&stage, &world, &card, arguments.parallel).await?;
    parallel::judge(&mut told, &guesses);

    for moment in KillMoment::ALL {
        told.step(format!("kill -9 of {}, {} times", moment.words(), arguments.placed));
        let mut rounds = Vec::new();
        for card in cards.by_ref().take(arguments.placed) {
            rounds.push(kill_moments::round(&stage, &world, &card, moment).await?);
        }
        kill_moments::judge(&mut told, moment, &rounds);
    }

    told.step(format!("kill -9 of hsmd, {} times, while {HOLDERS} cardholders enter PINs", arguments.kills));
    let cards: Vec<_> = cards.collect();
    let results = kills::kill_daemons(&stage, &world, &cards, arguments.kills).await?;
    kills::judge(&mut told, &results);
    told.close();
    Ok(told.all_held())
}

/// Cards that no other test or step uses.
pub fn load_cards(world: &World) -> Vec<Arc<Card>> {
    world.cards.iter().filter(|card| card.note.starts_with("load ")).cloned().collect()
}
