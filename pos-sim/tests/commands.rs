//! The command line as a script uses it, and scenarios step by step.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Output;

use codecs::value::ResponseCode;
use codecs::{Message, de};
use pos_sim::crypto::AesKey;
use pos_sim::scenario::{Scenario, ScenarioRun};
use serde_json::{Value, json};
use support::{Folder, Reaction, StandIn, TAK, dialect, world};
use tokio::process::Command;

fn decide(message: &Message) -> Reaction {
    let amount = message.get::<de::Amount>().unwrap().map_or(0, |amount| amount.0);
    Reaction::Answer(if amount > 1_000_000 { ResponseCode::EXCEEDS_LIMIT } else { ResponseCode::APPROVED })
}

async fn pos_sim(arguments: &[&str]) -> Output {
    let dialects = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/dialects");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pos-sim"));
    command.args(arguments).args(["--dialects-dir", dialects]).output().await.unwrap()
}

#[tokio::test]
async fn load_prints_one_json_object_with_printed_cards_alone() {
    let folder = Folder::new("printed");
    let stand_in = StandIn::start(dialect("iso87-ascii"), "bin2", None, Box::new(decide)).await;
    let world = world(&folder, stand_in.address, stand_in.address, &[]).await;
    world.write_directory(&folder.0).unwrap();
    let (cards, target) = (folder.file("cards.json").display().to_string(), stand_in.address.to_string());
    let log = folder.file("own-log.ndjson").display().to_string();
    let arguments =
        ["load", "--target", &target, "--rate", "200", "--seconds", "1", "--json", "--cards", &cards, "--log", &log];
    let output = pos_sim(&arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["sent"], &report["answered"]), (&json!(200), &json!(200)));
    for key in ["approved", "declined", "timeouts", "errors", "tps"] {
        assert!(report[key].is_number(), "{key} is missing");
    }
    for key in ["p50", "p90", "p99", "p999", "max"] {
        assert!(report["latency_us"][key].as_u64().unwrap() > 0, "{key} is missing");
    }
    assert!(folder.log("own-log.ndjson").len() >= 200);
    let stripes = stand_in.seen().iter().filter(|m| m.has::<de::Track2>()).count();
    assert_eq!(stripes, 0, "nobody can swipe a card that he only read");
}

#[tokio::test]
async fn load_without_keys_or_cards_says_what_is_missing() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/pos-sim.toml");
    let output = pos_sim(&["load", "--target", "127.0.0.1:1", "--config", config]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--cards") && said.lines().count() == 1, "{said}");
}

#[tokio::test]
async fn send_prints_the_answer_for_people() {
    let folder = Folder::new("send");
    let stand_in = StandIn::start(dialect("iso87-ascii"), "bin2", None, Box::new(decide)).await;
    let echo = json!({"mti": "0800", "fields": {"7": "1120101530", "11": "000007", "70": "301"}});
    let file = folder.write("echo.json", &echo.to_string()).display().to_string();
    let target = stand_in.address.to_string();
    let output = pos_sim(&["send", "--target", &target, "--dialect", "iso87-ascii", "--framing", "bin2", &file]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("0810") && said.contains("000007"), "{said}");
    assert_eq!(stand_in.mtis(), ["0800"]);
}

#[tokio::test]
async fn a_scenario_says_what_it_expected_and_what_came() {
    let folder = Folder::new("scenario");
    let key = AesKey::from_hex(TAK).unwrap();
    let terminals = StandIn::start(dialect("iso87-binary"), "nac", Some(key), Box::new(decide)).await;
    let acquirer = StandIn::start(dialect("iso87-ascii"), "bin2", None, Box::new(decide)).await;
    let world = world(&folder, terminals.address, acquirer.address, &[]).await;
    let file = folder.write(
        "s.toml",
        r#"
        name = "small"
        [[step]]
        say = "by wallet"
        till = "T0000002"
        deed = "purchase"
        card = "everyday"
        entry = "contactless"
        amount_minor = 1275
        label = "sale"
        expect = { code = "00", approved_minor = 1275 }
        [[step]]
        say = "taken back"
        till = "T0000002"
        deed = "reversal"
        about = "sale"
        expect = { code = "00" }
        [[step]]
        say = "far too much"
        till = "F0000001"
        deed = "purchase"
        card = "everyday"
        entry = "ecommerce"
        amount_minor = 99999999
        expect = { code = "00" }
        "#,
    );
    let scenario = Scenario::load(&file).unwrap();
    let mut play = ScenarioRun::new(&world);
    let mut said = Vec::new();
    let mut receipts = Vec::new();
    for step in &scenario.step {
        let outcome = play.step(step).await.unwrap();
        receipts.extend(outcome.receipt.clone());
        said.push((outcome.held(), outcome.to_string()));
    }
    assert_eq!(said.iter().map(|(held, _)| *held).collect::<Vec<_>>(), [true, true, false], "{said:?}");
    assert!(said[2].1.contains("expected 00, got 61"), "{}", said[2].1);
    assert_eq!(receipts.len(), 1, "a reversal and a decline print nothing");
    let receipt = &receipts[0];
    assert!(receipt.lines().all(|line| line.chars().count() <= 40), "{receipt}");
    for part in ["SALE", "EUR 12.75", "DEVICE", "************0013", "F0000085830001", "A00001", "632400000001"] {
        assert!(receipt.contains(part), "{part} is not on\n{receipt}");
    }
    assert!(!receipt.contains("400012"), "{receipt}");
}
