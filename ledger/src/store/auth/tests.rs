//! Compatibility with rows that an earlier version wrote and chained: they are read, hashed and written unchanged.

use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::journal::hex;
use crate::store::{migrate, pool};

/// One JSON object a line: a row of `auth`, and the hash that its chain has for it.
const ROWS: &str = include_str!("../../../tests/vectors/journal-rows.ndjson");

#[expect(clippy::disallowed_methods, reason = "./test says where its Postgres is")]
async fn database() -> Client {
    let cluster =
        std::env::var("SWITCHYARD_TEST_POSTGRES").expect("SWITCHYARD_TEST_POSTGRES names no cluster: run ./test");
    let name = format!("journal_rows_{}", std::process::id());
    let connect = async |to: &str| {
        let (client, connection) = tokio_postgres::connect(to, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    connect(&cluster).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let database = cluster.replace("dbname=postgres", &format!("dbname={name}"));
    let pool = pool(&database.parse().unwrap(), 1).unwrap();
    migrate::migrate(&mut pool.get().await.unwrap()).await.unwrap();
    connect(&database).await
}

fn vectors() -> Vec<(String, Value)> {
    ROWS.lines()
        .map(|line| {
            let mut vector: Value = serde_json::from_str(line).unwrap();
            (vector["hash"].as_str().unwrap().to_owned(), vector["row"].take())
        })
        .collect()
}

/// The table's rows as JSON, in the order of their numbers.
async fn rows(client: &Client) -> Vec<Value> {
    let rows = client.query("SELECT to_json(a)::text FROM auth a ORDER BY auth_id", &[]).await.unwrap();
    rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
}

#[tokio::test]
async fn rows_of_an_earlier_version_are_read_hashed_and_written_as_ever() {
    let client = database().await;
    let vectors = vectors();
    assert_eq!(vectors.len(), 50);
    for (_, row) in &vectors {
        let insert = "INSERT INTO auth SELECT * FROM json_populate_record(NULL::auth, ($1::text)::json)";
        client.execute(insert, &[&row.to_string()]).await.unwrap();
    }
    let keys: Vec<RowKey> = client
        .query("SELECT bucket, idem_date, idem FROM auth", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| RowKey {
            bucket: row.get(0),
            date: row.get(1),
            idem: JournalKey(fixed(row.get(2), "idem").unwrap()),
        })
        .collect();
    let table = AuthTable::prepare(&client).await.unwrap();
    let mut loaded = table.load(&client, &keys).await.unwrap();
    loaded.sort_by_key(|row| row.auth_id);
    for ((hash, of), row) in vectors.iter().zip(&loaded) {
        assert_eq!(&hex(&row.hash()), hash, "{of}");
    }

    client.execute("DELETE FROM auth", &[]).await.unwrap();
    for row in loaded {
        let place = LinkPlace { lane_instance: 0, batch_seq: 0 };
        table.insert(&client, &[Arc::new(row)], place).await.unwrap();
    }
    // not read back: a row's position in its chain, and columns that are only for people
    let told = |row: &Value| {
        let mut row = row.clone();
        let columns = row.as_object_mut().unwrap();
        for name in ["exception", "lane_instance", "batch_seq", "batch_pos"] {
            columns.shift_remove(name);
        }
        row
    };
    let before: Vec<_> = vectors.iter().map(|(_, row)| told(row)).collect();
    let after: Vec<_> = rows(&client).await.iter().map(told).collect();
    assert_eq!(after, before);
}
