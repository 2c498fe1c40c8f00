//! Requests that come too late or too many: what is owed is decided all the same.

use std::time::{Duration, Instant};

use codecs::value::{Minor, ResponseCode};
use futures::future::join_all;
use host::batch::PreparedRequest;
use host::lanes::LaneError;
use ledger::journal::Kind;

use crate::database::{Database, fresh, fresh_with};
use crate::prepared;

/// What may be sent long after anybody waits for its answer: a reversal, a completion, an advice of a purchase.
fn owed(stan: u32) -> [PreparedRequest; 3] {
    let mut advice = prepared(1001, stan + 2, Kind::Purchase, 10);
    advice.request.advice = true;
    advice.request.advised = Some(ResponseCode::APPROVED);
    [prepared(1001, stan, Kind::Reversal, 10), prepared(1001, stan + 1, Kind::Completion, 10), advice]
}

#[tokio::test]
async fn what_the_switch_has_stopped_waiting_for_is_not_decided_unless_it_is_owed() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    for kind in [Kind::Purchase, Kind::PreAuthorization, Kind::Refund, Kind::BalanceInquiry] {
        let answer = db.lanes.submit(prepared(1001, 1, kind, 10), long_ago).await;
        assert_eq!(answer.unwrap_err(), LaneError::TooLate, "{kind:?}");
    }
    assert_eq!(db.number("SELECT count(*) FROM auth").await, 0);
    for owed in owed(2) {
        db.lanes.submit(owed, long_ago).await.unwrap();
    }
    assert_eq!(db.number("SELECT count(*) FROM auth").await, 3);
}

/// Whether the queue takes a request: answered at once if it does not.
async fn is_full(db: &Database, prepared: PreparedRequest) -> bool {
    let mut submitted = std::pin::pin!(db.lanes.submit(prepared, Instant::now()));
    matches!(futures::poll!(&mut submitted), std::task::Poll::Ready(Err(LaneError::Full)))
}

#[tokio::test]
async fn a_queue_full_of_requests_still_takes_what_is_owed() {
    let db = fresh_with(|config| {
        config.lanes.count = 1;
        config.lanes.max_batch = 1;
        config.lanes.max_waiting = 12;
    })
    .await;
    db.account(1001, 10_000).await;
    // until this transaction ends, the lane waits with its first batch
    db.client.batch_execute("BEGIN; LOCK TABLE auth IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let at_once = |prepared| db.lanes.submit(prepared, Instant::now());
    let requests = (0..14).map(|stan| at_once(prepared(1001, stan, Kind::Purchase, 10)));
    let reversals = owed(100).map(at_once);
    let unlock = async {
        // the lane has taken one request and twelve wait when everything above has had its turn
        tokio::task::yield_now().await;
        assert!(is_full(&db, prepared(1001, 50, Kind::Purchase, 10)).await);
        db.client.batch_execute("COMMIT").await.unwrap();
    };
    let (requests, owed, ()) = futures::join!(join_all(requests), join_all(reversals), unlock);
    let full = requests.iter().filter(|answer| matches!(answer, Err(LaneError::Full))).count();
    assert!((1..=2).contains(&full), "{full}: the lane had taken at most one when the queue was full");
    let approved: i64 = requests.iter().flatten().map(|answer| answer.row().approved).map(|Minor(minor)| minor).sum();
    assert_eq!(approved, 10 * (14 - full as i64));
    for answer in owed {
        answer.unwrap();
    }
}
