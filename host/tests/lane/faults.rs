//! Whose fault a failed batch is: one request is refused, or the whole is given up at once.

use std::time::Instant;

use futures::future::join_all;
use host::batch::PreparedRequest;
use host::lanes::{Committed, LaneError, LaneTrouble};
use ledger::journal::Kind;

use crate::database::{Database, fresh};
use crate::prepared;

/// An account of the same bucket as 1001, and so of the same lane.
const NEIGHBOUR: i64 = 1001 + 64;

/// Sixteen purchases of 10 on account 1001, all at once.
fn sixteen() -> Vec<PreparedRequest> {
    (0..16).map(|stan| prepared(1001, stan, Kind::Purchase, 10)).collect()
}

async fn submit_all(db: &Database, requests: Vec<PreparedRequest>) -> Vec<Result<Committed, LaneError>> {
    join_all(requests.into_iter().map(|prepared| db.lanes.submit(prepared, Instant::now()))).await
}

/// Makes every insert into `table` that `condition` selects fail with this SQLSTATE, and counts them.
async fn fail_inserts(db: &Database, table: &str, condition: &str, sqlstate: &str) {
    let trigger = format!(
        "CREATE SEQUENCE failed_inserts;
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
           PERFORM nextval('failed_inserts');
           RAISE EXCEPTION 'as a test wants it' USING ERRCODE = '{sqlstate}';
         END $$;
         CREATE TRIGGER fails BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION fail()"
    );
    db.client.batch_execute(&trigger).await.unwrap();
}

#[tokio::test]
async fn a_stored_word_that_this_version_does_not_know_costs_only_the_request_that_needs_it() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    db.account(NEIGHBOUR, 10_000).await;
    db.client.batch_execute("ALTER TYPE card_status ADD VALUE 'dormant'").await.unwrap();
    db.client.execute("UPDATE card SET status = 'dormant' WHERE card_id = $1", &[&NEIGHBOUR]).await.unwrap();
    let mut requests = sixteen();
    requests[7] = prepared(NEIGHBOUR, 7, Kind::Purchase, 10);
    let answers = submit_all(&db, requests).await;
    for (at, answer) in answers.iter().enumerate() {
        let refused = answer.as_ref().err();
        assert_eq!(refused, (at == 7).then_some(&LaneError::Refused), "request {at}");
    }
    assert_eq!(db.balance(1001).await, (9_850, 0));
}

#[tokio::test]
async fn a_key_that_stays_taken_costs_only_its_request() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    fail_inserts(&db, "auth", "NEW.stan = 7", "23505").await;
    let answers = submit_all(&db, sixteen()).await;
    for (at, answer) in answers.iter().enumerate() {
        let refused = answer.as_ref().err();
        assert_eq!(refused, (at == 7).then_some(&LaneError::Refused), "request {at}");
    }
    assert_eq!(db.balance(1001).await, (9_850, 0));
}

#[tokio::test]
async fn what_is_the_machines_fault_refuses_nobody_and_is_not_searched_for_among_requests() {
    for sqlstate in ["53100", "53200", "58030", "25006", "XX001"] {
        let db = fresh().await;
        db.account(1001, 10_000).await;
        fail_inserts(&db, "chain", "true", sqlstate).await;
        for answer in submit_all(&db, sixteen()).await {
            assert_eq!(answer.unwrap_err(), LaneError::Unavailable, "{sqlstate}");
        }
        let attempts = db.number("SELECT last_value FROM failed_inserts").await;
        assert!(attempts <= 16, "{sqlstate}: each batch was tried once, not {attempts} times for 16 requests");
        db.client.batch_execute("DROP TRIGGER fails ON chain").await.unwrap();
        for answer in submit_all(&db, sixteen()).await {
            answer.unwrap();
        }
        assert_eq!(db.balance(1001).await, (9_840, 0), "{sqlstate}");
        db.check_books(&[(1001, 10_000)]).await;
    }
}

#[tokio::test]
async fn a_day_in_a_state_that_is_not_known_refuses_nobody() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    db.client.batch_execute("ALTER TYPE day_state ADD VALUE 'postponed'").await.unwrap();
    db.client.batch_execute("UPDATE business_day SET state = 'postponed'").await.unwrap();
    for answer in submit_all(&db, sixteen()).await {
        assert_eq!(answer.unwrap_err(), LaneError::Unavailable);
    }
}

#[tokio::test]
async fn a_lane_that_panics_is_lost_and_told_of() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    assert!(db.lanes.progress(Instant::now()).all(|(_, progress)| progress.is_ok()));
    // a type that the program does not read the column as: no table comes to this in service, and the lane panics
    db.client.batch_execute("ALTER TABLE account_state ALTER COLUMN currency TYPE int8").await.unwrap();
    let answer = db.lanes.submit(prepared(1001, 1, Kind::Purchase, 10), Instant::now()).await;
    assert_eq!(answer.unwrap_err(), LaneError::Unavailable);
    let lost = db.tasks.lost().await;
    assert!(lost.panicked, "{lost}");
    let troubles: Vec<LaneTrouble> =
        db.lanes.progress(Instant::now()).filter_map(|(_, progress)| progress.err()).collect();
    assert_eq!(troubles, [LaneTrouble::Ended]);
}

#[tokio::test]
async fn a_batch_that_was_given_up_shows_until_the_next_commit() {
    let db = fresh().await;
    db.account(1001, 10_000).await;
    fail_inserts(&db, "chain", "true", "53100").await;
    let submit = || db.lanes.submit(prepared(1001, 1, Kind::Purchase, 10), Instant::now());
    submit().await.unwrap_err();
    let troubles = || db.lanes.progress(Instant::now()).filter_map(|(_, progress)| progress.err()).collect::<Vec<_>>();
    assert!(matches!(&troubles()[..], [LaneTrouble::GivenUp(why)] if why.contains("53100")), "{:?}", troubles());
    db.client.batch_execute("DROP TRIGGER fails ON chain").await.unwrap();
    submit().await.unwrap();
    assert_eq!(troubles(), []);
}
