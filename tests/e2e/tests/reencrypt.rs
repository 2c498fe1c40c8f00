//! The vault key is rotated while payments are under way; every stored PAN is re-encrypted, and the old key can be retired.

use std::time::Duration;

use anyhow::Result;
use e2e::{TestSystem, code, euros};
use pos_sim::exchange::RequestKind;
use pos_sim::load::{self, Participants, Plan};
use pos_sim::mix::Mix;
use pos_sim::reading::{Instrument, PinEntry};
use serde_json::Value;
use stage::Tool;

const OLD: &str = "SELECT (SELECT count(*) FROM card WHERE get_byte(pan_envelope, 0) = 1)
    + (SELECT count(*) FROM foreign_card WHERE get_byte(pan_envelope, 0) = 1)
    + (SELECT count(*) FROM token_vault WHERE get_byte(envelope, 0) = 1 OR get_byte(dpan_envelope, 0) = 1)";

fn sum(report: &Value, field: &str) -> u64 {
    report.as_array().into_iter().flatten().filter_map(|column| column[field].as_u64()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_go_on_while_the_vault_moves_to_a_new_key() -> Result<()> {
    let system = TestSystem::open("reencrypt").await?;
    // the host keeps what it has read of a wallet that has paid: the funding PAN's envelope too
    let wallet = euros(Instrument::Contactless(system.world.wallet("wallet")?), 1_000).with_pin(PinEntry::Right);
    let terminal = &system.world.terminals[0];
    let first = terminal.transact(RequestKind::Purchase, &wallet).await?;
    assert_eq!(code(&first.exchange), "00");
    let plan = Plan { rate: 40, seconds: 14, concurrency: 64, mix: Mix::everyday(), seed: 11 };
    let participants = Participants::of(&system.world, "load");
    let (report, moved) = tokio::join!(load::run(participants, &plan, |_| {}), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        tokio::task::block_in_place(|| system.stage.run_tool(Tool::Hsm, "rotate", &["vault", "--lead-s", "4"]))?;
        tokio::time::sleep(Duration::from_secs(6)).await;
        let said = tokio::task::block_in_place(|| system.stage.run_tool(Tool::BackOffice, "reencrypt", &[]))?;
        anyhow::Ok(serde_json::from_str::<Value>(&said)?)
    });
    let (report, moved) = (report?, moved?);
    assert!(report.approved > 0, "{report:?}");
    assert_eq!(report.undecided, 0, "{report:?}");
    assert!(sum(&moved, "moved") > 0, "{moved}");
    assert_eq!(sum(&moved, "unreadable"), 0, "{moved}");
    let left: i64 = system.books().await?.query_one(OLD, &[]).await?.get(0);
    assert_eq!(left, 0, "{moved}");

    let unraised: i64 =
        system.books().await?.query_one("SELECT count(*) FROM token WHERE version = 1", &[]).await?.get(0);
    assert_eq!(unraised, 0, "whoever has cached a token learns that its envelope was replaced");

    // a second run has nothing to do, and the old key can be retired
    let again: Value = serde_json::from_str(&system.stage.run_tool(Tool::BackOffice, "reencrypt", &[])?)?;
    assert_eq!((sum(&again, "found"), sum(&again, "moved")), (0, 0), "{again}");
    system.stage.run_tool(Tool::Hsm, "retire", &["vault", "1"])?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let later = terminal.transact(RequestKind::Purchase, &wallet).await?;
    assert_eq!(code(&later.exchange), "00", "a wallet that paid before the old key was retired, and not since");
    let plan = Plan { rate: 40, seconds: 2, concurrency: 64, mix: Mix::everyday(), seed: 12 };
    let after = load::run(Participants::of(&system.world, "after"), &plan, |_| {}).await?;
    assert!(after.approved > 0, "{after:?}");
    Ok(())
}
