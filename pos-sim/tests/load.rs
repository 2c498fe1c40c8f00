//! The load tool against a stand-in over real TCP: its report is right, and every request is decided in the end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use codecs::value::ResponseCode;
use codecs::{Message, de, mti};
use pos_sim::crypto::AesKey;
use pos_sim::load::{Participants, Plan, run};
use pos_sim::mix::Mix;
use support::{Folder, Reaction, StandIn, TAK, dialect, world};

const QUICK: [(&str, &str); 2] =
    [("answer_timeout_ms = 8000", "answer_timeout_ms = 250"), ("repeat_pause_ms = 500", "repeat_pause_ms = 20")];

fn plan(rate: u32) -> Plan {
    Plan { rate, seconds: 1, concurrency: 64, mix: Mix::everyday(), seed: 3 }
}

async fn stand_ins(rule: impl FnMut(&Message) -> Reaction + Send + Clone + 'static) -> (StandIn, StandIn) {
    let key = AesKey::from_hex(TAK).unwrap();
    let terminals = StandIn::start(dialect("iso87-binary"), "nac", Some(key), Box::new(rule.clone())).await;
    let acquirer = StandIn::start(dialect("iso87-ascii"), "bin2", None, Box::new(rule)).await;
    (terminals, acquirer)
}

/// Declines amounts above every limit.
fn decide(message: &Message) -> Reaction {
    let amount = message.get::<de::Amount>().unwrap().map_or(0, |amount| amount.0);
    let over = amount > 1_000_000 && message.mti().class() != mti::Class::Reversal;
    Reaction::Answer(if over { ResponseCode::EXCEEDS_LIMIT } else { ResponseCode::APPROVED })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_sends_everything_and_counts_it_right() {
    let folder = Folder::new("load");
    let (terminals, acquirer) = stand_ins(decide).await;
    let world = world(&folder, terminals.address, acquirer.address, &QUICK).await;
    let mut told = Vec::new();
    let report = run(Participants::of(&world, "load"), &plan(400), |progress| told.push(*progress)).await.unwrap();
    assert_eq!((report.sent, report.answered, report.timeouts, report.errors), (400, 400, 0, 0));
    assert_eq!(report.approved + report.declined, 400);
    assert!((1..40).contains(&report.declined), "{} over the limit", report.declined);
    assert!(report.latency_us.p50 > 0 && report.latency_us.p50 <= report.latency_us.p99);
    assert!(report.latency_us.p99 <= report.latency_us.max);
    assert_eq!(told.last().unwrap().answered, 400);
    let requests = |seen: Vec<Message>| seen.iter().filter(|m| m.mti().class() != mti::Class::Network).count();
    let (ours, foreign) = (requests(terminals.seen()), requests(acquirer.seen()));
    assert_eq!(ours + foreign, 400);
    assert!((60..140).contains(&foreign), "a quarter comes from the acquirer, not {foreign}");
    world.log.flush().unwrap();
    let log = folder.log("terminal-log.ndjson");
    assert_eq!(log.iter().filter(|line| line["kind"] != "sign-on").count(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_every_exchange_ends_decided() {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // some requests are not answered, some close the connection, and the first reversals are not answered either
    fn unreliable(message: &Message) -> Reaction {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        match message.mti().class() {
            mti::Class::Network => Reaction::Answer(ResponseCode::APPROVED),
            _ if n % 23 == 7 => Reaction::NoAnswer,
            _ if n % 41 == 3 => Reaction::Hang,
            _ => decide(message),
        }
    }
    let folder = Folder::new("broken");
    let (terminals, acquirer) = stand_ins(unreliable).await;
    let world = world(&folder, terminals.address, acquirer.address, &QUICK).await;
    let report = run(Participants::of(&world, "load"), &plan(300), |_| {}).await.unwrap();
    assert_eq!(report.sent, report.answered + report.timeouts + report.errors);
    assert!(report.timeouts > 5, "{report:?}");
    assert_eq!(report.undecided, 0);
    world.log.flush().unwrap();
    // by the log alone: each request that could move money has an answer or an acknowledged reversal
    let mut open: HashMap<(String, String), String> = HashMap::new();
    for line in folder.log("terminal-log.ndjson") {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let key = |stan: String| (text("terminal"), stan);
        match (text("kind").as_str(), line["rc"].as_str()) {
            ("purchase" | "refund", None) => drop(open.insert(key(text("stan")), text("mti"))),
            ("reversal", Some("00")) => drop(open.remove(&key(text("original_stan")))),
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_loop_keeps_its_concurrency() {
    let folder = Folder::new("closed");
    let (terminals, acquirer) = stand_ins(decide).await;
    let world = world(&folder, terminals.address, acquirer.address, &QUICK).await;
    let report = run(Participants::of(&world, "load"), &Plan { concurrency: 8, ..plan(0) }, |_| {}).await.unwrap();
    assert_eq!(report.sent, report.answered);
    assert!(report.sent > 100, "{report:?}");
}

#[tokio::test]
async fn without_cards_there_is_nothing_to_do() {
    let refused = run(Participants::default(), &plan(10), |_| {}).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn chips_go_on_counting_where_another_run_left_them() {
    let folder = Folder::new("counters");
    let (terminals, acquirer) = stand_ins(decide).await;
    let counter = |world: &pos_sim::world::World| world.card("everyday").unwrap().chip.counter();
    let first = world(&folder, terminals.address, acquirer.address, &QUICK).await;
    assert_eq!(counter(&first), 0);
    let payment = pos_sim::till::Payment::new(
        pos_sim::reading::Instrument::Chip(first.card("everyday").unwrap()),
        codecs::value::Minor(100),
        codecs::value::Currency::EUR,
    );
    first.terminals[0].transact(pos_sim::exchange::RequestKind::Purchase, &payment).await.unwrap();
    drop(first);
    let kept = std::fs::read_to_string(folder.file("chip-counters.json")).unwrap();
    assert!(!kept.contains("400012"), "{kept}");
    let second = world(&folder, terminals.address, acquirer.address, &QUICK).await;
    assert!(counter(&second) > 1, "{}", counter(&second));
}
