//! Lanes with a real Postgres: what is committed and answered, and the state after a backend is killed.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and is no part of the pure half"
)]

mod database;
mod endings;
mod faults;
mod foreign;
mod guesses;
mod overload;
mod plans;
mod refunds;
#[path = "../sample/mod.rs"]
#[allow(dead_code, reason = "each of its users wants another part of it")]
mod sample;

use std::time::Instant;

use codecs::value::{Currency, Minor, ResponseCode};
use database::{bucket, fresh};
use futures::future::join_all;
use host::authorize::Pin;
use host::batch::PreparedRequest;
use host::lanes::{Committed, Lanes};
use host::request::ReferredKeys;
use jiff::Timestamp;
use jiff::civil::date;
use ledger::journal::Kind;
use ledger::row_location::RowLocation;
use ledger::store::{Writer, hold};
use sample::OUR_SHOP;

fn prepared(account_id: i64, stan: u32, kind: Kind, amount_minor: i64) -> PreparedRequest {
    let request = sample::request(OUR_SHOP, stan, kind, amount_minor);
    let icc_approval = Some(vec![1, 2, 3, 4, 5, 6, 7, 8]);
    PreparedRequest { icc_approval, ..sample::prepared(request, bucket(account_id), account_id) }
}

async fn submit(lanes: &Lanes, prepared: PreparedRequest) -> Committed {
    lanes.submit(prepared, Instant::now()).await.unwrap()
}

fn code(committed: &Committed) -> String {
    committed.row().response_code.to_string()
}

#[tokio::test]
async fn a_purchase_its_repeat_and_another_content_under_its_key() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let first = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_500)).await;
    assert_eq!((code(&first).as_str(), first.is_repeat()), ("00", false));
    assert_eq!(first.row().icc_answer.as_deref(), Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]));
    let again = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_500)).await;
    assert!(again.is_repeat());
    assert_eq!(again.row().approval_code, first.row().approval_code);
    assert_eq!(again.row().icc_answer, first.row().icc_answer, "the stored answer holds the ARPC");
    let other = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_600)).await;
    assert_eq!(code(&other), "94");
    assert_eq!(db.balance(1001).await, (7_500, 0));
    assert_eq!(db.number("SELECT count(*) FROM auth").await, 1);
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn many_at_once_on_one_account_do_not_overdraw_it() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let submitted = (0..50).map(|stan| submit(&db.lanes, prepared(1001, stan, Kind::Purchase, 700)));
    let answers = join_all(submitted).await;
    let approved = answers.iter().filter(|answer| answer.row().response_code == ResponseCode::APPROVED).count();
    let short = answers.iter().filter(|answer| answer.row().response_code == ResponseCode::INSUFFICIENT_FUNDS).count();
    assert_eq!((approved, short), (14, 36));
    assert_eq!(db.balance(1001).await, (200, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn two_hosts_share_an_account_and_a_key_safely() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let pool = ledger::store::pool(&db.config.postgres(), 1).unwrap();
    let other = Lanes::start(&db.config, &pool, &db.tasks).await.unwrap();
    let stans = 0..40;
    let mut answers = Vec::new();
    for stan in stans {
        let (a, b) = futures::join!(
            submit(&db.lanes, prepared(1001, stan, Kind::Purchase, 300)),
            submit(&other, prepared(1001, stan, Kind::Purchase, 300)),
        );
        assert_eq!(a.row().auth_id, b.row().auth_id, "one of the two is the other's repeat");
        answers.push(a);
    }
    let approved = answers.iter().filter(|answer| answer.row().response_code == ResponseCode::APPROVED).count();
    assert_eq!(approved, 33);
    assert_eq!(db.balance(1001).await, (100, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_reversal_before_its_original_leaves_a_tombstone() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let reversal = submit(&db.lanes, prepared(1001, 1, Kind::Reversal, 2_500)).await;
    assert_eq!((code(&reversal).as_str(), reversal.row().approved.0), ("00", 0));
    let original = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_500)).await;
    assert_eq!(code(&original), "05");
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_tombstone_without_a_card_stops_its_original_too() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let mut reversal = prepared(1001, 1, Kind::Reversal, 2_500);
    reversal.request.identify(None);
    let bucket = ledger::bucket::bucket_of(&reversal.request.key.original.0);
    reversal.location = RowLocation::NoAccount { bucket };
    assert_eq!(code(&submit(&db.lanes, reversal).await), "00");
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_500)).await), "05");
}

#[tokio::test]
async fn reversals_give_back_balance_and_limit_once() {
    let db = fresh().await;
    db.account(1001, 200_000).await;
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 90_000)).await), "00");
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 2, Kind::Purchase, 90_000)).await), "61");
    let mut partial = prepared(1001, 1, Kind::Reversal, 90_000);
    partial.request.replacement = Some(Minor(60_000));
    assert_eq!(submit(&db.lanes, partial.clone()).await.row().approved.0, 30_000);
    assert!(submit(&db.lanes, partial).await.is_repeat());
    assert_eq!(db.balance(1001).await, (140_000, 0));
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 3, Kind::Purchase, 90_000)).await), "00");
    let full = prepared(1001, 1, Kind::Reversal, 90_000);
    assert_eq!(submit(&db.lanes, full.clone()).await.row().approved.0, 60_000);
    assert!(submit(&db.lanes, full).await.is_repeat());
    assert_eq!(db.balance(1001).await, (110_000, 0));
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 90_000)).await), "05", "reversed since");
    db.check_books(&[(1001, 200_000)]).await;
}

#[tokio::test]
async fn a_hold_is_completed_by_reference_and_code_or_by_key_or_released() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let held = submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 4_000)).await;
    assert_eq!(db.balance(1001).await, (10_000, 4_000));
    let mut completion = prepared(1001, 2, Kind::Completion, 4_500);
    completion.request.rrn = held.row().rrn;
    completion.request.approval_code = held.row().approval_code;
    let completed = submit(&db.lanes, completion).await;
    assert_eq!(completed.row().life_cycle, held.row().life_cycle);
    assert_eq!(db.balance(1001).await, (5_500, 0));

    submit(&db.lanes, prepared(1001, 3, Kind::PreAuthorization, 1_000)).await;
    let mut by_key = prepared(1001, 4, Kind::Completion, 800);
    by_key.request.referred = Some(ReferredKeys::of(&sample::key(OUR_SHOP, 3)));
    submit(&db.lanes, by_key).await;
    assert_eq!(db.balance(1001).await, (4_700, 0));

    submit(&db.lanes, prepared(1001, 5, Kind::PreAuthorization, 1_000)).await;
    assert_eq!(submit(&db.lanes, prepared(1001, 5, Kind::Reversal, 1_000)).await.row().approved.0, 1_000);
    assert_eq!(db.balance(1001).await, (4_700, 0));

    let forced = submit(&db.lanes, prepared(1001, 6, Kind::Completion, 6_000)).await;
    assert_eq!(forced.row().exception.as_deref(), Some("completion-without-hold"));
    assert_eq!(db.balance(1001).await, (-1_300, 0), "what has happened is posted, even into an overdraft");
    let mut unknown = prepared(1001, 7, Kind::Completion, 100);
    unknown.request.approval_code = codecs::value::ApprovalCode::new("NOSUCH");
    assert_eq!(submit(&db.lanes, unknown).await.row().exception.as_deref(), Some("completion-of-unknown"));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn wrong_pins_are_counted_even_when_they_arrive_together() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let wrong = |stan| {
        let mut prepared = prepared(1001, stan, Kind::Purchase, 100);
        prepared.proof.pin = Pin::Wrong;
        prepared
    };
    let answers = join_all((0..6).map(|stan| submit(&db.lanes, wrong(stan)))).await;
    let mut codes: Vec<String> = answers.iter().map(code).collect();
    codes.sort();
    assert_eq!(codes, ["55", "55", "75", "75", "75", "75"], "no more than two wrong PINs are told apart from the rest");
    let mut right = prepared(1001, 10, Kind::Purchase, 100);
    right.proof.pin = Pin::Right;
    assert_eq!(code(&submit(&db.lanes, right).await), "75");
}

#[tokio::test]
async fn a_card_that_changed_is_looked_at_again() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    db.client.batch_execute("UPDATE card SET status = 'blocked', version = 2").await.unwrap();
    let stale = db.lanes.submit(prepared(1001, 1, Kind::Purchase, 100), Instant::now()).await;
    assert_eq!(stale.unwrap_err(), host::lanes::LaneError::Stale);
    assert_eq!(db.number("SELECT count(*) FROM auth").await, 0);
}

#[tokio::test]
async fn one_request_that_the_database_refuses_does_not_stop_the_others() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let mut requests: Vec<PreparedRequest> = (0..16).map(|stan| prepared(1001, stan, Kind::Purchase, 10)).collect();
    // a text column cannot hold a NUL
    requests[7].request.link = "terminals\0".into();
    let answers = join_all(requests.into_iter().map(|prepared| db.lanes.submit(prepared, Instant::now()))).await;
    for (at, answer) in answers.iter().enumerate() {
        match answer {
            Ok(committed) => assert!(at != 7 && code(committed) == "00", "{at}"),
            Err(error) => assert_eq!((at, *error), (7, host::lanes::LaneError::Refused)),
        }
    }
    assert_eq!(db.balance(1001).await, (9_850, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn killed_backends_lose_nothing_and_double_nothing() {
    let db = fresh().await;
    let accounts: Vec<i64> = (2001..2021).collect();
    for account in &accounts {
        db.account(*account, 1_000_000).await;
    }
    let killer = async {
        let mut killed = 0;
        for _ in 0..15 {
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
            let lanes = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE application_name = 'authhost lane' AND datname = current_database()";
            killed += db.number(lanes).await;
        }
        killed
    };
    let traffic = async {
        let mut approved = 0_i64;
        for round in 0..60_u32 {
            let round = accounts.iter().map(|account| submit(&db.lanes, prepared(*account, round, Kind::Purchase, 7)));
            let answers = join_all(round).await;
            approved += answers.iter().filter(|answer| code(answer) == "00").count() as i64;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        approved
    };
    let (approved, killed) = futures::join!(traffic, killer);
    assert!(killed > 5, "the lanes' backends were killed {killed} times");
    assert_eq!(approved, 1_200, "each is answered in spite of the killing");
    assert_eq!(db.number("SELECT count(*) FROM auth WHERE response_code = '00'").await, approved);
    let opening: Vec<(i64, i64)> = accounts.iter().map(|account| (*account, 1_000_000)).collect();
    db.check_books(&opening).await;
    let left: i64 = db.number("SELECT sum(ledger_minor)::int8 FROM account_state").await;
    assert_eq!(left, 20 * 1_000_000 - approved * 7);
}

#[tokio::test]
async fn a_straggler_of_a_closed_day_goes_with_the_next() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    db.client
        .batch_execute("UPDATE business_day SET state = 'closed'; INSERT INTO business_day (date, state) VALUES ('2026-11-21', 'open')")
        .await
        .unwrap();
    let straggler = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 100)).await;
    assert_eq!(straggler.row().business_date, date(2026, 11, 20));
    assert_eq!(straggler.row().cycle, date(2026, 11, 21));
}

#[tokio::test]
async fn a_hold_that_nobody_completes_ends_and_a_late_completion_is_forced() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let held = submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 4_000)).await;
    let pool = ledger::store::pool(&db.config.postgres(), 2).unwrap();
    let writer = Writer::register(&**pool.get().await.unwrap(), "test").await.unwrap();
    let release = async |today| hold::release_expired(&pool, &writer, today, Timestamp::now()).await.unwrap();
    let last_day = date(2026, 11, 27);
    assert_eq!(release(last_day).await, 0);
    assert_eq!(db.balance(1001).await, (10_000, 4_000));
    assert_eq!(release(last_day.tomorrow().unwrap()).await, 1);
    assert_eq!(db.balance(1001).await, (10_000, 0));
    let mut completion = prepared(1001, 2, Kind::Completion, 4_500);
    completion.request.rrn = held.row().rrn;
    completion.request.approval_code = held.row().approval_code;
    assert_eq!(submit(&db.lanes, completion).await.row().exception.as_deref(), Some("completion-after-release"));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_cut_over_leaves_the_old_day_open_to_its_stragglers() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let pool = ledger::store::pool(&db.config.postgres(), 1).unwrap();
    assert!(ledger::store::business_day::cut_over(&pool, date(2026, 11, 21)).await.unwrap());
    assert!(
        !ledger::store::business_day::cut_over(&pool, date(2026, 11, 21)).await.unwrap(),
        "announced again, nothing changes"
    );
    assert_eq!(ledger::store::business_day::current(&pool).await.unwrap(), Some(date(2026, 11, 21)));
    let straggler = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 100)).await;
    assert_eq!(straggler.row().cycle, date(2026, 11, 20));
}

#[tokio::test]
async fn totals_are_the_journals() {
    use ledger::totals::{Originator, Sum};
    let db = fresh().await;
    db.account(1001, 100_000).await;
    for (stan, kind, amount) in [
        (1, Kind::Purchase, 1_000),
        (2, Kind::Purchase, 2_000),
        (3, Kind::Purchase, 99_000),
        (4, Kind::Refund, 300),
        (5, Kind::PreAuthorization, 500),
        (6, Kind::BalanceInquiry, 0),
    ] {
        submit(&db.lanes, prepared(1001, stan, kind, amount)).await;
    }
    submit(&db.lanes, prepared(1001, 2, Kind::Reversal, 2_000)).await;
    submit(&db.lanes, prepared(1001, 5, Kind::Reversal, 500)).await;
    let pool = ledger::store::pool(&db.config.postgres(), 1).unwrap();
    let count = |of, day| {
        let pool = pool.clone();
        async move { ledger::store::day_total::of(&pool, &of, date(2026, 11, day), Currency::EUR).await.unwrap() }
    };
    let counted = count(Originator::Terminal("T0000001".into()), 20).await;
    let sum = |count, amount_minor| Sum { count, amount_minor };
    assert_eq!(
        (counted.debits, counted.debit_reversals),
        (sum(2, 3_000), sum(1, 2_000)),
        "the declined one counts nowhere"
    );
    assert_eq!((counted.credits, counted.credit_reversals), (sum(1, 300), sum(0, 0)));
    assert_eq!(counted.authorizations, 2);
    assert_eq!(count(Originator::Terminal("T0000001".into()), 21).await.debits, sum(0, 0));
    assert_eq!(count(Originator::Acquirer("510099".into()), 20).await.debits, sum(0, 0), "not that acquirer's");
}

#[tokio::test]
async fn cards_are_found_together_and_one_that_cannot_be_read_spoils_no_other() {
    let db = fresh().await;
    let pool = ledger::store::pool(&db.config.postgres_by_key(), 1).unwrap();
    let index = |number: i64| {
        let mut index = [0; 32];
        index[24..].copy_from_slice(&number.to_be_bytes());
        hsm::PanIndex(index)
    };
    for card in [1001, 1002, 1003] {
        db.account(card, 0).await;
        let of = index(card);
        db.client
            .execute(
                "INSERT INTO pan_directory (bucket, pan_index, home_bucket, card_id) VALUES ($1, $2, $3, $4)",
                &[&ledger::bucket::bucket_of(&of.0), &&of.0[..], &bucket(card), &card],
            )
            .await
            .unwrap();
    }
    db.client.batch_execute("UPDATE card SET psn = 1000 WHERE card_id = 1002").await.unwrap();
    let mut found = ledger::store::card_lookup::find(&pool, &[1001, 1002, 1003, 1004].map(index)).await.unwrap();
    found.sort_by_key(|(index, _)| *index);
    let cards: Vec<_> = found
        .into_iter()
        .map(|(index, card)| match card.map(|card| card.location) {
            Ok(RowLocation::OurAccount { card_id, .. }) => (index, Some(card_id)),
            _ => (index, None),
        })
        .collect();
    assert_eq!(cards, [(index(1001), Some(1001)), (index(1002), None), (index(1003), Some(1003))]);
}

/// Sums are added to while traffic goes on, by several at once, in stretches that end anywhere; a straggler of a closed day is
/// its own day's.
#[tokio::test]
async fn each_transaction_is_in_the_sums_of_its_day_once() {
    use ledger::store::day_total;
    use ledger::totals::{Originator, Sum};
    let db = fresh().await;
    for account in 1_001..1_005 {
        db.account(account, 1_000_000).await;
    }
    let pool = ledger::store::pool(&db.config.postgres(), 3).unwrap();
    let sold = async {
        for stan in 0..40 {
            join_all((1_001..1_005_i64).map(|account| {
                let number = stan * 4 + u32::try_from(account - 1_001).unwrap();
                submit(&db.lanes, prepared(account, number, Kind::Purchase, 10))
            }))
            .await;
        }
        for stan in 0..10 {
            submit(&db.lanes, prepared(1_001, stan * 4, Kind::Reversal, 10)).await;
        }
    };
    let added = async {
        for _ in 0..30 {
            let (one, other) = futures::join!(day_total::add_up(&pool), day_total::add_up(&pool));
            one.and(other).unwrap();
        }
    };
    futures::join!(sold, added);
    db.client
        .batch_execute("UPDATE business_day SET state = 'closed'; INSERT INTO business_day (date, state) VALUES ('2026-11-21', 'open')")
        .await
        .unwrap();
    submit(&db.lanes, prepared(1_001, 900, Kind::Purchase, 7)).await;
    let terminal = Originator::Terminal("T0000001".into());
    for _ in 0..2 {
        let counted = day_total::of(&pool, &terminal, date(2026, 11, 20), Currency::EUR).await.unwrap();
        assert_eq!(counted.debits, Sum { count: 161, amount_minor: 1_607 });
        assert_eq!(counted.debit_reversals, Sum { count: 10, amount_minor: 100 });
    }
    let next = day_total::of(&pool, &terminal, date(2026, 11, 21), Currency::EUR).await.unwrap();
    assert_eq!(next.debits, Sum::default());
}
