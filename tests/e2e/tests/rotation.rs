//! Keys between terminal, switch and host are rotated while payments are under way: no payment is declined because of it.

use std::time::Duration;

use anyhow::Result;
use e2e::TestSystem;
use pos_sim::load::{self, Participants, Plan};
use pos_sim::mix::Mix;
use serde_json::Value;
use stage::demo::terminal_log;
use stage::{Program, Tool};

/// Wrong PIN, too many wrong PINs, wrong security data, PIN cannot be verified, wrong key, system fault: the response codes that
/// the use of a wrong key would cause.
const FALSE_DECLINES: [&str; 7] = ["55", "75", "63", "81", "86", "88", "96"];

/// Seals by the second generation of the audit key begin with its number.
const SEALS: &str =
    "SELECT count(*) FILTER (WHERE length(mac) = 8), count(*) FILTER (WHERE get_byte(mac, 0) = 2 AND length(mac) = 9)
    FROM anchor";

async fn hsmd(system: &TestSystem, verb: &str, arguments: &[&str]) -> Result<String> {
    tokio::task::block_in_place(|| system.stage.run_tool(Tool::Hsm, verb, arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_go_on_while_keys_are_rotated() -> Result<()> {
    let system = TestSystem::open("rotation").await?;
    let plan = Plan { rate: 40, seconds: 20, concurrency: 64, mix: Mix::everyday(), seed: 21 };
    let participants = Participants::of(&system.world, "load");
    let (report, rotated) = tokio::join!(load::run(participants, &plan, |_| {}), async {
        for name in ["zpk/host", "storage", "audit", "data-kek", "zpk/host"] {
            hsmd(&system, "rotate", &[name, "--lead-s", "4"]).await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        hsmd(&system, "retire", &["zpk/host", "1"]).await?;
        hsmd(&system, "rewrap", &[]).await
    });
    let (report, rewrapped) = (report?, rotated?);
    assert!(report.approved > 0, "{report:?}");
    assert_eq!(report.undecided, 0, "{report:?}");
    assert!(rewrapped.contains("2 data keys") && !rewrapped.starts_with("0 terminals"), "{rewrapped}");

    // the switch restarts with rewrapped blocks and opens its log with a rewrapped key; then the old keys can be retired
    system.stage.kill9(Program::Switch)?;
    system.stage.wait_ready(Program::Switch)?;
    system.nothing_owed().await?;
    for name in ["storage", "data-kek"] {
        hsmd(&system, "retire", &[name, "1"]).await?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let plan = Plan { rate: 40, seconds: 3, concurrency: 64, mix: Mix::everyday(), seed: 22 };
    let after = load::run(Participants::of(&system.world, "after"), &plan, |_| {}).await?;
    assert!(after.approved > 0, "{after:?}");

    system.world.log.flush()?;
    let lines = terminal_log::read(&system.stage.options.terminal_log)?;
    let told: Vec<&str> = lines.iter().filter_map(|line| line.rc.as_deref()).collect();
    assert!(told.len() > 500, "{}", told.len());
    for code in FALSE_DECLINES {
        assert_eq!(told.iter().filter(|rc| **rc == code).count(), 0, "declined with {code}");
    }

    let seals = system.books().await?.query_one(SEALS, &[]).await?;
    let (first, second): (i64, i64) = (seals.get(0), seals.get(1));
    assert!(first > 0 && second > 0, "{first} seals by the first audit key, {second} by the second");
    let audit: Value = serde_json::from_str(&system.stage.verdict(Tool::BackOffice, "audit", &["--json"])?)?;
    let sealed = &audit["invariants"]["anchors_are_sealed"];
    assert_eq!(sealed["holds"], Value::Bool(true), "{sealed}");
    Ok(())
}
