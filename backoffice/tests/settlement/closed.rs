//! Compatibility with a day that an earlier version closed: this version makes the same files, and audits it without
//! findings.
//!
//! `closed/` holds a dump of that version's database and all its files. Closing the day of the dump again renders the
//! files from the batch; closing it after the batch is removed computes the batch anew. Both must give the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use audit::Evidence;
use backoffice::close::close_day;
use jiff::civil::date;
use ledger::store::{migrate, pool};

use crate::child::{copy_of, folder};
use crate::scenario::{Vault, audit_over, cluster, connect, dialects_dir, fees, files_below};

const DUMP: &str = include_str!("closed/database.sql");

/// Everything that closing the day wrote, in an order in which it can be deleted.
const BATCH: &str = "DELETE FROM settlement_file;
    DELETE FROM settlement_posting WHERE posting LIKE '20261120-EUR/%';
    DELETE FROM outgoing_presentment;
    DELETE FROM outgoing_file;
    DELETE FROM settlement_presentment;
    DELETE FROM clearing_file WHERE NOT incoming;
    DELETE FROM settlement_position;
    DELETE FROM settlement_merchant;
    DELETE FROM settlement_line;
    DELETE FROM settlement_batch";

const SETTLEMENT_TABLES: [&str; 10] = [
    "settlement_batch",
    "settlement_line",
    "settlement_merchant",
    "settlement_position",
    "settlement_posting",
    "settlement_file",
    "outgoing_presentment",
    "outgoing_file",
    "settlement_presentment",
    "clearing_file",
];

fn written_then() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/settlement/closed")
}

/// The files of the batch as that version wrote them.
fn files_of_the_batch() -> BTreeMap<String, Vec<u8>> {
    let of_batch = |name: &String| name.starts_with("settlement/") || name.starts_with("clearing/20261120");
    files_below(&written_then()).into_iter().filter(|(name, _)| of_batch(name)).collect()
}

/// A database with the rows of the dump, migrated to the newest schema; returns its connection string.
async fn restored(name: &str) -> String {
    let name = format!("closed_{name}_{}", std::process::id());
    cluster().await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let cluster = std::env::var("SWITCHYARD_TEST_POSTGRES").unwrap();
    let database = cluster.replace("dbname=postgres", &format!("dbname={name}"));
    let client = connect(&database).await.0;
    client.batch_execute(DUMP).await.unwrap();
    // the opening balance in the dump is a test's, which did not count it as a row of its account; issuing did
    client.batch_execute("UPDATE public.account_state SET seq = seq + 1").await.unwrap();
    let pool = pool(&database.parse().unwrap(), 1).unwrap();
    migrate::migrate(&mut pool.get().await.unwrap()).await.unwrap();
    database
}

async fn close_again(database: &str, out: &Path) -> bool {
    let (mut client, config) = connect(database).await;
    let day = date(2026, 11, 20);
    close_day(&mut client, &config, &fees(), &dialects_dir(), &Vault, day, out).await.unwrap().already
}

/// The time of writing, and what batches of that version do not have.
const WRITTEN_SINCE: &str =
    "recorded_at,form,acquirer_id,dialect,processing,payer_name,payer_iban,payer_bic,pan_masked,held,rejected";

/// Every row of a table as text, without those columns.
async fn rows_of(database: &str, table: &str) -> Vec<String> {
    let (client, _) = connect(database).await;
    let sql = format!("SELECT (to_jsonb(t) - '{{{WRITTEN_SINCE}}}'::text[])::text FROM {table} t ORDER BY 1");
    client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_day_that_an_earlier_version_closed_is_rendered_byte_for_byte_and_in_order() {
    let database = restored("rendered").await;
    let out = folder("rendered");
    assert!(close_again(&database, &out).await, "the batch is there");
    assert!(files_below(&out) == files_of_the_batch(), "the bytes differ");

    let then = written_then();
    let evidence = Evidence {
        terminal_log: Some(then.join("terminal-log.ndjson")),
        clearing: Some(then.join("clearing")),
        settlement: Some(then.join("settlement")),
        anchors: None,
    };
    let (client, config) = connect(&database).await;
    let report = audit_over(&client, &config, &evidence).await;
    assert_eq!(report.differences, 0, "{report:#?}");
    assert_eq!(report.invariants.len(), 24);
}

#[tokio::test]
async fn settled_anew_from_the_journal_the_batch_is_the_same() {
    let database = restored("anew").await;
    let references = "SELECT string_agg(reference, ' ' ORDER BY reference) FROM reference";
    let named: String = connect(&database).await.0.query_one(references, &[]).await.unwrap().get(0);
    assert_eq!(named, "account-1001 card-1001", "what had no reference is called by its number");
    let anew = copy_of(&database, "again").await;
    connect(&anew).await.0.batch_execute(BATCH).await.unwrap();
    let out = folder("anew");
    assert!(!close_again(&anew, &out).await, "the batch was taken out");
    assert!(files_below(&out) == files_of_the_batch(), "the bytes differ");
    for table in SETTLEMENT_TABLES {
        assert_eq!(rows_of(&anew, table).await, rows_of(&database, table).await, "{table}");
    }
}
