//! Both HSM daemons stand still while payments are under way: nothing can be checked or sealed, so terminals get no answer.
//! Whatever they did not learn of is taken back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{TestSystem, code, euros};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pos_sim::exchange::RequestKind;
use pos_sim::reading::Instrument;
use stage::tap::AnswerLoss;
use stage::{Program, probe};

/// The amount of the sale whose answer meets the standstill.
const CAUGHT: i64 = 4_711;

fn signal_both(system: &TestSystem, signal: Signal) -> Result<()> {
    for program in [Program::Hsm, Program::SecondHsm] {
        let pid = system.stage.pid(program).with_context(|| format!("{program} is down"))?;
        kill(Pid::from_raw(pid.cast_signed()), signal)?;
    }
    Ok(())
}

/// Polls until `what` is true.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..400 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("never: {what}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_its_terminal_never_learned_of_does_not_stay() -> Result<()> {
    let system = TestSystem::open("frozen-hsm").await?;
    let books = system.books().await?;
    let card = system.world.card("stripe")?;
    let sale = |minor| euros(Instrument::Stripe(card.clone()), minor);
    let [first, second] = [0, 1].map(|at| &system.world.terminals[at]);

    // approved by the host, its answer on the way back: held until both daemons stand still
    system.stage.tap()?.lose(AnswerLoss {
        amount: codecs::value::Minor(CAUGHT),
        answer_delay: Duration::from_secs(1),
        lost_acknowledgements: 0,
    });
    let caught = sale(CAUGHT);
    let unchecked = sale(1_111);
    let sell = async { first.transact_decided(RequestKind::Purchase, &caught).await };
    let stand_still = async {
        until("the approval is in the journal", async || {
            let row = "SELECT count(*) FROM auth WHERE kind = 'purchase' AND approved_minor = $1";
            Ok(books.query_one(row, &[&CAUGHT]).await?.get::<_, i64>(0) == 1)
        })
        .await?;
        signal_both(&system, Signal::SIGSTOP)?;
        // meanwhile one more sale comes that cannot be checked
        let unheard = second.transact(RequestKind::Purchase, &unchecked).await;
        until("the caught answer got no MAC", async || {
            Ok(probe::metric(system.stage.ports.switch_status, "switch_hsm_failures_total")? >= 2.0)
        })
        .await?;
        signal_both(&system, Signal::SIGCONT)?;
        anyhow::Ok(unheard?)
    };
    let (sold, unheard) = tokio::join!(sell, stand_still);
    let (sold, unheard) = (sold?, unheard?);
    ensure!(sold.transaction.exchange.answer().is_none(), "{}", code(&sold.transaction.exchange));
    ensure!(unheard.exchange.answer().is_none(), "{}", code(&unheard.exchange));
    let reversal = sold.reversal.context("a terminal without an answer reverses")?;
    assert_eq!(code(&reversal), "00");
    system.nothing_owed().await?;

    assert_eq!(system.available("stripe").await?, 100_000, "neither sale stays");
    assert_eq!(system.owed_to(first.acceptor().merchant.as_str()).await?, 0);
    assert_eq!(system.unbalanced().await?, 0);
    let after = first.transact(RequestKind::Purchase, &sale(2_222)).await?;
    assert_eq!(code(&after.exchange), "00", "and the daemons serve again");
    assert_eq!(system.available("stripe").await?, 100_000 - 2_222);
    Ok(())
}
