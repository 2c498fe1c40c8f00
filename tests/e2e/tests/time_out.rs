//! The host's answer is lost: the terminal gets a decline, and the purchase must be reversed even if the switch dies in between.

use std::time::Duration;

use anyhow::Result;
use codecs::value::Minor;
use e2e::{TestSystem, code, euros};
use pos_sim::exchange::RequestKind;
use pos_sim::reading::Instrument;
use stage::Program;
use stage::tap::AnswerLoss;

#[tokio::test(flavor = "multi_thread")]
async fn an_owed_reversal_survives_the_death_of_the_switch() -> Result<()> {
    let system = TestSystem::open("time-out").await?;
    let card = system.world.card("lost answer")?;
    let terminal = &system.world.terminals[0];
    // No acknowledgement gets through before the switch is killed, so that the reversal is still owed when it comes back.
    system.stage.tap()?.lose(AnswerLoss {
        amount: Minor(4_711),
        answer_delay: Duration::from_secs(3),
        lost_acknowledgements: 1,
    });

    let declined = terminal.transact(RequestKind::Purchase, &euros(Instrument::Chip(card), 4_711)).await?;
    assert_eq!(code(&declined.exchange), "91");
    system.stage.kill9(Program::Switch)?;
    system.stage.wait_ready(Program::Switch)?;
    system.nothing_owed().await?;

    assert_eq!(system.stage.restarts(Program::Switch), 1);
    let reversed: i64 = system
        .books()
        .await?
        .query_one("SELECT count(*) FROM auth WHERE kind = 'reversal' AND approved_minor = 4711", &[])
        .await?
        .get(0);
    assert_eq!(reversed, 1, "the purchase was taken back once, however often the reversal was offered");
    assert_eq!(system.available("lost answer").await?, 100_000);
    assert_eq!(system.owed_to(terminal.acceptor().merchant.as_str()).await?, 0);
    Ok(())
}
