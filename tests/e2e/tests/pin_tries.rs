//! A PIN is guessed from outside, over TCP, while the programs that verify and count are killed: as many outcomes become known as
//! the card has tries, and no try is lost without an attempt. `scripts/pin-tries` runs the same with many more kills.

use anyhow::{Context, Result};
use e2e::TestSystem;
use stage::pin_tries::kill_moments::KillMoment;
use stage::pin_tries::kills::Figures;
use stage::pin_tries::{MAX_TRIES, kill_moments, kills, load_cards, parallel};

const GUESSES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_card_gives_away_three_outcomes_however_it_is_asked() -> Result<()> {
    let system = TestSystem::open("pin-tries").await?;
    let (stage, world) = (&system.stage, &system.world);
    let mut cards = load_cards(world).into_iter();

    let guesses = parallel::guess(stage, world, &cards.next().context("a card")?, GUESSES).await?;
    let told: Vec<&str> = guesses.wrong.iter().filter_map(|entry| entry.code.as_deref()).collect();
    let of = |code| told.iter().filter(|told| **told == code).count();
    assert_eq!((of("55"), of("75"), told.len()), (MAX_TRIES - 1, GUESSES + 1 - MAX_TRIES, GUESSES));
    assert_eq!((guesses.tries, guesses.right.code.as_deref()), (MAX_TRIES, Some("75")));

    for moment in KillMoment::ALL {
        let round = kill_moments::round(stage, world, &cards.next().context("a card")?, moment).await?;
        assert!(round.held(moment), "{}: {round:?}", moment.words());
    }

    let cards: Vec<_> = cards.collect();
    let figures = kills::kill_daemons(stage, world, &cards, 6).await?.figures();
    assert!(figures.wrong_told > 0 && figures.right > 0, "{figures:?}");
    let harmless = Figures {
        right: figures.right,
        wrong: figures.wrong,
        without_outcome: figures.without_outcome,
        wrong_told: figures.wrong_told,
        counted: figures.wrong_told,
        ..Figures::default()
    };
    assert_eq!(figures, harmless);
    Ok(())
}
