//! Recognizes SQL in a text, by keywords in capitals, as they are written in this workspace; so prose is not taken for SQL.

/// How a statement touches a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Write,
    Read,
}

/// The words and signs of a text, without SQL's own comments and quoted strings.
fn words(text: &str) -> Vec<&str> {
    let is_of_word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '{' | '}' | '$');
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let len = if is_of_word(first) {
            rest.find(|char| !is_of_word(char)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let skipped = match first {
            '\'' => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ => 0,
        };
        if skipped == 0 {
            words.push(&rest[..len]);
        }
        rest = rest[len.max(skipped)..].trim_start();
    }
    words
}

const OBJECTS: [&str; 13] = [
    "TABLE",
    "INDEX",
    "UNIQUE",
    "TYPE",
    "SEQUENCE",
    "DATABASE",
    "ROLE",
    "USER",
    "SCHEMA",
    "VIEW",
    "FUNCTION",
    "EXTENSION",
    "TRIGGER",
];

/// Pairs of words that occur only in statements.
const CLAUSES: [[&str; 2]; 8] = [
    ["FOR", "UPDATE"],
    ["FOR", "SHARE"],
    ["ORDER", "BY"],
    ["GROUP", "BY"],
    ["ON", "CONFLICT"],
    ["LEFT", "JOIN"],
    ["UNION", "ALL"],
    ["UNION", "SELECT"],
];

/// The beginning of a statement or a clause in the text – `INSERT INTO card` – or `None` if there is none.
pub fn head(text: &str) -> Option<String> {
    let bare = text.trim().trim_end_matches(';');
    if matches!(bare, "BEGIN" | "COMMIT" | "ROLLBACK" | "START TRANSACTION") || bare.starts_with("BEGIN ISOLATION ") {
        return Some(bare.to_owned());
    }
    let words = words(text);
    (0..words.len()).find_map(|at| begins(&words[at..], at == 0)).or_else(|| {
        // in a piece of a statement, and where the text is prose around the function's name
        text.contains("pg_advisory_").then(|| "pg_advisory".to_owned())
    })
}

fn begins(words: &[&str], is_first: bool) -> Option<String> {
    let second = words.get(1).copied().unwrap_or_default();
    let third = words.get(2).copied().unwrap_or("…");
    let within = |word: &str, most: usize| words.iter().take(most).any(|other| *other == word);
    let from = |words: &[&str]| {
        words.iter().position(|word| *word == "FROM").and_then(|at| words.get(at + 1)).map(|table| (*table).to_owned())
    };
    match words[0] {
        "SELECT" if is_first || within("FROM", words.len()) => {
            Some(format!("SELECT {}", from(words).filter(|table| table != "(").unwrap_or_else(|| second.to_owned())))
        }
        "INSERT" if second == "INTO" => Some(format!("INSERT INTO {third}")),
        "DELETE" if second == "FROM" => Some(format!("DELETE FROM {third}")),
        "MERGE" if second == "INTO" => Some(format!("MERGE INTO {third}")),
        "UPDATE" if within("SET", 5) && second != "SET" => Some(format!("UPDATE {second}")),
        "COPY" if within("FROM", words.len()) || within("TO", words.len()) => Some(format!("COPY {second}")),
        "TRUNCATE" => Some(format!("TRUNCATE {}", if second == "TABLE" { third } else { second })),
        "WITH" if within("AS", 4) && within("(", 6) => Some(format!("WITH {second}")),
        "LOCK" if second == "TABLE" => Some(format!("LOCK TABLE {third}")),
        "CREATE" | "ALTER" | "DROP" if OBJECTS.contains(&second) => Some(format!("{} {second} {third}", words[0])),
        "SET" if matches!(second, "LOCAL" | "SESSION" | "TRANSACTION") => Some(format!("SET {second}")),
        "LISTEN" | "NOTIFY" | "VACUUM" | "ANALYZE" if is_first && words.len() > 1 => {
            Some(format!("{} {second}", words[0]))
        }
        "WHERE" | "FROM" | "JOIN" | "RETURNING" | "VALUES" if is_first && words.len() > 1 => {
            Some(format!("{} {second}", words[0]))
        }
        first => CLAUSES.iter().find(|clause| **clause == [first, second]).map(|clause| clause.join(" ")),
    }
}

/// Each table that a text writes or reads; `…` where its name is not in the text.
pub fn uses(text: &str) -> Vec<(Access, String)> {
    let words = words(text);
    let is = |at: Option<usize>, word: &str| at.and_then(|at| words.get(at)).is_some_and(|other| *other == word);
    let mut uses = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = Some(at + 1);
        let found = match *word {
            "INTO" if is(at.checked_sub(1), "INSERT") || is(at.checked_sub(1), "MERGE") => {
                Some((Access::Write, at + 1))
            }
            "FROM" if is(at.checked_sub(1), "DELETE") => Some((Access::Write, at + 1)),
            // UPDATE without a table behind it: in a row lock, and in ON CONFLICT
            "UPDATE" if !is(at.checked_sub(1), "FOR") && !is(next, "SET") => {
                let has_set = words[at..].iter().take(5).any(|word| *word == "SET");
                (has_set || words.len() == at + 1 && at == 0).then_some((Access::Write, at + 1))
            }
            "TRUNCATE" if is(next, "TABLE") => Some((Access::Write, at + 2)),
            "TRUNCATE" => Some((Access::Write, at + 1)),
            "COPY" if words[at..].contains(&"FROM") => Some((Access::Write, at + 1)),
            "COPY" if words[at..].contains(&"TO") => Some((Access::Read, at + 1)),
            "FROM" | "JOIN" if !is(at.checked_sub(2), "DISTINCT") => Some((Access::Read, at + 1)),
            _ => None,
        };
        if let Some((access, table)) = found {
            let name = words.get(table).filter(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'));
            match (access, name) {
                // a function has a bracket behind its name, a query one before it
                (Access::Read, Some(_)) if is(Some(table + 1), "(") || is(Some(table), "STDIN") => {}
                (_, Some(name)) => uses.push((access, (*name).to_owned())),
                (Access::Write, None) => uses.push((access, "…".to_owned())),
                (Access::Read, None) => {}
            }
        }
    }
    uses
}

/// The tables that a migration creates.
pub fn created(text: &str) -> Vec<String> {
    let words = words(text);
    let creates = words.windows(3).filter(|three| three[..2] == ["CREATE", "TABLE"]);
    let named = creates.map(|three| three[2]).filter(|name| name.starts_with(|c: char| c.is_lowercase()));
    named.map(str::to_owned).collect()
}

/// The tables that a migration drops or gives another name.
pub fn given_up(text: &str) -> Vec<String> {
    let words = words(text);
    let renamed = words.windows(5).filter(|five| five[..2] == ["ALTER", "TABLE"] && five[3..] == ["RENAME", "TO"]);
    let dropped = words.windows(3).filter(|three| three[..2] == ["DROP", "TABLE"]);
    renamed.map(|five| five[2].to_owned()).chain(dropped.map(|three| three[2].to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_clauses_are_known() {
        for (text, expected) in [
            ("SELECT a, b FROM card WHERE c = $1", "SELECT card"),
            ("SELECT pg_advisory_lock($1)", "SELECT pg_advisory_lock"),
            ("SELECT 1", "SELECT 1"),
            ("\n    SELECT count(*) FROM ({sums}) s", "SELECT count"),
            ("INSERT INTO auth (a) VALUES ($1)", "INSERT INTO auth"),
            ("UPDATE hold h SET a = 1", "UPDATE hold"),
            ("DELETE FROM hold", "DELETE FROM hold"),
            ("WITH released AS (UPDATE hold SET a = 1) SELECT 1 FROM x", "WITH released"),
            ("LOCK TABLE card IN EXCLUSIVE MODE", "LOCK TABLE card"),
            ("CREATE TABLE a (b int)", "CREATE TABLE a"),
            ("TRUNCATE card", "TRUNCATE card"),
            ("COPY card (a) FROM STDIN BINARY", "COPY card"),
            ("COMMIT", "COMMIT"),
            ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            (" AND b = $2 FOR UPDATE", "FOR UPDATE"),
            (" WHERE a = $1", "WHERE a"),
        ] {
            assert_eq!(head(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn prose_is_no_statement() {
        for text in [
            "select a card from the list",
            "cannot COMMIT: the connection is gone",
            "UPDATE without a table",
            "BEGIN of the file",
            "insert into the slot, then update and set the date",
            "the ORDER of the day",
            "COPY",
            "WITH care",
            "a record from the host (DROP it)",
        ] {
            assert_eq!(head(text), None, "{text}");
        }
    }

    #[test]
    fn tables_are_written_and_read() {
        use Access::{Read, Write};
        let uses = |text| uses(text).into_iter().collect::<Vec<_>>();
        let of = |access, table: &str| (access, table.to_owned());
        assert_eq!(
            uses("INSERT INTO a SELECT * FROM b JOIN c USING (d)"),
            [of(Write, "a"), of(Read, "b"), of(Read, "c")]
        );
        assert_eq!(uses("INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET c = 1"), [of(Write, "a")]);
        assert_eq!(uses("SELECT 1 FROM unnest($1::int[]) AS u JOIN a ON true FOR UPDATE OF a"), [of(Read, "a")]);
        assert_eq!(uses("UPDATE a x SET b = 1 FROM c"), [of(Write, "a"), of(Read, "c")]);
        assert_eq!(uses("COPY a (b) FROM STDIN"), [of(Write, "a")]);
        assert_eq!(uses("SELECT count(*) FROM (SELECT 1 FROM a) s"), [of(Read, "a")]);
        assert_eq!(uses("UPDATE {table} SET a = 1"), [of(Write, "…")]);
        assert_eq!(uses("DELETE FROM a"), [of(Write, "a")]);
        assert_eq!(uses("TRUNCATE TABLE a"), [of(Write, "a")]);
    }
}
