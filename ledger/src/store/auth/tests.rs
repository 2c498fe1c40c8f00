//! Compatibility with rows that version 1 of the journal wrote and chained: the migration keeps what they say, and their
//! hashes still follow from their columns.

use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::journal::hex;
use crate::store::migrate::{migrate, migrate_to};

/// One JSON object a line: a row of `auth` of version 1, and the hash that its chain has for it.
const ROWS: &str = include_str!("../../../tests/vectors/journal-rows.ndjson");

/// The text under a row's hash in version 1, from today's columns.
const TEXT: &str = "SELECT array_to_string(ARRAY[bucket::text, idem_date::text, encode(idem, 'hex'), auth_id::text, kind::text,
    role::text, encode(digest, 'hex'), coalesce(account_id::text, '-'), coalesce(account_seq::text, '-'), response_code,
    coalesce(approval_code, '-'), requested_minor::text, approved_minor::text, currency::text, link, coalesce(merchant, '-'),
    coalesce(terminal, '-'), coalesce(rrn, '-'), lifecycle, business_date::text, cycle::text,
    coalesce(encode(original_idem, 'hex'), '-')], '|') FROM auth WHERE hash_version = 1 ORDER BY auth_id";

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
    connect(&cluster.replace("dbname=postgres", &format!("dbname={name}"))).await
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
async fn rows_of_version_1_are_migrated_read_and_verified() {
    let mut client = database().await;
    migrate_to(&mut client, 6).await.unwrap();
    let vectors = vectors();
    assert_eq!(vectors.len(), 50);
    for (_, row) in &vectors {
        let insert = "INSERT INTO auth SELECT * FROM json_populate_record(NULL::auth, ($1::text)::json)";
        client.execute(insert, &[&row.to_string()]).await.unwrap();
    }
    migrate(&mut client).await.unwrap();
    let texts = client.query(TEXT, &[]).await.unwrap();
    assert_eq!(texts.len(), vectors.len());
    for ((hash, of), text) in vectors.iter().zip(&texts) {
        let of_text = <sha2::Sha256 as sha2::Digest>::digest(text.get::<_, &str>(0).as_bytes());
        assert_eq!(&hex(&of_text), hash, "{of}");
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
    let mut table = AuthTable::prepare(&client).await.unwrap();
    table.prepare_months(&client, [&keys, &[]]).await.unwrap();
    let mut loaded = table.load(&client, &keys).await.unwrap();
    loaded.sort_by_key(|row| row.auth_id);
    let before = rows(&client).await;
    for (row, (_, of)) in before.iter().zip(&vectors) {
        for (name, value) in of.as_object().unwrap() {
            assert_eq!(&row[name], value, "{name} of {of}");
        }
    }

    client.execute("DELETE FROM auth", &[]).await.unwrap();
    for row in loaded {
        let place = LinkPlace { lane_instance: 0, batch_seq: 0 };
        table.insert(&client, &[Arc::new(row)], place).await.unwrap();
    }
    // what is read is the whole row but its place in a chain
    let told = |row: &Value| {
        let mut row = row.clone();
        for name in ["lane_instance", "batch_seq", "batch_pos", "hash_version"] {
            row.as_object_mut().unwrap().shift_remove(name);
        }
        row
    };
    let after: Vec<_> = rows(&client).await.iter().map(told).collect();
    assert_eq!(after, before.iter().map(told).collect::<Vec<_>>());
}
