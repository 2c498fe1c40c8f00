//! Endings that a real acquirer sends, each once: two messages under one key, reversals in parts, completions that name
//! their hold in other ways, advices of what another decided.

use std::collections::{BTreeMap, BTreeSet};

use codecs::originator::KeyClass;
use codecs::value::{ApprovalCode, Currency, Minor, Number, ResponseCode, Rrn};
use host::authorize::Rules;
use host::batch::{Ids, PreparedRequest, fold};
use host::guesses::{GuessLimits, Guesses};
use host::lanes::LaneError;
use host::request::ReferredKeys;
use jiff::SignedDuration;
use jiff::civil::date;
use ledger::journal::Kind;
use ledger::row_location::RowLocation;
use ledger::store::flight::{BatchKeys, LaneConnection};
use ledger::store::instance::JournalInstance;

use crate::database::fresh;
use crate::sample::{self, OUR_SHOP};
use crate::{code, prepared, submit};

/// A reversal as the switch sends it: it names the class of its original.
fn reversal(stan: u32, of: KeyClass, minor: i64, standing: Option<i64>) -> PreparedRequest {
    let mut reversal = prepared(1001, stan, Kind::Reversal, minor);
    let key = sample::key(OUR_SHOP, stan);
    (reversal.request.key, reversal.request.class) = (key.of_class(of), Some(of));
    reversal.request.other_class = (of == KeyClass::Authorization).then(|| key.of_class(KeyClass::Financial));
    reversal.request.replacement = standing.map(Minor);
    reversal
}

#[tokio::test]
async fn an_authorization_and_its_sale_with_one_trace_number_and_time_are_two_rows() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 4_000)).await), "00");
    let mut sale = prepared(1001, 1, Kind::Completion, 3_000);
    sale.request.referred = Some(ReferredKeys::of(&sample::key(OUR_SHOP, 1)));
    let captured = submit(&db.lanes, sale).await;
    assert!(!captured.is_repeat());
    assert_eq!(db.balance(1001).await, (7_000, 0), "captured, and nothing is held any more");
    // one that names no class means the sale, one that names the authorization means that
    let undone = submit(&db.lanes, prepared(1001, 1, Kind::Reversal, 3_000)).await;
    assert_eq!(undone.row().approved, Minor(3_000));
    let of_hold = submit(&db.lanes, reversal(1, KeyClass::Authorization, 4_000, None)).await;
    assert_eq!(of_hold.row().exception.as_deref(), Some("hold-ended"));
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn a_tombstone_of_no_class_stops_both() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    submit(&db.lanes, prepared(1001, 1, Kind::Reversal, 2_500)).await;
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 2_500)).await), "05");
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_500)).await), "05");
    submit(&db.lanes, reversal(2, KeyClass::Authorization, 2_500, None)).await;
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 2, Kind::PreAuthorization, 2_500)).await), "05");
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 2, Kind::Purchase, 2_500)).await), "00", "it named the other");
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn any_number_of_partial_reversals_and_one_that_came_first() {
    let db = fresh().await;
    db.account(1001, 20_000).await;
    submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 10_000)).await;
    for (standing, given_back) in [(8_000, 2_000), (5_000, 3_000), (5_000, 3_000), (4_000, 1_000)] {
        let partial = submit(&db.lanes, reversal(1, KeyClass::Financial, 10_000, Some(standing))).await;
        assert_eq!(partial.row().approved, Minor(given_back), "{standing} stand");
    }
    let raised = submit(&db.lanes, reversal(1, KeyClass::Financial, 10_000, Some(9_000))).await;
    assert_eq!(raised.row().exception.as_deref(), Some("standing-raised"));
    assert_eq!(db.balance(1001).await, (16_000, 0));
    let rest = submit(&db.lanes, reversal(1, KeyClass::Financial, 10_000, None)).await;
    assert_eq!(rest.row().approved, Minor(4_000));
    // it overtook its sale: what it leaves standing is what the sale takes
    submit(&db.lanes, reversal(2, KeyClass::Financial, 6_000, Some(1_500))).await;
    let late = submit(&db.lanes, prepared(1001, 2, Kind::Purchase, 6_000)).await;
    assert_eq!((code(&late).as_str(), late.row().approved), ("10", Minor(1_500)));
    assert_eq!(db.balance(1001).await, (18_500, 0));
    db.check_books(&[(1001, 20_000)]).await;
}

#[tokio::test]
async fn a_known_key_with_other_content_is_a_row_with_an_exception_and_not_a_repeat() {
    let db = fresh().await;
    db.account(1001, 20_000).await;
    let advice = |minor| {
        let mut advice = prepared(1001, 1, Kind::Completion, minor);
        advice.request.approval_code = ApprovalCode::new("VOICE1");
        advice
    };
    submit(&db.lanes, advice(1_000)).await;
    let other = submit(&db.lanes, advice(1_200)).await;
    assert_eq!((code(&other).as_str(), other.is_repeat(), other.row().approved), ("00", false, Minor(0)));
    assert_eq!(other.row().exception.as_deref(), Some("key-reused"));
    assert!(submit(&db.lanes, advice(1_200)).await.is_repeat(), "and has a repeat of its own");
    assert!(submit(&db.lanes, advice(1_000)).await.is_repeat());
    // a reversal that is wrong does not stand in the way of the one that is right
    submit(&db.lanes, prepared(1001, 2, Kind::Purchase, 5_000)).await;
    let wrong = submit(&db.lanes, reversal(2, KeyClass::Financial, 4_000, None)).await;
    assert_eq!(wrong.row().exception.as_deref(), Some("reversal-differs"));
    assert!(submit(&db.lanes, prepared(1001, 2, Kind::Purchase, 5_000)).await.is_repeat(), "nothing was reversed");
    let right = submit(&db.lanes, reversal(2, KeyClass::Financial, 5_000, None)).await;
    assert_eq!(right.row().approved, Minor(5_000));
    let differing = submit(&db.lanes, reversal(2, KeyClass::Financial, 4_500, None)).await;
    assert_eq!(differing.row().exception.as_deref(), Some("key-reused"));
    assert_eq!(db.balance(1001).await, (19_000, 0));
    db.check_books(&[(1001, 20_000)]).await;
}

/// A completion that names nothing by key; `names` says how it names its hold.
fn completion(stan: u32, minor: i64, names: impl FnOnce(&mut PreparedRequest)) -> PreparedRequest {
    let mut completion = prepared(1001, stan, Kind::Completion, minor);
    names(&mut completion);
    completion
}

#[tokio::test]
async fn a_completion_names_its_hold_by_life_cycle_or_code_and_several_share_it() {
    let db = fresh().await;
    db.account(1001, 50_000).await;
    // two holds under one RRN: the approval code decides
    let under_one_rrn = |stan| {
        let mut hold = prepared(1001, stan, Kind::PreAuthorization, 4_000);
        hold.request.rrn = Rrn::new("633500000001");
        hold
    };
    let first = submit(&db.lanes, under_one_rrn(1)).await;
    submit(&db.lanes, under_one_rrn(2)).await;
    let by_rrn = completion(3, 4_000, |of| {
        (of.request.rrn, of.request.approval_code) = (first.row().rrn, first.row().approval_code);
    });
    let by_rrn = submit(&db.lanes, by_rrn).await;
    assert_eq!(by_rrn.row().hold.map(|hold| hold.auth_id), Some(first.row().auth_id));
    assert_eq!(db.balance(1001).await, (46_000, 4_000));

    let held = submit(&db.lanes, prepared(1001, 4, Kind::PreAuthorization, 10_000)).await;
    let by_life_cycle = completion(5, 4_000, |of| of.request.life_cycle = Some(held.row().life_cycle.clone()));
    assert_eq!(submit(&db.lanes, by_life_cycle).await.row().exception, None);
    // the hold ended with the first; the second is within what was authorized, the third is not
    let by_code = |stan, minor| {
        completion(stan, minor, |of| (of.request.rrn, of.request.approval_code) = (None, held.row().approval_code))
    };
    assert_eq!(submit(&db.lanes, by_code(6, 6_000)).await.row().exception, None);
    let over = submit(&db.lanes, by_code(7, 500)).await;
    assert_eq!(over.row().exception.as_deref(), Some("completion-of-captured"), "nothing is left of it");
    assert_eq!(db.balance(1001).await, (35_500, 4_000));
    db.check_books(&[(1001, 50_000)]).await;
}

#[tokio::test]
async fn beyond_the_tolerance_of_its_category_a_completion_is_posted_and_marked() {
    let db = fresh().await;
    db.account(1001, 50_000).await;
    for (stan, category, minor, marked) in
        [(10, 5411, 10_001, true), (20, 5812, 12_000, false), (30, 5812, 12_001, true)]
    {
        let held = submit(&db.lanes, prepared(1001, stan, Kind::PreAuthorization, 10_000)).await;
        let done = completion(stan + 1, minor, |of| {
            of.request.life_cycle = Some(held.row().life_cycle.clone());
            of.request.mcc = Some(Number(category));
        });
        let exception = submit(&db.lanes, done).await.row().exception.clone();
        assert_eq!(exception.as_deref(), marked.then_some("completion-over-hold"), "{category} {minor}");
    }
    db.check_books(&[(1001, 50_000)]).await;
}

#[tokio::test]
async fn an_increment_raises_its_hold_and_one_completion_ends_it() {
    let db = fresh().await;
    db.account(1001, 50_000).await;
    let held = submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 10_000)).await;
    let mut more = prepared(1001, 2, Kind::PreAuthorization, 5_000);
    (more.request.rrn, more.request.approval_code) = (held.row().rrn, held.row().approval_code);
    more.request.life_cycle = Some(held.row().life_cycle.clone());
    let more = submit(&db.lanes, more).await;
    assert_eq!((more.row().kind, more.row().approval_code), (Kind::Increment, held.row().approval_code));
    assert_eq!(db.balance(1001).await, (50_000, 15_000));
    assert_eq!(db.number("SELECT count(*) FROM hold").await, 1);
    // a reversal of the increment alone lowers the hold by it
    submit(&db.lanes, reversal(2, KeyClass::Authorization, 5_000, Some(2_000))).await;
    assert_eq!(db.balance(1001).await, (50_000, 12_000));
    let done = completion(3, 12_000, |of| of.request.life_cycle = Some(held.row().life_cycle.clone()));
    assert_eq!(submit(&db.lanes, done).await.row().exception, None);
    assert_eq!(db.balance(1001).await, (38_000, 0));
    db.check_books(&[(1001, 50_000)]).await;
}

#[tokio::test]
async fn what_another_decided_in_our_place_is_kept_as_it_was_decided() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let mut approved = prepared(1001, 1, Kind::PreAuthorization, 40_000);
    (approved.request.advice, approved.request.advised) = (true, Some(ResponseCode::APPROVED));
    approved.request.approval_code = ApprovalCode::new("STIP01");
    let held = submit(&db.lanes, approved).await;
    assert_eq!((code(&held).as_str(), held.row().approval_code), ("00", ApprovalCode::new("STIP01")));
    assert_eq!(db.balance(1001).await, (10_000, 40_000), "its merchant relies on it, whatever there is");
    // an advice that tells of a decline releases the hold that it names, and counts as nothing
    let declined = completion(2, 40_000, |of| {
        of.request.advised = Some(ResponseCode(*b"51"));
        of.request.life_cycle = Some(held.row().life_cycle.clone());
    });
    let declined = submit(&db.lanes, declined).await;
    assert_eq!(declined.row().approved, Minor(0));
    assert_eq!(db.balance(1001).await, (10_000, 0));
    db.check_books(&[(1001, 10_000)]).await;
}

#[tokio::test]
async fn an_advice_that_names_a_captured_sale_posts_what_is_new() {
    let db = fresh().await;
    db.account(1001, 50_000).await;
    submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 10_000)).await;
    let tip = |stan, minor| {
        completion(stan, minor, |of| {
            let sale = ReferredKeys::of(&sample::key(OUR_SHOP, 1));
            of.request.referred = Some(ReferredKeys { class: Some(KeyClass::Financial), ..sale });
            of.request.mcc = Some(Number(5812));
        })
    };
    for (stan, minor, posted, exception) in [
        (2, 11_500, 1_500, None),
        (3, 12_000, 500, None),
        (4, 12_000, 0, None),
        (5, 9_000, 0, Some("adjustment-lower")),
        (6, 20_000, 8_000, Some("completion-over-hold")),
    ] {
        let told = submit(&db.lanes, tip(stan, minor)).await;
        assert_eq!((told.row().approved.0, told.row().exception.as_deref()), (posted, exception), "{minor}");
    }
    assert_eq!(db.balance(1001).await, (30_000, 0));
    db.check_books(&[(1001, 50_000)]).await;
}

#[tokio::test]
async fn the_limit_follows_what_is_captured_and_a_reversed_completion_gives_all_of_it_back() {
    let db = fresh().await;
    db.account(1001, 1_000_000).await;
    let spent = async || db.number("SELECT spent_minor FROM card_state").await;
    let held = submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 60_000)).await;
    let done = |stan, minor| completion(stan, minor, |of| of.request.life_cycle = Some(held.row().life_cycle.clone()));
    submit(&db.lanes, done(2, 100)).await;
    assert_eq!(spent().await, 100, "what was not captured is free again");
    submit(&db.lanes, reversal(2, KeyClass::Financial, 100, None)).await;
    assert_eq!(spent().await, 0);
    // completed on a later day, only the excess counts there, and no more is given back there
    let held = submit(&db.lanes, prepared(1001, 3, Kind::PreAuthorization, 50_000)).await;
    let mut late = completion(4, 60_000, |of| of.request.life_cycle = Some(held.row().life_cycle.clone()));
    late.request.business_date = date(2026, 11, 21);
    submit(&db.lanes, late).await;
    assert_eq!(spent().await, 10_000);
    let mut undone = reversal(4, KeyClass::Financial, 60_000, None);
    undone.request.business_date = date(2026, 11, 21);
    submit(&db.lanes, undone).await;
    assert_eq!(spent().await, 0);
    db.check_books(&[(1001, 1_000_000)]).await;
}

/// Otherwise the original stays approved, and the reversal acknowledged beside it.
#[tokio::test]
async fn a_reversal_without_a_card_waits_for_the_original_that_is_being_committed() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let pool = ledger::store::pool(&db.config.postgres(), 2).unwrap();
    let mut lane = LaneConnection::open(&pool, JournalInstance::of_lane(77, 0)).await.unwrap();
    let original = prepared(1001, 1, Kind::Purchase, 2_500);
    let mut keys =
        BatchKeys { rows: original.rows_to_load(), followers_of: original.followers_to_load(), ..BatchKeys::default() };
    keys.key_locks.extend(original.key_locks());
    let RowLocation::OurAccount { bucket, account_id, card_id, .. } = original.location else { unreachable!() };
    keys.accounts.push((bucket, account_id));
    keys.cards.push((bucket, card_id));
    let mut loaded = lane.read(&keys.in_order()).await.unwrap();

    let mut stray = prepared(1001, 1, Kind::Reversal, 2_500);
    stray.request.identify(None);
    stray.location = RowLocation::NoAccount { bucket: ledger::bucket::bucket_of(&stray.request.key.original.0) };
    let lanes = &db.lanes;
    let reversed = async { lanes.submit(stray.clone(), std::time::Instant::now()).await };
    let committed = async {
        // the reversal is waiting by now: its flight stands at the lock
        while db.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let rules = Rules {
            currency: Currency::EUR,
            max_pin_tries: 3,
            completion_tolerance: BTreeMap::new(),
            balance_needs_pin: false,
            max_code_tries: 5,
            max_unreferenced_refunds_minor: 500_000,
            chip_amount_free: BTreeSet::new(),
        };
        let limits = GuessLimits { window: SignedDuration::from_mins(60), max_failures: 20, max_failure_percent: 20 };
        let guesses = Guesses::new(limits);
        let requests = std::slice::from_ref(&original);
        let batch = fold(requests, &mut loaded, &rules, 7, &Ids::of_epoch(77), &mut guesses.batch());
        lane.write(&batch.changes, &loaded).await.unwrap();
    };
    let (reversed, ()) = futures::join!(reversed, committed);
    assert!(matches!(reversed, Err(LaneError::Stale)), "its original is found now: {reversed:?}");
    assert_eq!(db.balance(1001).await, (7_500, 0));
}

/// The terminal was declined, or heard nothing, and sold all the same: it tells so under the key of its request.
#[tokio::test]
async fn an_advice_with_the_key_of_a_failed_request_is_posted_once_and_reversed_once() {
    let db = fresh().await;
    db.account(1001, 1_000).await;
    let advice = || {
        let mut advice = prepared(1001, 1, Kind::Completion, 2_500);
        advice.request.approval_code = ApprovalCode::new("VOICE1");
        advice
    };
    assert_eq!(code(&submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_500)).await), "51");
    let declined = {
        let mut declined = advice();
        declined.request.advised = Some(ResponseCode::INSUFFICIENT_FUNDS);
        submit(&db.lanes, declined).await
    };
    assert!(declined.is_repeat(), "it reports what the host said itself");
    let told = submit(&db.lanes, advice()).await;
    assert_eq!((code(&told).as_str(), told.is_repeat(), told.row().approved), ("00", false, Minor(2_500)));
    assert!(submit(&db.lanes, advice()).await.is_repeat());
    assert!(submit(&db.lanes, prepared(1001, 1, Kind::Purchase, 2_500)).await.is_repeat(), "the request is declined");
    assert_eq!(db.balance(1001).await, (-1_500, 0));
    let part = submit(&db.lanes, reversal(1, KeyClass::Financial, 2_500, Some(500))).await;
    assert_eq!(part.row().approved, Minor(2_000));
    let rest = submit(&db.lanes, reversal(1, KeyClass::Financial, 2_500, None)).await;
    assert_eq!(rest.row().approved, Minor(500));
    assert!(submit(&db.lanes, reversal(1, KeyClass::Financial, 2_500, None)).await.is_repeat());
    assert_eq!(db.balance(1001).await, (1_000, 0));
    // one whose attempt was reversed is for a person: the reversal may have been meant for it
    submit(&db.lanes, prepared(1001, 2, Kind::Purchase, 700)).await;
    submit(&db.lanes, reversal(2, KeyClass::Financial, 700, None)).await;
    let after = {
        let mut after = prepared(1001, 2, Kind::Completion, 700);
        after.request.approval_code = ApprovalCode::new("VOICE2");
        after
    };
    let after = submit(&db.lanes, after).await;
    assert_eq!((after.row().approved, after.row().exception.as_deref()), (Minor(0), Some("reversed-before")));
    db.check_books(&[(1001, 1_000)]).await;
}
