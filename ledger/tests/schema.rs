//! Which schema versions a program accepts, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test stops at the first surprise")]

use deadpool_postgres::Pool;
use ledger::store::migrate::{self, NEWEST, SchemaError, require};
use ledger::store::pool;
use tokio_postgres::NoTls;

/// A new, empty database.
async fn database() -> Pool {
    let cluster =
        std::env::var("SWITCHYARD_TEST_POSTGRES").expect("SWITCHYARD_TEST_POSTGRES names no cluster: run ./test");
    let (client, connection) = tokio_postgres::connect(&cluster, NoTls).await.unwrap();
    tokio::spawn(connection);
    let name = format!("schema_{}", std::process::id());
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    pool(&cluster.replace("dbname=postgres", &format!("dbname={name}")).parse().unwrap(), 1).unwrap()
}

#[tokio::test]
async fn a_database_of_another_version_is_refused_and_told() {
    let pool = database().await;
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
