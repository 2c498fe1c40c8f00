//! Is a PIN tried more often than its card allows, or a try lost that nobody made? Guesses from outside, over the wire, while
//! the programs that verify and count are killed; what the terminals heard is held against what the database says.

pub mod entry;
pub mod kept;
pub mod kills;
pub mod parallel;
pub mod placed;

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
use placed::Moment;

/// Wrong PINs in a row that `config/host.toml` lets a card survive.
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

/// Guesses and kills; true if everything held.
pub async fn run(checkout: &Path, arguments: &PinTriesArguments) -> Result<bool> {
    let mut told = Narrator::new();
    told.step("Raising the stage");
    let mut options = Options::new(checkout, state_root(checkout).join("pin-tries"))?;
    let cards = 1 + Moment::ALL.len() * arguments.placed + HOLDERS;
    options.population = Population { load_cards: u32::try_from(cards)?, load_wallets: 1, ..Population::demo() };
    let stage = Stage::raise(options).await?;
    let world = stage.outside().await?;
    for terminal in &world.terminals {
        terminal.sign_on().await?;
    }
    let mut cards = load_cards(&world).into_iter();

    told.step(format!("{} wrong PINs at once on one card, over TCP", arguments.parallel));
    let card = cards.next().context("no card")?;
    let guesses = parallel::guess(&stage, &world, &card, arguments.parallel).await?;
    parallel::judge(&mut told, &guesses);

    for moment in Moment::ALL {
        told.step(format!("kill -9 of {}, {} times", moment.words(), arguments.placed));
        let mut rounds = Vec::new();
        for card in cards.by_ref().take(arguments.placed) {
            rounds.push(placed::round(&stage, &world, &card, moment).await?);
        }
        placed::judge(&mut told, moment, &rounds);
    }

    told.step(format!("kill -9 of hsmd, {} times, while {HOLDERS} cardholders enter PINs", arguments.kills));
    let cards: Vec<_> = cards.collect();
    let endured = kills::endure(&stage, &world, &cards, arguments.kills).await?;
    kills::judge(&mut told, &endured);
    told.close();
    Ok(told.all_held())
}

/// Cards that no story uses.
pub fn load_cards(world: &World) -> Vec<Arc<Card>> {
    world.cards.iter().filter(|card| card.note.starts_with("load ")).cloned().collect()
}
