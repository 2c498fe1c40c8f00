//! How Postgres plans what a lane and the card reader ask it.

use std::collections::BTreeSet;

use ledger::journal::Kind;
use ledger::store::{card_lookup, pool};
use tokio_postgres::Client;

use super::database::{Database, fresh};
use super::{prepared, submit};

/// Notes the statements that the session of a lane has prepared, and how each was planned, when it writes a link.
const NOTE_STATEMENTS: &str = "
    CREATE TABLE noted (statement text, types text[], generic_plans bigint, custom_plans bigint);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
      INSERT INTO noted SELECT statement, parameter_types::text[], generic_plans, custom_plans FROM pg_prepared_statements;
      RETURN NULL;
    END $$;
    CREATE TRIGGER notes AFTER INSERT ON chain EXECUTE FUNCTION note()";

/// Tables that grow, or are large: a lane finds its rows of them by key.
const BY_KEY: [&str; 9] =
    ["auth", "account_state", "card", "card_state", "token", "token_state", "token_vault", "hold", "pan_directory"];

struct Prepared {
    statement: String,
    types: Vec<String>,
}

/// The statements of a lane that has served `seen`.
async fn of_a_lane(db: &Database) -> Vec<Prepared> {
    db.client.batch_execute(NOTE_STATEMENTS).await.unwrap();
    db.account(1001, 10_000).await;
    let held = submit(&db.lanes, prepared(1001, 1, Kind::PreAuthorization, 4_000)).await;
    let mut completion = prepared(1001, 2, Kind::Completion, 4_000);
    completion.request.rrn = held.row().rrn;
    completion.request.approval_code = held.row().approval_code;
    submit(&db.lanes, completion).await;
    submit(&db.lanes, prepared(1001, 3, Kind::Purchase, 700)).await;
    submit(&db.lanes, prepared(1001, 3, Kind::Reversal, 700)).await;
    let noted = "SELECT statement, types, sum(custom_plans)::int8 AS custom FROM noted GROUP BY 1, 2";
    let rows = db.client.query(noted, &[]).await.unwrap();
    for row in &rows {
        assert_eq!(row.get::<_, i64>("custom"), 0, "planned anew each time: {}", row.get::<_, &str>("statement"));
    }
    rows.iter().map(|row| Prepared { statement: row.get("statement"), types: row.get("types") }).collect()
}

/// The statements of the card reader.
async fn of_the_card_reader(db: &Database) -> Vec<Prepared> {
    let pool = pool(&db.config.postgres_by_key(), 1).unwrap();
    card_lookup::find(&pool, &[hsm::PanIndex([0; 32])]).await.unwrap();
    let theirs = "SELECT statement, parameter_types::text[] AS types, custom_plans FROM pg_prepared_statements
        WHERE statement NOT LIKE '%pg_prepared_statements%'";
    let rows = pool.get().await.unwrap().query(theirs, &[]).await.unwrap();
    for row in &rows {
        assert_eq!(row.get::<_, i64>("custom_plans"), 0, "planned anew each time: {}", row.get::<_, &str>("statement"));
    }
    rows.iter().map(|row| Prepared { statement: row.get("statement"), types: row.get("types") }).collect()
}

/// The plan that a session keeps for a statement.
async fn plan(session: &Client, prepared: &Prepared) -> String {
    let Prepared { statement, types } = prepared;
    let (types, nulls) = (types.join(", "), vec!["NULL"; types.len()].join(", "));
    let (types, nulls) =
        if nulls.is_empty() { Default::default() } else { (format!("({types})"), format!("({nulls})")) };
    session.batch_execute(&format!("PREPARE explained{types} AS {statement}")).await.unwrap();
    let rows = session.query(&format!("EXPLAIN (COSTS OFF) EXECUTE explained{nulls}"), &[]).await.unwrap();
    session.batch_execute("DEALLOCATE explained").await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

/// The table that a line of a plan scans, without the month of a partition.
fn scanned(line: &str) -> Option<&str> {
    let name = line.split_once(" on ")?.1.split(' ').next()?;
    line.contains("Scan").then(|| name.strip_prefix("auth_20").map_or(name, |_| "auth"))
}

/// A plan that is made once must be right for long, also if it is made on the first day: of an empty table that was vacuumed a
/// planner believes that reading all of it costs nothing, by its index too. The journal and the holds grow with what the lanes write,
/// and are analysed again only after thousands of rows, so they must be found by key even then. The other tables are analysed
/// after some dozen rows, and their statements planned anew.
#[tokio::test]
async fn what_a_lane_asks_is_planned_once_and_finds_its_rows_by_key() {
    let db = fresh().await;
    let mut statements = of_a_lane(&db).await;
    statements.extend(of_the_card_reader(&db).await);
    assert!(statements.len() > 18, "{} statements", statements.len());

    let everything = "SELECT string_agg(relname::text, ', ') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_migration'";
    let tables: String = db.client.query_one(everything, &[]).await.unwrap().get(0);
    db.client.batch_execute(&format!("TRUNCATE {tables}")).await.unwrap();
    db.client.batch_execute("VACUUM ANALYZE").await.unwrap();

    let pool = pool(&db.config.postgres_by_key(), 1).unwrap();
    let session = pool.get().await.unwrap();
    let (mut found, mut whole) = (BTreeSet::new(), Vec::new());
    for prepared in &statements {
        let plan = plan(&session, prepared).await;
        let lines: Vec<_> = plan.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(table) = scanned(line).and_then(|name| BY_KEY.iter().find(|known| **known == name)) else {
                continue;
            };
            let mut below = lines[at + 1..].iter().take_while(|line| !line.contains("->"));
            assert!(!line.contains("Seq Scan"), "{table} is read as it lies:\n{}\n{plan}", prepared.statement);
            let is_read = prepared.statement.starts_with("SELECT");
            if (*table == "auth" || *table == "hold" && is_read)
                && !below.any(|line| line.trim().starts_with("Index Cond:"))
            {
                whole.push(format!("{table} is read from end to end:\n{}\n{plan}", prepared.statement));
            }
            found.insert(*table);
        }
        assert!(!plan.contains("Append"), "a lane reads one month's partition, not all:\n{plan}");
    }
    assert!(whole.is_empty(), "{}", whole.join("\n\n"));
    assert_eq!(found, BTreeSet::from(BY_KEY), "each of them is read by a statement that was explained");
}
