//! The host's answer is lost: the terminal is told no, and the money must come back even if the switch dies in between.

use std::time::Duration;

use anyhow::Result;
use codecs::value::Minor;
use e2e::{Theatre, code, euros};
use pos_sim::exchange::Kind;
use pos_sim::reading::Instrument;
use stage::Program;
use stage::tap::Loss;

#[tokio::test(flavor = "multi_thread")]
async fn an_owed_reversal_survives_the_death_of_the_switch() -> Result<()> {
    let theatre = Theatre::open("time-out").await?;
    let card = theatre.world.card("lost answer")?;
    let terminal = &theatre.world.terminals[0];
    // No acknowledgement gets through before the switch is killed, so that the reversal is still owed when it comes back.
    theatre.stage.tap.lose(Loss {
        amount: Minor(4_711),
        answer_delay: Duration::from_secs(3),
        lost_acknowledgements: 1,
    });

    let declined = terminal.transact(Kind::Purchase, &euros(Instrument::Chip(card), 4_711)).await?;
    assert_eq!(code(&declined.exchange), "91");
    theatre.stage.kill9(Program::Switch)?;
    theatre.stage.wait_ready(Program::Switch)?;
    theatre.nothing_owed().await?;

    assert_eq!(theatre.stage.restarts(Program::Switch), 1);
    let reversed: i64 = theatre
        .books()
        .await?
        .query_one("SELECT count(*) FROM auth WHERE kind = 'reversal' AND approved_minor = 4711", &[])
        .await?
        .get(0);
    assert_eq!(reversed, 1, "the purchase was taken back once, however often the reversal was offered");
    assert_eq!(theatre.available("lost answer").await?, 100_000);
    assert_eq!(theatre.owed_to(terminal.acceptor().merchant.as_str()).await?, 0);
    Ok(())
}
