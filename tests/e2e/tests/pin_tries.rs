//! Guessing a PIN from outside, over TCP, while what verifies and what counts is killed: as many outcomes become known as the
//! card has tries, and no try is spent that nobody made. `scripts/pin-tries` plays the same in earnest.

use anyhow::{Context, Result};
use e2e::Theatre;
use stage::pin_tries::kills::Figures;
use stage::pin_tries::placed::Moment;
use stage::pin_tries::{MAX_TRIES, kills, load_cards, parallel, placed};

const GUESSES: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_card_gives_away_three_outcomes_however_it_is_asked() -> Result<()> {
    let theatre = Theatre::open("pin-tries").await?;
    let (stage, world) = (&theatre.stage, &theatre.world);
    let mut cards = load_cards(world).into_iter();

    let guesses = parallel::guess(stage, world, &cards.next().context("a card")?, GUESSES).await?;
    let told: Vec<&str> = guesses.wrong.iter().filter_map(|entry| entry.code.as_deref()).collect();
    let of = |code| told.iter().filter(|told| **told == code).count();
    assert_eq!((of("55"), of("75"), told.len()), (MAX_TRIES - 1, GUESSES + 1 - MAX_TRIES, GUESSES));
    assert_eq!((guesses.tries, guesses.right.code.as_deref()), (MAX_TRIES, Some("75")));

    for moment in Moment::ALL {
        let round = placed::round(stage, world, &cards.next().context("a card")?, moment).await?;
        assert!(round.held(moment), "{}: {round:?}", moment.words());
    }

    let cards: Vec<_> = cards.collect();
    let figures = kills::endure(stage, world, &cards, 6).await?.figures();
    assert!(figures.wrong_told > 0 && figures.right > 0, "{figures:?}");
    let harmless = Figures {
        right: figures.right,
        wrong: figures.wrong,
        unheard: figures.unheard,
        wrong_told: figures.wrong_told,
        counted: figures.wrong_told,
        ..Figures::default()
    };
    assert_eq!(figures, harmless);
    Ok(())
}
