//! One writer per table.
//!
//! A file writes a table if a string literal in it has `INSERT INTO`, `UPDATE … SET`, `DELETE FROM`, `TRUNCATE`, `MERGE INTO`
//! or `COPY … FROM` with its name. `flight.rs` of the ledger's store may also write tables that have a file of their own: it
//! sends the statements of several tables in one flight.
//!
//! Not seen: writes by triggers and migrations. A table whose name is a variable is a violation of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::ratchet::{Violation, Wall};
use crate::source::Source;
use crate::statement::{self, Access};
use crate::tokens::texts;

pub const WALL: Wall = Wall {
    name: "writers",
    sentence: "Each table is written by exactly one file: who wants a row changed asks that file.",
    what_to_do: "move the statement to the file that writes the table and call it from here.",
};

const FLIGHT: &str = "ledger/src/store/flight.rs";

/// Table → file → the line where the file first touches it.
type Files = BTreeMap<String, BTreeMap<String, usize>>;

pub fn violations(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (table, mut files) in touching(sources, Access::Write) {
        if files.len() > 1 {
            files.remove(FLIGHT);
        }
        if files.len() == 1 && table != "…" {
            continue;
        }
        let all = files.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let what = match table.as_str() {
            "…" => "it writes a table that is not named in the statement".to_owned(),
            _ => format!("{table} is written by {all}"),
        };
        for (file, line) in &files {
            found.push(Violation {
                key: format!("{table}: {file}"),
                place: format!("{file}:{line}"),
                what: what.clone(),
            });
        }
    }
    found
}

fn touching(sources: &[Source], wanted: Access) -> Files {
    let mut tables = Files::new();
    for source in sources.iter().filter(|source| !source.path.starts_with("tests/")) {
        for text in texts(source) {
            if statement::head(&text.text).is_none() {
                continue;
            }
            for (_, table) in statement::uses(&text.text).into_iter().filter(|(access, _)| *access == wanted) {
                tables.entry(table).or_default().entry(source.path.clone()).or_insert(text.line);
            }
        }
    }
    tables
}

/// The table of tables: each with the files that write it and those that read it.
pub fn table(sources: &[Source], migrations: &[String]) -> String {
    let (writers, readers) = (touching(sources, Access::Write), touching(sources, Access::Read));
    let created = migrations.iter().flat_map(|text| statement::created(text));
    let mut tables: BTreeSet<String> = created.chain(writers.keys().cloned()).collect();
    // under its new name it is a table of an earlier version, or gone
    for table in migrations.iter().flat_map(|text| statement::given_up(text)) {
        if !writers.contains_key(&table) {
            tables.remove(&table);
        }
    }
    let names = |files: Option<&BTreeMap<String, usize>>| match files {
        Some(files) => files.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        None => "–".to_owned(),
    };
    let mut text = "| table | written by | read by |\n|---|---|---|\n".to_owned();
    for table in tables {
        let _ = writeln!(text, "| {table} | {} | {} |", names(writers.get(&table)), names(readers.get(&table)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::planted;

    const WRITES: &str = r#"const A: &str = "INSERT INTO card (a) VALUES ($1)";"#;
    const READS: &str = r#"const A: &str = "SELECT a FROM card FOR UPDATE";"#;

    fn keys(files: &[(&str, &str)]) -> Vec<String> {
        violations(&planted(files)).into_iter().map(|violation| violation.key).collect()
    }

    #[test]
    fn a_second_writer_is_seen() {
        let second = r#"fn a() { client.execute("UPDATE card SET a = 1") }"#;
        let expected = ["card: host/src/store/a.rs", "card: host/src/store/b.rs"];
        assert_eq!(keys(&[("host/src/store/a.rs", WRITES), ("host/src/store/b.rs", second)]), expected);
        let unnamed = r#"fn a() { format!("UPDATE {table} SET a = 1") }"#;
        assert_eq!(keys(&[("host/src/store/a.rs", unnamed)]), ["…: host/src/store/a.rs"]);
    }

    #[test]
    fn a_second_reader_a_test_and_the_flight_are_lawful() {
        let (a, b) = ("host/src/store/a.rs", "host/src/store/b.rs");
        let tests = format!("#[cfg(test)] mod tests {{ {WRITES} }}");
        assert!(keys(&[(a, WRITES), (b, READS)]).is_empty());
        assert!(keys(&[(a, WRITES), (b, &tests)]).is_empty());
        assert!(keys(&[(a, WRITES), ("tests/stage/src/a.rs", WRITES)]).is_empty());
        assert!(keys(&[("ledger/src/store/a.rs", WRITES), (FLIGHT, WRITES)]).is_empty());
        assert!(keys(&[(FLIGHT, WRITES)]).is_empty());
    }

    #[test]
    fn the_table_names_writers_and_readers() {
        let sources = planted(&[("host/src/store/a.rs", WRITES), ("host/src/store/b.rs", READS)]);
        let text = table(&sources, &["CREATE TABLE card (a int);\nCREATE TABLE token (a int);".to_owned()]);
        assert!(text.contains("| card | host/src/store/a.rs | host/src/store/b.rs |\n| token | – | – |"), "{text}");
        let migrations = [
            "CREATE TABLE card (a int); CREATE TABLE token (a int); CREATE TABLE hold (a int)".to_owned(),
            "ALTER TABLE token RENAME TO token_version_1; ALTER TABLE card RENAME TO old; CREATE TABLE card (a int); DROP TABLE hold"
                .to_owned(),
        ];
        let text = table(&sources, &migrations);
        assert!(text.contains("| card |") && !text.contains("| token") && !text.contains("| hold"), "{text}");
    }
}
