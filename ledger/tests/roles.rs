//! What the role of each program may do, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use deadpool_postgres::Pool;
use jiff::civil::date;
use ledger::store::{migrate, partitions, pool};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// Tables to which rows are added, and nothing else, for ever.
const JOURNAL: [&str; 6] = ["auth", "posting", "chain", "recorded_change", "journal_instance", "anchor"];
const PROGRAMS: [&str; 4] = ["switchyard_host", "switchyard_issuing", "switchyard_backoffice", "switchyard_auditor"];

/// Who may do what: relation, then host, issuing, back office and auditor. `r` reads, `a` adds rows, `w` updates these columns,
/// `U` takes numbers of a sequence. Nobody deletes or truncates, and nothing is for everybody.
const MATRIX: &[(&str, [&str; 4])] = &[
    ("account_number", ["", "U", "", ""]),
    ("account_state", ["r w(held_minor ledger_minor seq)", "a r w(seq)", "", "r"]),
    ("acquired_chip", ["a", "", "r", "r"]),
    ("anchor", ["a r", "", "", "r"]),
    ("anchor_version_1", ["", "", "", "r"]),
    ("auth", ["a r", "a", "r", "r"]),
    ("auth_YYYY_MM", ["r", "", "", "r"]),
    ("business_day", ["a r w(cut_over_at state)", "r", "a r w(closed_at cut_over_at state)", "r"]),
    ("card", ["r", "a r w(status version)", "r w(pan_envelope)", "r"]),
    ("card_number", ["", "U", "", ""]),
    ("card_state", ["r w(atc_high atc_window code_refused_until code_tries day pin_tries spent_minor)", "a", "", "r"]),
    ("chain", ["a r", "a r", "a r", "r"]),
    ("clearing_file", ["", "", "a r", "r"]),
    ("day_total", ["a r w(amount_minor items)", "", "", "r"]),
    ("day_total_position", ["a r w(batch_seq)", "", "", "r"]),
    (
        "exception_item",
        [
            "",
            "",
            "a r w(act approved_at approved_by approved_uid changed_at posting_cycle proposed_at proposed_by proposed_uid reason state)",
            "r",
        ],
    ),
    ("exception_number", ["", "", "U", ""]),
    ("exception_position", ["", "", "a r w(batch_seq)", "r"]),
    ("foreign_card", ["a", "", "r w(pan_envelope)", "r"]),
    ("hold", ["a r w(amount_minor authorized_minor captured_minor expires_on state)", "", "", "r"]),
    ("host_epoch", ["U", "U", "U", ""]),
    ("issued_transaction", ["", "", "a r", "r"]),
    ("issued_transaction_position", ["", "", "a r w(batch_seq)", "r"]),
    ("journal_instance", ["a r", "a", "a r", "r"]),
    ("ledger", ["", "", "r", "r"]),
    ("ledger_leg", ["", "", "", "r"]),
    ("merchant", ["r", "", "a r w(city country iban mcc name)", "r"]),
    ("operator", ["", "", "a r w(active unix_uid)", "r"]),
    ("outgoing_file", ["", "", "a r", "r"]),
    ("outgoing_presentment", ["", "", "a r", "r"]),
    ("pan_directory", ["r", "a", "", "r"]),
    ("posting", ["a", "a", "r", "r"]),
    ("posting_YYYY_MM", ["", "", "", "r"]),
    ("presentment", ["", "", "a r", "r"]),
    ("recorded_change", ["a", "a", "a", "r"]),
    ("reference", ["", "a r", "", "r"]),
    ("schema_migration", ["r", "r", "r", "r"]),
    ("settlement_batch", ["", "", "a r", "r"]),
    ("settlement_file", ["", "", "a r", "r"]),
    ("settlement_line", ["", "", "a r", "r"]),
    ("settlement_merchant", ["", "", "a r", "r"]),
    ("settlement_position", ["", "", "a r", "r"]),
    ("settlement_posting", ["", "", "a r", "r"]),
    ("settlement_presentment", ["", "", "a r", "r"]),
    ("stored_credential", ["a r", "", "", "r"]),
    ("terminal", ["r", "", "a r w(merchant_id)", "r"]),
    ("terminal_refund", ["a r w(given_minor)", "", "", "r"]),
    ("token", ["r", "a r w(status version)", "r w(version)", "r"]),
    ("token_state", ["r w(atc_high atc_window)", "a", "", "r"]),
    ("token_vault", ["r", "a", "r w(dpan_envelope envelope)", "r"]),
];

/// Relations with what is granted on them beyond their owner's rights, one row a relation, role and privilege; a relation on which
/// nothing is granted has one row without either.
const GRANTED: &str = "
    SELECT c.relname::text, coalesce(r.rolname, CASE WHEN a.grantee = 0 THEN 'everybody' END)::text, a.privilege_type, a.attname
    FROM pg_class c
    LEFT JOIN LATERAL (
        SELECT grantee, privilege_type, NULL::text AS attname FROM aclexplode(c.relacl)
        UNION ALL
        SELECT e.grantee, e.privilege_type, t.attname::text FROM pg_attribute t, aclexplode(t.attacl) e WHERE t.attrelid = c.oid
    ) a ON a.grantee <> c.relowner
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";

async fn connect(parameters: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(parameters, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A migrated database: the parameters of its connections.
async fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let cluster =
        std::env::var("SWITCHYARD_TEST_POSTGRES").expect("SWITCHYARD_TEST_POSTGRES names no cluster: run ./test");
    let name = format!("roles_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    connect(&cluster).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let parameters = cluster.replace("dbname=postgres", &format!("dbname={name}"));
    let owner = pool(&parameters.parse().unwrap(), 1).unwrap();
    migrate::migrate(&mut owner.get().await.unwrap()).await.unwrap();
    parameters
}

fn as_role(parameters: &str, role: &str) -> String {
    format!("{parameters} options='-c role={role} -c lock_timeout=5s'")
}

fn host_pool(parameters: &str) -> Pool {
    pool(&as_role(parameters, "switchyard_host").parse().unwrap(), 2).unwrap()
}

/// The SQLSTATE that a statement of this role ends with.
async fn outcome(client: &Client, statement: &str) -> Option<SqlState> {
    client.batch_execute(statement).await.err().map(|error| error.code().unwrap().clone())
}

async fn assert_forbidden(client: &Client, role: &str, statement: &str) {
    assert_eq!(outcome(client, statement).await, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{role}: {statement}");
}

async fn texts(client: &Client, query: &str) -> Vec<String> {
    client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Relation and the first of its columns.
async fn relations(client: &Client, kinds: &str) -> Vec<(String, String)> {
    let query = format!(
        "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ({kinds}) ORDER BY 1"
    );
    client.query(&query, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// A partition under the name that stands for all of its table's.
fn without_month(relation: &str) -> String {
    match relation.rsplitn(3, '_').collect::<Vec<_>>()[..] {
        [month, year, table] if [month, year].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) => {
            format!("{table}_YYYY_MM")
        }
        _ => relation.to_owned(),
    }
}

fn in_short(privileges: &BTreeSet<(String, Option<String>)>) -> String {
    let whole = privileges.iter().filter(|(_, column)| column.is_none()).map(|(privilege, _)| match &**privilege {
        "SELECT" => "r",
        "INSERT" => "a",
        "USAGE" => "U",
        other => other,
    });
    let mut words: Vec<String> = whole.map(str::to_owned).collect();
    words.sort_unstable();
    let columns: Vec<_> = privileges
        .iter()
        .filter_map(|(privilege, column)| column.as_ref().map(|column| (&**privilege, column.as_str())))
        .collect();
    if !columns.is_empty() {
        assert!(columns.iter().all(|(privilege, _)| *privilege == "UPDATE"), "{columns:?}");
        words.push(format!("w({})", columns.iter().map(|(_, column)| *column).collect::<Vec<_>>().join(" ")));
    }
    words.join(" ")
}

/// A relation that is new fails here until somebody has said who needs it.
#[tokio::test]
async fn every_relation_is_granted_to_whom_it_is_needed_by_and_to_nobody_else() {
    let parameters = database().await;
    // a month that a host makes is granted as those of the migration are
    partitions::make_around(&host_pool(&parameters), date(2031, 5, 31)).await.unwrap();
    let client = connect(&parameters).await;
    type Privileges = BTreeSet<(String, Option<String>)>;
    let mut granted: BTreeMap<String, BTreeMap<String, Privileges>> = BTreeMap::new();
    for row in client.query(GRANTED, &[]).await.unwrap() {
        let by_role = granted.entry(row.get(0)).or_default();
        if let Some(role) = row.get::<_, Option<String>>(1) {
            by_role.entry(role).or_default().insert((row.get(2), row.get(3)));
        }
    }
    let mut found: BTreeMap<String, BTreeSet<[String; 4]>> = BTreeMap::new();
    for (relation, by_role) in &granted {
        let strangers: Vec<_> = by_role.keys().filter(|role| !PROGRAMS.contains(&role.as_str())).collect();
        assert!(strangers.is_empty(), "{relation} is granted to {strangers:?}");
        let row = PROGRAMS.map(|role| by_role.get(role).map(in_short).unwrap_or_default());
        found.entry(without_month(relation)).or_default().insert(row);
    }
    let wanted: BTreeMap<String, BTreeSet<[String; 4]>> =
        MATRIX.iter().map(|(name, row)| ((*name).to_owned(), BTreeSet::from([row.map(str::to_owned)]))).collect();
    for relation in found.keys().chain(wanted.keys()) {
        assert_eq!(found.get(relation), wanted.get(relation), "{relation}: what is granted, and what should be");
    }
}

#[tokio::test]
async fn nobody_but_the_owner_changes_a_row_of_the_journal() {
    let parameters = database().await;
    let owner = connect(&parameters).await;
    let tables = relations(&owner, "'r', 'p'").await;
    let journal: Vec<_> = tables
        .iter()
        .filter(|(name, _)| JOURNAL.iter().any(|of| without_month(name).trim_end_matches("_YYYY_MM") == *of))
        .collect();
    assert!(journal.len() > JOURNAL.len() + 20, "the months are among them");
    for role in PROGRAMS {
        let client = connect(&as_role(&parameters, role)).await;
        for (table, column) in &journal {
            assert_forbidden(&client, role, &format!("UPDATE {table} SET {column} = {column}")).await;
            assert_forbidden(&client, role, &format!("DELETE FROM {table}")).await;
            assert_forbidden(&client, role, &format!("TRUNCATE {table}")).await;
        }
    }
}

#[tokio::test]
async fn the_auditor_reads_everything_and_writes_nothing() {
    let parameters = database().await;
    let client = connect(&as_role(&parameters, "switchyard_auditor")).await;
    for (relation, column) in relations(&client, "'r', 'p', 'v'").await {
        assert_eq!(outcome(&client, &format!("SELECT * FROM {relation} LIMIT 1")).await, None, "{relation}");
        for write in [
            format!("INSERT INTO {relation} ({column}) VALUES (NULL)"),
            format!("UPDATE {relation} SET {column} = NULL"),
            format!("DELETE FROM {relation}"),
        ] {
            // a view that unites others takes no rows from anybody
            let code = outcome(&client, &write).await;
            let of_a_view = code == Some(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE) && relation.starts_with("ledger");
            assert!(of_a_view || code == Some(SqlState::INSUFFICIENT_PRIVILEGE), "{write}: {code:?}");
        }
    }
    for sequence in ["host_epoch", "account_number", "card_number"] {
        assert_forbidden(&client, "auditor", &format!("SELECT nextval('{sequence}')")).await;
    }
    assert_forbidden(&client, "auditor", "SELECT journal_partitions('2040-01-01', '2040-01-01')").await;
    assert_forbidden(&client, "auditor", "CREATE TABLE mine (a int)").await;
}

/// `authhost` calls this at its start and while it keeps house; months that nobody made would refuse every row.
#[tokio::test]
async fn the_host_makes_the_months_around_a_day_as_it_comes() {
    let parameters = database().await;
    let (owner, host) = (connect(&parameters).await, host_pool(&parameters));
    assert_eq!(partitions::make_around(&host, date(2030, 1, 31)).await.unwrap(), 2 * 15, "seven months on either side");
    assert_eq!(partitions::make_around(&host, date(2030, 1, 31)).await.unwrap(), 0, "they are there");
    assert_eq!(partitions::make_around(&host, date(2030, 2, 1)).await.unwrap(), 2, "one month on");
    let attached = "SELECT relname::text FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
        WHERE relkind = 'r' AND relname LIKE 'auth_2030%' ORDER BY 1";
    let months: Vec<String> = (1..=9).map(|month| format!("auth_2030_{month:02}")).collect();
    assert_eq!(texts(&owner, attached).await, months);
    // with the indexes of their table, and vacuumed as it says
    let shape = "SELECT string_agg(am.amname || ' ' || i.indisprimary, ', ' ORDER BY am.amname, i.indisprimary) || ' ' || c.reloptions::text
        FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam
        WHERE c.relispartition AND c.relname LIKE 'auth%' GROUP BY c.oid, c.reloptions";
    let shapes: BTreeSet<String> = texts(&owner, shape).await.into_iter().collect();
    assert_eq!(shapes.len(), 1, "{shapes:?}");
}

/// An auditor's statement may last for minutes; lanes behind a lock that waits for it would answer nobody.
#[tokio::test]
async fn a_month_is_made_while_somebody_reads_the_journal() {
    let parameters = database().await;
    let mut reader = connect(&parameters).await;
    let reading = reader.transaction().await.unwrap();
    reading.query_one("SELECT (SELECT count(*) FROM auth) + (SELECT count(*) FROM posting)", &[]).await.unwrap();
    partitions::make_around(&host_pool(&parameters), date(2030, 1, 31)).await.unwrap();
}

#[tokio::test]
async fn two_hosts_make_the_months_at_once() {
    let parameters = database().await;
    let host = host_pool(&parameters);
    let day = date(2030, 1, 31);
    let (one, other) = futures::join!(partitions::make_around(&host, day), partitions::make_around(&host, day));
    assert_eq!(one.unwrap() + other.unwrap(), 2 * 15);
}
