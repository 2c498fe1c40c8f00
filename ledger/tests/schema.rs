//! Which schema versions a program accepts, and what the migrations make of what is there, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use ledger::store::migrate::{self, NEWEST, SchemaError, require};
use ledger::store::{merchant, pool, terminal};
use tokio_postgres::NoTls;

/// A new, empty database.
async fn database(name: &str) -> Pool {
    let cluster =
        std::env::var("SWITCHYARD_TEST_POSTGRES").expect("SWITCHYARD_TEST_POSTGRES names no cluster: run ./test");
    let (client, connection) = tokio_postgres::connect(&cluster, NoTls).await.unwrap();
    tokio::spawn(connection);
    let name = format!("schema_{name}_{}", std::process::id());
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    pool(&cluster.replace("dbname=postgres", &format!("dbname={name}")).parse().unwrap(), 1).unwrap()
}

#[tokio::test]
async fn a_database_of_another_version_is_refused_and_told() {
    let pool = database("versions").await;
    assert!(matches!(require(&pool, 5..=NEWEST).await, Err(SchemaError::None)));
    migrate::migrate(&mut pool.get().await.unwrap()).await.unwrap();
    require(&pool, 5..=NEWEST).await.unwrap();
    require(&pool, NEWEST..=NEWEST).await.unwrap();
    let refused = require(&pool, 1..=NEWEST - 1).await.unwrap_err().to_string();
    let before = NEWEST - 1;
    let told = format!(
        "the database has schema {NEWEST}, this program knows none beyond {before}: it is older than the database"
    );
    assert_eq!(refused, told);
    let step_back = format!("DELETE FROM schema_migration WHERE number = {NEWEST}");
    pool.get().await.unwrap().batch_execute(&step_back).await.unwrap();
    require(&pool, 5..=NEWEST).await.unwrap();
    let refused = require(&pool, NEWEST..=NEWEST).await.unwrap_err().to_string();
    let told =
        format!("the database has schema {before}, this program needs {NEWEST} or later: run `authhost migrate`");
    assert_eq!(refused, told);
}

/// More rows than are read or recorded at once.
#[tokio::test]
async fn what_an_installation_had_is_recorded_as_a_change_of_today_would_be() {
    let pool = database("baseline").await;
    let mut client = pool.get().await.unwrap();
    migrate::migrate_to(&mut client, 6).await.unwrap();
    client
        .batch_execute(
            "INSERT INTO merchant (merchant_id, name, mcc, city, country, iban)
               VALUES ('SWYD00000000001', 'Shop', 5411, 'Berlin', '276', 'DE02120300000000202051');
             INSERT INTO terminal (terminal_id, merchant_id)
               SELECT 'T' || lpad(n::text, 7, '0'), 'SWYD00000000001' FROM generate_series(1, 2001) n",
        )
        .await
        .unwrap();
    migrate::migrate(&mut client).await.unwrap();
    let rows = client.query("SELECT subject || ' ' || reference, content FROM recorded_change", &[]).await.unwrap();
    let found: BTreeMap<String, Vec<u8>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!((rows.len(), found.len()), (2_002, 2_002), "each once");

    let shop = merchant::all(&**client).await.unwrap().remove("SWYD00000000001").unwrap();
    let mut today = vec![merchant::put(&**client, &shop, Timestamp::UNIX_EPOCH).await.unwrap()];
    for number in 1..=2_001 {
        let id = format!("T{number:07}");
        today.push(terminal::put(&**client, &id, &shop.merchant_id, Timestamp::UNIX_EPOCH).await.unwrap());
    }
    let today: BTreeMap<String, Vec<u8>> = today
        .into_iter()
        .map(|change| (format!("{} {}", change.subject.as_str(), change.reference), change.content.to_vec()))
        .collect();
    assert!(found == today, "contents differ");
}

/// Of a journal that is older than the sums the migration adds up everything; a host of before that serves beside it is
/// added up from there on.
#[tokio::test]
async fn the_days_of_before_are_added_up_by_the_migration() {
    let pool = database("day_totals").await;
    let mut client = pool.get().await.unwrap();
    migrate::migrate_to(&mut client, 8).await.unwrap();
    client
        .batch_execute(
            "INSERT INTO journal_instance (instance, program, actor) VALUES (257, 'authhost', 'a test');
             INSERT INTO chain (bucket, lane_instance, batch_seq, rows, changes, previous, hash, committed_at, version)
               SELECT 1, 257, n, 1, 0, '', '', now(), 2 FROM generate_series(1, 7) n;
             INSERT INTO auth (auth_id, requested_minor, approved_minor, batch_seq, local_at, received_at, idem_date, business_date,
                 cycle, lane_instance, stan, kind, role, bucket, hash_version, currency, batch_pos, advice, response_code, idem, digest,
                 link, acquirer, terminal, lifecycle, why, original_date, original_idem, transaction_minor, transaction_currency)
               SELECT n, 100, approved, n, now(), now(), current_date, current_date, current_date + late, 257, n, kind::auth_kind,
                 role::auth_role, 1, 2, 978, 0, false, code, int8send(n), '', 'a', '510099', terminal, '', '',
                 CASE WHEN kind = 'reversal' THEN current_date END, CASE WHEN kind = 'reversal' THEN int8send(1) END, sent,
                 CASE WHEN sent IS NOT NULL THEN 840 END
               FROM (VALUES (1, 'purchase', 'on-us', 'T1', 100, '00', 0, NULL), (2, 'purchase', 'on-us', 'T1', 0, '51', 0, NULL),
                 (3, 'completion', 'acquired', 'T1', 50, '00', 1, NULL), (4, 'reversal', 'on-us', 'T1', 30, '00', 0, NULL),
                 (5, 'balance-inquiry', 'on-us', 'T1', 0, '00', 0, NULL), (6, 'refund', 'issued', 'T1', 10, '00', 0, 1111),
                 (7, 'refund', 'acquired', NULL, 10, '00', 0, NULL))
                 AS v(n, kind, role, terminal, approved, code, late, sent)",
        )
        .await
        .unwrap();
    migrate::migrate(&mut client).await.unwrap();
    let sums =
        "SELECT concat_ws(' ', originator_kind, originator, currency, kind, cycle - business_date, items, amount_minor)
        FROM day_total ORDER BY 1";
    let rows = client.query(sums, &[]).await.unwrap();
    let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        rows,
        [
            "acquirer 510099 840 credit 0 1 111",
            "terminal T1 978 authorization 0 1 0",
            "terminal T1 978 debit 0 1 100",
            "terminal T1 978 debit 1 1 50",
            "terminal T1 978 debit-reversal 0 1 30",
        ]
    );
    let position = client.query_one("SELECT lane_instance, batch_seq FROM day_total_position", &[]).await.unwrap();
    assert_eq!((position.get::<_, i32>(0), position.get::<_, i64>(1)), (257, 7));
}
