//! Programs die by `kill -9` while payments are under way: acknowledged payments are posted once, the others are reversed.

use std::time::Duration;

use anyhow::Result;
use e2e::TestSystem;
use pos_sim::load::{self, Participants, Plan};
use pos_sim::mix::Mix;
use stage::Program;
use stage::demo::{compare, terminal_log};

/// Runs a load for a few seconds and kills `program` in the middle.
async fn survives(name: &str, program: Program) -> Result<()> {
    let system = TestSystem::open(name).await?;
    let plan = Plan { rate: 50, seconds: 4, concurrency: 64, mix: Mix::everyday(), seed: 7 };
    let participants = Participants::of(&system.world, "load");
    let (report, killed) = tokio::join!(load::run(participants, &plan, |_| {}), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        system.stage.kill9(program)
    });
    killed?;
    let report = report?;
    system.stage.wait_ready(program)?;
    system.nothing_owed().await?;

    assert_eq!(system.stage.restarts(program), 1, "{program} came back by itself");
    assert!(report.approved > 0, "{report:?}");
    assert_eq!(report.undecided, 0, "{report:?}");
    system.world.log.flush()?;
    let lines = terminal_log::read(&system.stage.options.terminal_log)?;
    let compared = compare::with_journal(&lines, &system.books().await?).await?;
    assert!(compared.compared > 0);
    assert_eq!(compared.differences, [], "lost or doubled");
    assert_eq!(system.unbalanced().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_death_loses_and_doubles_nothing() -> Result<()> {
    survives("kill-host", Program::Host).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switchs_death_loses_and_doubles_nothing() -> Result<()> {
    survives("kill-switch", Program::Switch).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_databases_death_loses_and_doubles_nothing() -> Result<()> {
    survives("kill-postgres", Program::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hsm_daemons_death_loses_and_doubles_nothing() -> Result<()> {
    survives("kill-hsmd", Program::Hsm).await
}
