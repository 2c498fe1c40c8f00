//! Terminals and the foreign acquirer over real TCP, against a stand-in that answers by the test's rule.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use codecs::value::{Currency, Minor, ResponseCode};
use codecs::{Message, de, mti};
use pos_sim::crypto::AesKey;
use pos_sim::crypto::key::TdesKey;
use pos_sim::crypto::pin_block::read_format_0;
use pos_sim::exchange::{NoAnswer, RequestKind};
use pos_sim::reading::{Instrument, PinEntry};
use pos_sim::request::reason;
use pos_sim::till::Payment;
use pos_sim::world::World;
use support::{BUSINESS_DATE, Folder, Reaction, StandIn, TAK, TPK, dialect, world};

const QUICK: [(&str, &str); 2] =
    [("answer_timeout_ms = 8000", "answer_timeout_ms = 300"), ("repeat_pause_ms = 500", "repeat_pause_ms = 20")];

fn approve(_: &Message) -> Reaction {
    Reaction::Answer(ResponseCode::APPROVED)
}

struct TestTills {
    folder: Folder,
    terminals: StandIn,
    acquirer: StandIn,
    world: World,
}

async fn test_tills(
    name: &str,
    at_terminals: impl FnMut(&Message) -> Reaction + Send + 'static,
    at_acquirer: impl FnMut(&Message) -> Reaction + Send + 'static,
) -> TestTills {
    let folder = Folder::new(name);
    let key = AesKey::from_hex(TAK).unwrap();
    let terminals = StandIn::start(dialect("iso87-binary"), "nac", Some(key), Box::new(at_terminals)).await;
    let acquirer = StandIn::start(dialect("iso87-ascii"), "bin2", None, Box::new(at_acquirer)).await;
    let world = world(&folder, terminals.address, acquirer.address, &QUICK).await;
    TestTills { folder, terminals, acquirer, world }
}

fn pay(instrument: Instrument, amount: i64) -> Payment {
    Payment::new(instrument, Minor(amount), Currency::EUR)
}

#[tokio::test]
async fn each_kind_carries_what_it_should() {
    let s = test_tills("kinds", approve, approve).await;
    let till = &s.world.terminals[0];
    let card = s.world.card("everyday").unwrap();
    till.sign_on().await.unwrap();
    let chip = pay(Instrument::Chip(card.clone()), 1999).with_pin(PinEntry::Right);
    till.transact(RequestKind::Purchase, &chip).await.unwrap();
    till.transact(RequestKind::Purchase, &pay(Instrument::Stripe(card.clone()), 500)).await.unwrap();
    till.transact(RequestKind::Purchase, &pay(Instrument::Contactless(s.world.wallet("everyday").unwrap()), 700))
        .await
        .unwrap();
    till.transact(RequestKind::Purchase, &pay(Instrument::Keyed(card.clone()), 800)).await.unwrap();
    let hold = till.transact(RequestKind::PreAuthorization, &pay(Instrument::Chip(card.clone()), 900)).await.unwrap();
    till.complete(&hold, Minor(850)).await.unwrap();
    till.transact(RequestKind::Refund, &pay(Instrument::Stripe(card.clone()), 100)).await.unwrap();
    till.transact(RequestKind::BalanceInquiry, &pay(Instrument::Stripe(card.clone()), 0)).await.unwrap();
    let seen = s.terminals.seen();
    let table: Vec<(String, String, Option<i64>, String)> = seen
        .iter()
        .map(|m| {
            let code = m.get::<de::ProcessingCode>().unwrap().map(|code| code.to_string());
            let elements: Vec<String> = m.elements().map(|e| e.to_string()).collect();
            let amount = m.get::<de::Amount>().unwrap().map(|amount| amount.0);
            (m.mti().to_string(), code.unwrap_or_default(), amount, elements.join(" "))
        })
        .collect();
    let row =
        |mti: &str, pc: &str, amount, elements: &str| (mti.to_owned(), pc.to_owned(), amount, elements.to_owned());
    assert_eq!(
        table,
        [
            row("0800", "", None, "11 12 13 41 42 70 128"),
            row("0200", "000000", Some(1999), "3 4 11 12 13 18 22 23 25 35 41 42 49 52 55 64"),
            row("0200", "000000", Some(500), "3 4 11 12 13 18 22 25 35 41 42 49 64"),
            row("0200", "000000", Some(700), "2 3 4 11 12 13 14 18 22 23 25 41 42 49 55 64"),
            row("0200", "000000", Some(800), "2 3 4 11 12 13 14 18 22 25 41 42 48 49 64"),
            row("0100", "000000", Some(900), "3 4 11 12 13 18 22 23 25 35 41 42 49 55 64"),
            row("0220", "000000", Some(850), "2 3 4 11 12 13 14 18 22 25 37 38 39 41 42 49 64"),
            row("0200", "200000", Some(100), "3 4 11 12 13 18 22 25 35 41 42 49 64"),
            row("0100", "310000", Some(0), "3 4 11 12 13 18 22 25 35 41 42 49 64"),
        ]
    );
    let block: [u8; 8] = seen[1].require::<de::PinBlock>().unwrap().expose().try_into().unwrap();
    let number = String::from_utf8(card.pan.expose().to_vec()).unwrap();
    assert_eq!(read_format_0(&TdesKey::from_hex(TPK).unwrap(), &number, block).unwrap().as_str(), "4711");
    let totals = till.totals(BUSINESS_DATE);
    assert_eq!((totals.debits.count, totals.debits.amount), (5, 1999 + 500 + 700 + 800 + 850));
    assert_eq!((totals.credits.count, totals.credits.amount, totals.authorizations), (1, 100, 2));
}

#[tokio::test]
async fn an_unanswered_purchase_is_reversed_until_somebody_listens() {
    let reversals = AtomicUsize::new(0);
    let rule = move |m: &Message| match m.mti().class() {
        mti::Class::Reversal if reversals.fetch_add(1, Ordering::Relaxed) >= 2 => {
            Reaction::Answer(ResponseCode::APPROVED)
        }
        _ => Reaction::NoAnswer,
    };
    let s = test_tills("reversed", rule, approve).await;
    let till = &s.world.terminals[0];
    let decided = till
        .transact_decided(RequestKind::Purchase, &pay(Instrument::Stripe(s.world.card("everyday").unwrap()), 4200))
        .await
        .unwrap();
    assert_eq!(decided.transaction.exchange.ending.as_ref().unwrap_err(), &NoAnswer::TimedOut);
    assert!(decided.reversal.unwrap().approved());
    assert_eq!(s.terminals.mtis(), ["0200", "0400", "0401", "0401"]);
    let seen = s.terminals.seen();
    let original = &seen[0];
    for reversal in &seen[1..] {
        for element in [3, 4, 11, 12, 13, 41, 42] {
            let content = |m: &Message| m.field(element).unwrap().content().into_owned();
            assert_eq!(content(reversal), content(original), "element {element}");
        }
        assert!(!reversal.has::<de::Track2>() && !reversal.has::<de::PinBlock>());
    }
    assert_eq!(till.totals(BUSINESS_DATE), Default::default());
    s.world.log.flush().unwrap();
    let log = s.folder.log("terminal-log.ndjson");
    let endings: Vec<_> =
        log.iter().map(|l| (l["mti"].as_str().unwrap(), l["rc"].as_str(), l["repeat"].as_bool().unwrap())).collect();
    assert_eq!(
        endings,
        [("0200", None, false), ("0400", None, false), ("0401", None, true), ("0401", Some("00"), true)]
    );
    assert_eq!(log[3]["original_stan"], log[0]["stan"]);
    assert!(log.iter().all(|l| l["pan_masked"].as_str().unwrap().contains("******")));
}

#[tokio::test]
async fn an_answer_that_is_not_authentic_is_no_answer() {
    let rule = |m: &Message| if m.mti().class() == mti::Class::Reversal { approve(m) } else { Reaction::BadMac };
    let s = test_tills("forged", rule, approve).await;
    let payment = pay(Instrument::Stripe(s.world.card("everyday").unwrap()), 4200);
    let decided = s.world.terminals[0].transact_decided(RequestKind::Purchase, &payment).await.unwrap();
    assert_eq!(decided.transaction.exchange.ending.as_ref().unwrap_err(), &NoAnswer::BadMac);
    assert!(decided.reversal.is_some());
}

#[tokio::test]
async fn a_lost_connection_is_dialled_again_and_the_purchase_reversed() {
    let rule = |m: &Message| if m.mti().class() == mti::Class::Reversal { approve(m) } else { Reaction::Hang };
    let s = test_tills("hung-up", rule, approve).await;
    let payment = pay(Instrument::Stripe(s.world.card("everyday").unwrap()), 4200);
    let decided = s.world.terminals[0].transact_decided(RequestKind::Purchase, &payment).await.unwrap();
    assert_eq!(decided.transaction.exchange.ending.as_ref().unwrap_err(), &NoAnswer::ConnectionLost);
    assert!(decided.reversal.unwrap().approved());
}

#[tokio::test]
async fn a_pulled_cable_ends_what_is_under_way_at_once() {
    let rule = |m: &Message| if m.mti().class() == mti::Class::Reversal { approve(m) } else { Reaction::NoAnswer };
    let s = test_tills("cable", rule, approve).await;
    let till = std::sync::Arc::clone(&s.world.terminals[0]);
    let payment = pay(Instrument::Stripe(s.world.card("everyday").unwrap()), 4200);
    let selling = {
        let till = std::sync::Arc::clone(&till);
        tokio::spawn(async move { till.transact_decided(RequestKind::Purchase, &payment).await })
    };
    while s.terminals.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    till.connection().cut();
    let decided = selling.await.unwrap().unwrap();
    assert_eq!(decided.transaction.exchange.ending.as_ref().unwrap_err(), &NoAnswer::ConnectionLost);
    assert!(decided.reversal.unwrap().approved());
}

#[tokio::test]
async fn a_late_answer_is_logged_as_late_and_changes_nothing() {
    let rule = |m: &Message| if m.mti().class() == mti::Class::Reversal { approve(m) } else { Reaction::Late(400) };
    let s = test_tills("late", rule, approve).await;
    let till = &s.world.terminals[0];
    let payment = pay(Instrument::Stripe(s.world.card("everyday").unwrap()), 4200);
    let decided = till.transact_decided(RequestKind::Purchase, &payment).await.unwrap();
    assert!(decided.reversal.unwrap().approved());
    s.world.log.flush().unwrap();
    let late: Vec<_> = s.folder.log("terminal-log.ndjson").into_iter().filter(|l| l["late"] == true).collect();
    assert_eq!(late.len(), 1);
    assert_eq!((late[0]["rc"].as_str(), late[0]["mti"].as_str()), (Some("00"), Some("0200")));
    assert_eq!(till.totals(BUSINESS_DATE), Default::default());
}

#[tokio::test]
async fn duplicates_repeat_the_bytes_and_a_reused_number_changes_the_amount() {
    let s = test_tills("duplicate", approve, approve).await;
    let till = &s.world.terminals[0];
    let card = s.world.card("everyday").unwrap();
    let first = till.transact(RequestKind::Purchase, &pay(Instrument::Stripe(card.clone()), 1000)).await.unwrap();
    till.repeat(&first).await.unwrap();
    till.transact_again_as(&first, &pay(Instrument::Stripe(card), 2000)).await.unwrap();
    let seen = s.terminals.seen();
    assert_eq!(seen[0].bytes(), seen[1].bytes());
    let stan = |m: &Message| m.require::<de::Stan>().unwrap();
    assert_eq!(stan(&seen[2]), stan(&seen[0]));
    assert_eq!(seen[2].require::<de::Amount>().unwrap(), Minor(2000));
    assert_eq!(till.totals(BUSINESS_DATE).debits.count, 2, "a repeat is not counted again");
}

#[tokio::test]
async fn the_acquirer_signs_on_names_itself_and_keeps_what_it_captured() {
    let s = test_tills("acquirer", approve, approve).await;
    let acquirer = &s.world.acquirer;
    let card = s.world.card("everyday").unwrap();
    let sale = acquirer.transact(RequestKind::Purchase, &pay(Instrument::Stripe(card.clone()), 1000)).await.unwrap();
    let other = acquirer.transact(RequestKind::Purchase, &pay(Instrument::Ecommerce(card.clone()), 300)).await.unwrap();
    acquirer.transact(RequestKind::Refund, &pay(Instrument::Stripe(card.clone()), 200)).await.unwrap();
    acquirer.reverse(&other, reason::CUSTOMER_CANCELLED).await.unwrap();
    let captures = acquirer.captures();
    assert_eq!(captures.iter().map(|c| c.amount.0).collect::<Vec<_>>(), [1000, 200]);
    assert_eq!(captures[0].life_cycle.as_deref(), Some("SWY000000000001"));
    let seen = s.acquirer.seen();
    let requests: Vec<_> = seen.iter().filter(|m| m.mti().class() != mti::Class::Network).collect();
    assert!(seen[0].mti().class() == mti::Class::Network, "nothing before the sign-on");
    assert!(requests.iter().all(|m| m.has::<de::TransmissionTime>() && m.has::<de::Acquirer>() && m.has::<de::Rrn>()));
    let reversal = requests.last().unwrap();
    let named = reversal.require::<de::OriginalData>().unwrap();
    assert_eq!((reversal.mti().as_str(), named.stan), ("0420", other.original.trace.stan));
    assert_ne!(reversal.require::<de::Stan>().unwrap(), named.stan);
    assert_ne!(sale.original.rrn, other.original.rrn);
    let totals = acquirer.totals(BUSINESS_DATE);
    assert_eq!((totals.debits.count, totals.debit_reversals.count, totals.credits.count), (2, 1, 1));
}
