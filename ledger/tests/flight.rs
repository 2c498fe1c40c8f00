//! A lane's flight and the close of a day at the same time, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test stops at the first surprise")]

use deadpool_postgres::Pool;
use jiff::civil::{Date, date};
use ledger::store::flight::{BatchKeys, LaneConnection};
use ledger::store::instance::JournalInstance;
use ledger::store::{business_day, migrate, pool};
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

const CLOSING: Date = date(2026, 11, 20);
const OPEN: Date = date(2026, 11, 21);
/// The advisory lock on the business days.
const LOCK_DAYS: i64 = 5_857_001;

async fn connect(parameters: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(parameters, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A database with a day that was cut over and the next one, and the parameters of its connections.
async fn database() -> (Pool, String) {
    let cluster =
        std::env::var("SWITCHYARD_TEST_POSTGRES").expect("SWITCHYARD_TEST_POSTGRES names no cluster: run ./test");
    let name = format!("flight_{}", std::process::id());
    connect(&cluster).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let parameters = cluster.replace("dbname=postgres", &format!("dbname={name}"));
    let pool = pool(&parameters.parse().unwrap(), 2).unwrap();
    migrate::migrate(&mut pool.get().await.unwrap()).await.unwrap();
    business_day::cut_over(&pool, CLOSING).await.unwrap();
    business_day::cut_over(&pool, OPEN).await.unwrap();
    (pool, parameters)
}

async fn until_a_lock_is_waited_for(client: &Client) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Otherwise its transactions would join a cycle whose files are written.
#[tokio::test]
async fn a_batch_that_waits_for_a_close_reads_the_day_as_closed() {
    let (pool, parameters) = database().await;
    let mut lane = LaneConnection::open(&pool, JournalInstance { lane: 0, number: 256 }).await.unwrap();
    let (mut closer, observer) = (connect(&parameters).await, connect(&parameters).await);
    let close = closer.transaction().await.unwrap();
    close.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_DAYS]).await.unwrap();

    let batch = tokio::spawn(async move { lane.read(&BatchKeys::default()).await.unwrap() });
    until_a_lock_is_waited_for(&observer).await;
    close.execute("UPDATE business_day SET state = 'closed' WHERE date = $1", &[&CLOSING]).await.unwrap();
    close.commit().await.unwrap();

    let loaded = tokio::time::timeout(Duration::from_secs(10), batch).await.expect("in time").unwrap();
    assert_eq!(loaded.days.cycle_of(CLOSING), OPEN);
    assert_eq!(loaded.days.cycle_of(OPEN), OPEN);
}
