//! Refunds: of what they name never more than was captured, without a name so much a day and terminal, however they come.

use codecs::originator::KeyClass;
use codecs::value::{ApprovalCode, Minor, TerminalId};
use futures::future::join_all;
use host::batch::PreparedRequest;
use host::lanes::Lanes;
use jiff::civil::date;
use ledger::capture::NamedBy;
use ledger::journal::{Kind, Role, Row};
use ledger::key::DatedOriginatorKey;
use ledger::store::capture;

use crate::database::{Database, bucket, fresh, fresh_with};
use crate::sample::{self, OUR_SHOP};
use crate::{code, prepared, submit};

/// A refund that names a transaction by its approval code, at the same merchant, with what the host finds before the lock.
async fn refund(db: &Database, stan: u32, minor: i64, of: &Row) -> PreparedRequest {
    let mut refund = prepared(1001, stan, Kind::Refund, minor);
    refund.request.approval_code = of.approval_code;
    let pool = ledger::store::pool(&db.config.postgres(), 1).unwrap();
    let by = NamedBy {
        rrn: refund.request.rrn,
        approval_code: of.approval_code,
        merchant: refund.request.merchant,
        ..NamedBy::default()
    };
    let dates = (date(2025, 11, 20), date(2026, 12, 31));
    (refund.refund_of, refund.followed_by) = capture::find(&pool, (bucket(1001), 1001), dates, &by).await.unwrap();
    refund
}

fn reversal(stan: u32, minor: i64, standing: Option<i64>) -> PreparedRequest {
    let mut reversal = prepared(1001, stan, Kind::Reversal, minor);
    reversal.request.class = Some(KeyClass::Financial);
    reversal.request.replacement = standing.map(Minor);
    reversal
}

#[tokio::test]
async fn parts_are_given_back_until_nothing_is_left() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let sale = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 1_000)).await;
    let sale = sale.row();
    for (stan, minor, expected) in [(2, 600, "00"), (3, 401, "61"), (4, 400, "00"), (5, 1, "61")] {
        let answer = submit(&db.lanes, refund(&db, stan, minor, sale).await).await;
        assert_eq!(code(&answer), expected, "{minor}");
        let names = answer.row().original.and_then(|of| of.auth_id);
        assert_eq!(names, Some(sale.auth_id), "it is found from its sale");
        assert_ne!(answer.row().life_cycle, sale.life_cycle, "it is presented apart");
    }
    assert!(submit(&db.lanes, refund(&db, 2, 600, sale).await).await.is_repeat());
    assert_eq!(db.balance(1001).await, (10_000, 0));
    // a refund that was taken back was none
    submit(&db.lanes, reversal(2, 600, Some(100))).await;
    assert_eq!(db.balance(1001).await, (9_500, 0));
    for (stan, minor, expected) in [(6, 501, "61"), (7, 500, "00"), (8, 1, "61")] {
        assert_eq!(code(&submit(&db.lanes, refund(&db, stan, minor, sale).await).await), expected, "{minor}");
    }
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn what_was_reversed_of_a_sale_is_not_refunded_too() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let sale = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 1_000)).await;
    submit(&db.lanes, reversal(1, 1_000, Some(300))).await;
    assert_eq!(code(&submit(&db.lanes, refund(&db, 2, 301, sale.row()).await).await), "61");
    assert_eq!(code(&submit(&db.lanes, refund(&db, 3, 300, sale.row()).await).await), "00");
    let gone = submit(&db.lanes, prepared(1001, 4, Kind::Purchase, 500)).await;
    submit(&db.lanes, reversal(4, 500, None)).await;
    assert_eq!(code(&submit(&db.lanes, refund(&db, 5, 1, gone.row()).await).await), "61", "nothing was sold");
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

/// All were looked for while there was nothing but the sale.
#[tokio::test]
async fn of_many_at_once_no_more_pass_than_was_sold() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let pool = ledger::store::pool(&db.config.postgres(), 1).unwrap();
    let other = Lanes::start(&db.config, &pool, &db.tasks).await.unwrap();
    let sale = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 1_000)).await;
    let mut refunds = Vec::new();
    for stan in 2..22 {
        refunds.push(refund(&db, stan, 300, sale.row()).await);
    }
    let hosts = [&db.lanes, &other].into_iter().cycle();
    let answers = join_all(refunds.into_iter().zip(hosts).map(|(refund, host)| submit(host, refund))).await;
    assert_eq!(answers.iter().filter(|answer| code(answer) == "00").count(), 3);
    assert_eq!(db.balance(1001).await, (9_900, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_hold_that_was_captured_in_parts_is_refunded_as_one() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let held = submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 1_000)).await;
    for (stan, minor) in [(2, 400), (3, 500)] {
        let mut completion = prepared(1001, stan, Kind::Completion, minor);
        completion.request.approval_code = held.row().approval_code;
        submit(&db.lanes, completion).await;
    }
    for (stan, minor, expected) in [(4, 901, "61"), (5, 700, "00"), (6, 201, "61"), (7, 200, "00")] {
        assert_eq!(code(&submit(&db.lanes, refund(&db, stan, minor, held.row()).await).await), expected, "{minor}");
    }
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

/// The month's partition is another, and so is the business day.
#[tokio::test]
async fn a_refund_of_whatever_month_counts_with_those_of_every_other() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let sale = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 1_000)).await;
    for (stan, day, minor, expected) in [
        (2, date(2026, 12, 2), 600, "00"),
        (3, date(2027, 2, 3), 401, "61"),
        (4, date(2027, 2, 3), 400, "00"),
        (5, date(2027, 2, 4), 1, "61"),
        // a terminal writes what date it likes
        (6, date(2026, 10, 31), 1, "61"),
    ] {
        let text = format!("{OUR_SHOP}|{stan:06}|101500|{:02}{:02}", day.month(), day.day());
        let mut refund = refund(&db, stan, minor, sale.row()).await;
        refund.request.key = DatedOriginatorKey::parse(&text, day).unwrap().of_class(KeyClass::Financial);
        refund.request.business_date = day;
        assert_eq!(code(&submit(&db.lanes, refund).await), expected, "{day} {minor}");
    }
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_refund_that_has_happened_is_posted_and_a_person_looks_at_it() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let sale = submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 1_000)).await;
    let mut advice = refund(&db, 2, 1_001, sale.row()).await;
    advice.request.advice = true;
    let told = submit(&db.lanes, advice).await;
    assert_eq!((code(&told).as_str(), told.row().approved), ("00", Minor(1_001)));
    assert_eq!(told.row().exception.as_deref(), Some("refund-over-original"));
    let unknown = Row { approval_code: ApprovalCode::new("NOSUCH"), ..sale.row().clone() };
    let unknown = refund(&db, 3, 5_000, &unknown).await;
    assert_eq!((unknown.refund_of.len(), code(&submit(&db.lanes, unknown).await).as_str()), (0, "00"));
    assert_eq!(sample::TODAY, sale.row().business_date);
    db.check_books(&[(1001, 10_000)]).await;
}

const CAP: i64 = 1_000;

/// A refund that names nothing, to any card.
fn unreferenced(account: i64, stan: u32, minor: i64) -> PreparedRequest {
    prepared(account, stan, Kind::Refund, minor)
}

async fn capped() -> Database {
    let db = fresh_with(|config| config.refunds.max_unreferenced_minor = CAP).await;
    for account in 1_001..1_021 {
        db.account(account, 0).await;
    }
    db
}

/// The terminal's refunds go to cards in the buckets of both lanes of two hosts.
#[tokio::test]
async fn a_terminal_gives_back_so_much_a_day_without_naming_a_sale() {
    let db = capped().await;
    let pool = ledger::store::pool(&db.config.postgres(), 1).unwrap();
    let other = Lanes::start(&db.config, &pool, &db.tasks).await.unwrap();
    let hosts = [&db.lanes, &other].into_iter().cycle();
    let refunds = (1_001..1_021).zip(1..).map(|(account, stan)| unreferenced(account, stan, 300));
    let answers = join_all(refunds.zip(hosts).map(|(refund, host)| submit(host, refund))).await;
    let approved: Vec<_> = answers.iter().filter(|answer| code(answer) == "00").collect();
    assert_eq!((approved.len(), answers.iter().filter(|answer| code(answer) == "61").count()), (3, 17));
    assert!(approved.iter().all(|answer| answer.row().exception.as_deref() == Some("refund-unreferenced")));
    assert_eq!(db.number("SELECT given_minor FROM terminal_refund").await, 900);

    // its repeat gives nothing, its reversal leaves room
    let again = unreferenced(approved[0].row().account_id.unwrap(), approved[0].row().stan.0, 300);
    assert!(submit(&db.lanes, again.clone()).await.is_repeat());
    let mut taken_back = again;
    taken_back.request = sample::request(OUR_SHOP, taken_back.request.stan.0, Kind::Reversal, 300);
    taken_back.request.class = Some(KeyClass::Financial);
    taken_back.request.identify(approved[0].row().pan_index);
    assert_eq!(submit(&db.lanes, taken_back.clone()).await.row().approved, Minor(300));
    assert!(submit(&db.lanes, taken_back).await.is_repeat());
    for (stan, minor, expected) in [(50, 401, "61"), (51, 400, "00"), (52, 1, "61")] {
        assert_eq!(code(&submit(&db.lanes, unreferenced(1_001, stan, minor)).await), expected, "{minor}");
    }
    let mut next_day = unreferenced(1_001, 53, 1_000);
    next_day.request.business_date = date(2026, 11, 21);
    assert_eq!(code(&submit(&db.lanes, next_day).await), "00", "another day");
    let mut neighbour = unreferenced(1_001, 54, 1_000);
    neighbour.request.terminal = TerminalId::new("T0000002");
    assert_eq!(code(&submit(&db.lanes, neighbour).await), "00", "another terminal");
    let opening: Vec<(i64, i64)> = (1_001..1_021).map(|account| (account, 0)).collect();
    db.check_books(&opening).await;
}

#[tokio::test]
async fn what_names_its_sale_or_is_another_acquirer_s_does_not_count() {
    let db = capped().await;
    let mut sold = prepared(1_001, 1, Kind::Purchase, 5_000);
    sold.request.advice = true;
    let sold = submit(&db.lanes, sold).await;
    let named = submit(&db.lanes, refund(&db, 2, 5_000, sold.row()).await).await;
    assert_eq!((code(&named).as_str(), named.row().exception.as_deref()), ("00", None));
    let mut foreign = unreferenced(1_002, 3, 5_000);
    foreign.request.role = Role::Issued;
    let foreign = submit(&db.lanes, foreign).await;
    assert_eq!((code(&foreign).as_str(), foreign.row().exception.as_deref()), ("00", None));
    assert_eq!(code(&submit(&db.lanes, unreferenced(1_003, 4, CAP)).await), "00", "all of it is left");
    let mut told = unreferenced(1_004, 5, 200);
    told.request.advice = true;
    let told = submit(&db.lanes, told).await;
    assert_eq!((code(&told).as_str(), told.row().approved), ("00", Minor(200)), "what has happened is posted");
    assert_eq!(told.row().exception.as_deref(), Some("terminal-refunds-exceeded"));
    db.check_books(&[(1_001, 0), (1_002, 0), (1_003, 0), (1_004, 0)]).await;
}
