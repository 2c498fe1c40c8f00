//! Transactions in another currency than the account's: taken at one rate, given back at the same.

use codecs::originator::KeyClass;
use codecs::value::{ConversionRate, Currency, Minor, Money, ResponseCode};
use host::batch::PreparedRequest;
use host::billing::Foreign;
use jiff::civil::date;
use ledger::journal::Kind;
use ledger::totals::{Originator, Sum};

use crate::database::fresh;
use crate::{code, prepared, submit};

const DOLLAR: Currency = Currency::from_number(840);

/// A request in dollars that came to so much in euros.
fn abroad(stan: u32, kind: Kind, dollars: i64, euros: i64) -> PreparedRequest {
    let mut abroad = prepared(1001, stan, kind, euros);
    let rate = ConversionRate::new(9, 1);
    abroad.request.foreign = Some(Foreign { sent: Money::new(dollars, DOLLAR), rate });
    abroad.request.identify(abroad.request.pan_index);
    abroad
}

/// A reversal as it is sent: in dollars, and what stands after it in dollars too.
fn back(stan: u32, dollars: i64, standing: Option<i64>) -> PreparedRequest {
    let mut back = prepared(1001, stan, Kind::Reversal, dollars);
    (back.request.currency, back.request.replacement) = (DOLLAR, standing.map(Minor));
    back.request.identify(back.request.pan_index);
    back
}

#[tokio::test]
async fn a_sale_in_dollars_is_taken_and_given_back_at_one_rate() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let sale = submit(&db.lanes, abroad(1, Kind::Purchase, 1_000, 933)).await;
    assert_eq!((sale.row().requested, sale.row().sent()), (Minor(933), Money::new(1_000, DOLLAR)));
    assert!(submit(&db.lanes, abroad(1, Kind::Purchase, 1_000, 941)).await.is_repeat(), "the rate has moved since");
    assert_eq!(db.balance(1001).await, (9_067, 0));
    // 3.00 dollars stand
    let partial = submit(&db.lanes, back(1, 1_000, Some(300))).await;
    assert_eq!((partial.row().approved, partial.row().standing), (Minor(653), Some(Minor(280))));
    assert!(submit(&db.lanes, back(1, 1_000, Some(300))).await.is_repeat());
    let euros = submit(&db.lanes, prepared(1001, 1, Kind::Reversal, 933)).await;
    assert_eq!(euros.row().exception.as_deref(), Some("reversal-differs"), "it was not in euros");
    let mut unnamed = prepared(1001, 1, Kind::Reversal, 1_000);
    unnamed.request.currency_named = false;
    assert_eq!(submit(&db.lanes, unnamed).await.row().approved, Minor(280), "it does not say in what");
    assert!(submit(&db.lanes, back(1, 1_000, None)).await.is_repeat());
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_part_of_a_sale_in_dollars_is_answered_in_dollars_and_undone_whole() {
    let db = fresh().await;
    db.account(1001, 451).await;
    let mut sale = abroad(1, Kind::Purchase, 1_000, 900);
    sale.request.partial_supported = true;
    let part = submit(&db.lanes, sale).await;
    assert_eq!((code(&part).as_str(), part.row().approved), ("10", Minor(451)));
    assert_eq!(part.row().approved_as_sent(), Minor(501), "of 501.1, never more than was taken");
    let undone = submit(&db.lanes, back(1, 501, None)).await;
    assert_eq!((undone.row().approved, undone.row().approved_as_sent()), (Minor(451), Minor(501)));
    assert_eq!(db.balance(1001).await, (451, 0));
    db.check_books(&[(1001, 451)]).await;
}

#[tokio::test]
async fn a_reversal_in_dollars_that_comes_first_leaves_its_part() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    submit(&db.lanes, back(1, 1_000, Some(300))).await;
    let late = submit(&db.lanes, abroad(1, Kind::Purchase, 1_000, 900)).await;
    assert_eq!((late.row().response_code, late.row().approved), (ResponseCode::PARTIAL_APPROVAL, Minor(270)));
    assert_eq!(late.row().approved_as_sent(), Minor(300));
    submit(&db.lanes, back(2, 1_000, None)).await;
    assert_eq!(code(&submit(&db.lanes, abroad(2, Kind::Purchase, 1_000, 900)).await), "05");
    assert_eq!(db.balance(1001).await, (9_730, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_hold_in_dollars_is_completed_in_dollars() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let held = submit(&db.lanes, abroad(1, Kind::PreAuthorization, 2_000, 1_800)).await;
    assert_eq!(db.balance(1001).await, (10_000, 1_800));
    let mut completion = abroad(2, Kind::Completion, 1_000, 905);
    completion.request.approval_code = held.row().approval_code;
    completion.request.billing_disbelieved = true;
    let captured = submit(&db.lanes, completion).await;
    assert_eq!((captured.row().approved, captured.row().exception.as_deref()), (Minor(905), Some("billing-differs")));
    let mut undone = back(2, 1_000, None);
    undone.request.class = Some(KeyClass::Financial);
    assert_eq!(submit(&db.lanes, undone).await.row().approved, Minor(905));
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn totals_are_in_the_currency_of_the_messages() {
    let db = fresh().await;
    db.account(1001, 2_000).await;
    submit(&db.lanes, abroad(1, Kind::Purchase, 1_000, 900)).await;
    submit(&db.lanes, prepared(1001, 2, Kind::Purchase, 100)).await;
    let mut part = abroad(3, Kind::Purchase, 2_000, 1_800);
    part.request.partial_supported = true;
    let part = submit(&db.lanes, part).await;
    assert_eq!((part.row().approved, part.row().approved_as_sent()), (Minor(1_000), Minor(1_111)));
    submit(&db.lanes, back(3, 1_111, None)).await;
    let pool = ledger::store::pool(&db.config.postgres(), 1).unwrap();
    let of = Originator::Terminal("T0000001".into());
    let count = |currency| ledger::store::day_total::of(&pool, &of, date(2026, 11, 20), currency);
    let (dollars, euros) = (count(DOLLAR).await.unwrap(), count(Currency::EUR).await.unwrap());
    let sum = |count, amount_minor| Sum { count, amount_minor };
    assert_eq!((dollars.debits, dollars.debit_reversals), (sum(2, 2_111), sum(1, 1_111)));
    assert_eq!((euros.debits, euros.debit_reversals), (sum(1, 100), sum(0, 0)));
}
