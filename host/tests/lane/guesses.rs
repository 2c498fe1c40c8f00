//! One printed code tried on many cards: no card notices, the merchant's requests do.

use host::authorize::SecurityCode;
use host::batch::PreparedRequest;
use host::request::CardEntry;
use jiff::{SignedDuration, Timestamp};
use ledger::bucket::bucket_of;
use ledger::journal::Kind;
use ledger::row_location::RowLocation;

use crate::database::{Database, bucket, fresh};
use crate::{code, sample, submit};

const SHOP: &str = "acquirer-ascii|T0000009|SHOP00000000009";
/// So many cards: they are in the buckets of both lanes.
const CARDS: std::ops::Range<i64> = 1_000..1_040;

/// A keyed purchase of a merchant, so many seconds after the first.
fn keyed(origin: &str, account_id: i64, stan: u32, outcome: SecurityCode, seconds: i64) -> PreparedRequest {
    let mut request = sample::request(origin, stan, Kind::Purchase, 100);
    request.card_entry = CardEntry::Keyed;
    let mut prepared = sample::prepared(request, bucket(account_id), account_id);
    prepared.proof.security_code = outcome;
    prepared.received_at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
    prepared
}

/// The same with a number that is no card of ours, so that nobody can say whether the code is right.
fn of_no_card(stan: u32) -> PreparedRequest {
    let mut prepared = keyed(SHOP, i64::from(stan) + 500_000, stan, SecurityCode::Unchecked, 0);
    let index = prepared.request.pan_index.expect("it has a number").0;
    prepared.location = RowLocation::NoAccount { bucket: bucket_of(&index) };
    prepared
}

async fn with_cards() -> Database {
    let db = fresh().await;
    for account in CARDS {
        db.account(account, 10_000).await;
    }
    db
}

/// The codes of one wrong printed code on each card, one after the other.
async fn guess(db: &Database, first_stan: u32) -> Vec<String> {
    let mut codes = Vec::new();
    for (account, stan) in CARDS.zip(first_stan..) {
        codes.push(code(&submit(&db.lanes, keyed(SHOP, account, stan, SecurityCode::Wrong, 0)).await));
    }
    codes
}

#[tokio::test]
async fn one_code_over_many_cards_is_refused_where_it_is_tried_and_nowhere_else() {
    let db = with_cards().await;
    let codes = guess(&db, 1).await;
    let told = codes.iter().take_while(|code| *code == "82").count();
    assert_eq!(told, 20, "that many outcomes are released: {codes:?}");
    assert!(codes[told..].iter().all(|code| code == "63"), "{codes:?}");

    let mut stan = 100;
    let mut ask = async |prepared: PreparedRequest| {
        let mut prepared = prepared;
        stan += 1;
        prepared.request.key = sample::key(SHOP, stan).of_class(prepared.request.key.class);
        code(&submit(&db.lanes, prepared).await)
    };
    assert_eq!(ask(keyed(SHOP, 1_000, 0, SecurityCode::Right, 60)).await, "63", "the right code is refused too");
    assert_eq!(ask(of_no_card(0)).await, "63", "nor does it tell which numbers are cards");
    let neighbour = "acquirer-ascii|T0000008|SHOP00000000008";
    assert_eq!(ask(keyed(neighbour, 1_000, 0, SecurityCode::Right, 60)).await, "00", "the next shop");
    let namesake = "terminals|T0000009|SHOP00000000009";
    assert_eq!(ask(keyed(namesake, 1_001, 0, SecurityCode::Right, 60)).await, "00", "its namesake on another link");
    let mut stripe = keyed(SHOP, 1_002, 0, SecurityCode::Right, 60);
    stripe.request.card_entry = CardEntry::Stripe;
    assert_eq!(ask(stripe).await, "00", "what carries no printed code");
    let mut refund = keyed(SHOP, 1_003, 0, SecurityCode::Absent, 60);
    refund.request.kind = Kind::Refund;
    assert_eq!(ask(refund).await, "00", "a refund proves nothing");
    assert_eq!(ask(keyed(SHOP, 1_004, 0, SecurityCode::Right, 3_600)).await, "00", "when the window has ended");
    let locked = "SELECT count(*) FROM card_state WHERE code_refused_until IS NOT NULL OR code_tries > 1";
    assert_eq!(db.number(locked).await, 0, "no card pays for it");
}

#[tokio::test]
async fn numbers_that_are_no_cards_are_tries_too() {
    let db = with_cards().await;
    for stan in 1..=20 {
        assert_eq!(code(&submit(&db.lanes, of_no_card(stan)).await), "14", "{stan}");
    }
    assert_eq!(code(&submit(&db.lanes, of_no_card(21)).await), "63");
    assert_eq!(code(&submit(&db.lanes, keyed(SHOP, 1_000, 30, SecurityCode::Right, 0)).await), "63");
}

#[tokio::test]
async fn a_large_merchant_s_typing_errors_stop_nobody() {
    let db = with_cards().await;
    let mut codes = Vec::new();
    for stan in 1..=300 {
        // one in ten is mistyped
        let outcome = if stan % 10 == 1 { SecurityCode::Wrong } else { SecurityCode::Right };
        let account = CARDS.start + i64::from(stan + stan / 40) % 40;
        codes.push(code(&submit(&db.lanes, keyed(SHOP, account, stan, outcome, 0)).await));
    }
    assert_eq!(codes.iter().filter(|code| *code == "82").count(), 30);
    assert_eq!(codes.iter().filter(|code| *code == "00").count(), 270);
}

/// A repeat gets the answer that it had, and is no further guess; nor is what was not answered.
#[tokio::test]
async fn a_repeat_is_no_further_guess() {
    let db = with_cards().await;
    for _ in 0..3 {
        for (account, stan) in (1_000..1_015).zip(1..) {
            let again = submit(&db.lanes, keyed(SHOP, account, stan, SecurityCode::Wrong, 0)).await;
            assert_eq!(code(&again), "82");
        }
    }
    assert_eq!(code(&submit(&db.lanes, keyed(SHOP, 1_020, 100, SecurityCode::Right, 0)).await), "00");
}
