//! Random tampering with everything that decides or pays: whatever is changed, taken away or added, the auditor finds it.
//!
//! `SWITCHYARD_TAMPERINGS=1000` plays so many; each is undone before the next.

use std::collections::BTreeMap;

use audit::Evidence;
use backoffice::Config;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config as Plan, RngAlgorithm, TestRng, TestRunner};
use tokio_postgres::Client;

use crate::auditing::settled;
use crate::child::copy_of;
use crate::scenario::{audit_over, connect};

/// Tables with what is left out: columns that decide nothing – names for people, times of writing, ciphertext that is bound
/// to its row, counters of use that no row tells.
const TABLES: [(&str, &[&str]); 30] = [
    ("auth", &["hash_version"]),
    ("posting", &[]),
    ("hold", &[]),
    ("account_state", &[]),
    ("card", &["pan_envelope", "pan_masked", "note", "version", "issued_at"]),
    ("card_state", &["pin_tries", "atc_high", "atc_window", "code_tries", "code_refused_until"]),
    ("merchant", &[]),
    ("terminal", &[]),
    ("chain", &["committed_at"]),
    ("recorded_change", &[]),
    ("anchor", &["anchored_at"]),
    ("day_total", &[]),
    ("day_total_position", &[]),
    ("clearing_file", &["recorded_at"]),
    ("presentment", &[]),
    ("settlement_batch", &["closed_at"]),
    ("settlement_line", &[]),
    ("settlement_merchant", &[]),
    ("settlement_position", &[]),
    ("settlement_posting", &[]),
    ("outgoing_presentment", &[]),
    ("outgoing_file", &[]),
    ("settlement_presentment", &[]),
    ("settlement_file", &["bytes"]),
    // how far the list has come decides nothing, unless an exception is missing from it
    ("exception_item", &[]),
    ("operator", &[]),
    // again, because most of what there is to change stands in them
    ("auth", &["hash_version"]),
    ("posting", &[]),
    ("settlement_line", &[]),
    ("recorded_change", &[]),
];

/// What is done to a row, and how it is undone.
struct Tampering {
    done: String,
    undone: String,
}

/// Numbers from a seed.
struct Random(TestRunner);

impl Random {
    fn new() -> Self {
        let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[13; 32]);
        Self(TestRunner::new_with_rng(Plan::default(), seed))
    }

    fn below(&mut self, end: usize) -> usize {
        (0..end).new_tree(&mut self.0).expect("a range").current()
    }
}

/// The columns of a table with their types, without those left out.
async fn columns(client: &Client, table: &str, left_out: &[&str]) -> Vec<(String, String)> {
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let columns = client.query(sql, &[&table]).await.unwrap();
    let columns = columns.iter().map(|row| (row.get(0), row.get(1)));
    columns.filter(|(name, _): &(String, String)| !left_out.contains(&name.as_str())).collect()
}

/// Another value of the type than the column has; what was absent becomes present.
fn other_value(column: &str, of: &str) -> String {
    match of {
        "smallint" | "integer" | "bigint" => format!("coalesce({column}, 0) + 1"),
        "boolean" => format!("NOT coalesce({column}, false)"),
        "date" => format!("coalesce({column} + 1, '2026-11-20')"),
        "bytea" => format!("coalesce(set_byte({column}, 0, get_byte({column}, 0) # 1), '\\x01')"),
        "text" => format!("coalesce({column}, '') || 'x'"),
        of if of.starts_with("character") => {
            format!("CASE WHEN left({column}, 1) = '1' THEN '2' ELSE '1' END || substr({column}, 2)")
        }
        of if of.starts_with("timestamp") => format!("coalesce({column}, '2026-11-20') + interval '1 second'"),
        enumeration => format!(
            "(SELECT enumlabel::{enumeration} FROM pg_enum WHERE enumtypid = '{enumeration}'::regtype
              AND enumlabel::text <> coalesce({column}::text, '') ORDER BY enumlabel LIMIT 1)"
        ),
    }
}

/// A change of one column, a row taken away, or a row more.
async fn any(client: &Client, random: &mut Random) -> Option<Tampering> {
    let (table, left_out) = TABLES[random.below(TABLES.len())];
    let columns = columns(client, table, left_out).await;
    let sql = format!(
        "SELECT ctid::text, tableoid::regclass::text, to_json(t)::text FROM {table} t ORDER BY to_json(t)::text"
    );
    let rows = client.query(&sql, &[]).await.unwrap();
    if rows.is_empty() {
        return None;
    }
    let row = &rows[random.below(rows.len())];
    let (place, part, whole): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
    let quoted = whole.replace('\'', "''");
    let back = format!("INSERT INTO {table} SELECT * FROM json_populate_record(NULL::{table}, '{quoted}'::json)");
    if random.below(8) == 0 {
        let done = format!("DELETE FROM {part} WHERE ctid = '{place}'");
        return Some(Tampering { done, undone: back });
    }
    let (column, of) = &columns[random.below(columns.len())];
    let other = other_value(column, of);
    Some(Tampering {
        done: format!("UPDATE {table} SET {column} = {other} WHERE ctid = '{place}' AND tableoid = '{part}'::regclass"),
        undone: format!(
            "DELETE FROM {table} t WHERE NOT to_jsonb(t) = ANY (SELECT jsonb_array_elements('{}'::jsonb)); {back}",
            all(&rows).replace('\'', "''")
        ),
    })
}

fn all(rows: &[tokio_postgres::Row]) -> String {
    let rows: Vec<&str> = rows.iter().map(|row| row.get(2)).collect();
    format!("[{}]", rows.join(","))
}

/// The copy of the anchors that a host keeps outside the database.
async fn anchors_outside(client: &Client) -> String {
    let sql = "SELECT json_build_object('seq', anchor_seq, 'instance', lane_instance, 'batch_seq', batch_seq,
                 'hash', encode(hash, 'hex'), 'occasion', occasion, 'previous', encode(previous, 'hex'), 'mac', encode(mac, 'hex'),
                 'at', anchored_at)::text FROM anchor ORDER BY anchor_seq";
    let lines = client.query(sql, &[]).await.unwrap();
    lines.iter().map(|row| format!("{}\n", row.get::<_, &str>(0))).collect()
}

async fn differences(client: &Client, config: &Config, evidence: &Evidence) -> usize {
    audit_over(client, config, evidence).await.differences
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the number played is what one asks for with --nocapture")]
async fn whatever_decides_or_pays_cannot_be_changed_unseen() {
    let wanted = std::env::var("SWITCHYARD_TAMPERINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let (day, evidence, out) = settled().await;
    day.pre_authorize().await;
    crate::exceptions::worked_off(&day).await;
    day.add_up().await;
    day.anchor().await;
    // the log knows nothing of these, and must not be what finds the rest
    let copy = out.join("anchors.ndjson");
    let evidence = Evidence { terminal_log: None, anchors: Some(copy.clone()), ..evidence };
    let database = copy_of(&day.into_database(), "tampering").await;
    let (client, config) = connect(&database).await;
    // only the auditor stands in the way here, not the keys between tables
    client.batch_execute("SET session_replication_role = replica; SET timezone = 'UTC'").await.unwrap();
    std::fs::write(&copy, anchors_outside(&client).await).unwrap();
    assert_eq!(differences(&client, &config, &evidence).await, 0, "before anything was changed");
    let mut random = Random::new();
    let (mut played, mut refused) = (BTreeMap::<String, usize>::new(), 0);
    while played.values().sum::<usize>() < wanted {
        let Some(Tampering { done, undone }) = any(&client, &mut random).await else { continue };
        if client.batch_execute(&done).await.is_err() {
            // a constraint of the table refuses it: that cannot be done at all
            refused += 1;
            continue;
        }
        assert!(differences(&client, &config, &evidence).await > 0, "not found: {done}");
        client.batch_execute(&undone).await.unwrap_or_else(|error| panic!("{undone}: {error:?}"));
        *played.entry(done.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).or_default() += 1;
    }
    assert_eq!(differences(&client, &config, &evidence).await, 0, "everything was undone");
    println!("{} tamperings, all found; {refused} refused by the tables: {played:#?}", played.values().sum::<usize>());
}
