//! SQL stands only in `store/`, `store.rs` or the auditor.
//!
//! SQL is a string literal in which a statement begins or a clause stands, with its keywords in capitals, or an
//! `include_str!` of a `.sql` file. Test crates, tests and benches may contain SQL.
//!
//! Not seen: SQL in lower case, a statement that is put together from single words, and the output of macros.

use crate::ratchet::{Violation, Wall};
use crate::source::Source;
use crate::statement;
use crate::tokens::{Text, texts};

pub const WALL: Wall = Wall {
    name: "sql",
    sentence: "SQL stands only in `store/`, in a `store.rs` or in the auditor: one place knows what the rows are.",
    what_to_do: "give the store a function that is named by what it does and call it; the statement moves there.",
};

pub fn violations(sources: &[Source]) -> Vec<Violation> {
    let outside = sources.iter().filter(|source| !may_hold_sql(&source.path) && !source.path.starts_with("tests/"));
    outside.flat_map(|source| texts(source).into_iter().filter_map(|text| violation(source, &text))).collect()
}

/// Whether a file belongs to a store or to the auditor.
pub fn may_hold_sql(path: &str) -> bool {
    path.contains("/store/") || path.ends_with("/store.rs") || path.starts_with("audit/src/")
}

fn violation(source: &Source, text: &Text) -> Option<Violation> {
    // the file name of `include_str!` may be put together by `concat!`
    let is_file = text.text.ends_with(".sql") && matches!(text.of_macro.as_deref(), Some("include_str" | "concat"));
    let head = if is_file { format!("include_str! {}", text.text) } else { statement::head(&text.text)? };
    Some(Violation {
        key: format!("{}: {head}", source.path),
        place: format!("{}:{}", source.path, text.line),
        what: format!("{head} …"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::planted;

    fn keys(path: &str, text: &str) -> Vec<String> {
        violations(&planted(&[(path, text)])).into_iter().map(|violation| violation.key).collect()
    }

    #[test]
    fn a_statement_outside_a_store_is_seen() {
        let text = r#"fn a() { client.query("SELECT a FROM card", &[]); m!("UPDATE card SET a = 1") } const S: &str = include_str!("a.sql");"#;
        let expected = [
            "host/src/issuing/cards.rs: SELECT card",
            "host/src/issuing/cards.rs: UPDATE card",
            "host/src/issuing/cards.rs: include_str! a.sql",
        ];
        assert_eq!(keys("host/src/issuing/cards.rs", text), expected);
    }

    #[test]
    fn stores_the_auditor_and_tests_are_lawful() {
        let text = r#"fn a() { client.query("SELECT a FROM card", &[]); }"#;
        for path in
            ["host/src/store/card.rs", "host/src/clearing/store.rs", "audit/src/books.rs", "tests/stage/src/demo.rs"]
        {
            assert!(keys(path, text).is_empty(), "{path}");
        }
        assert!(keys("host/src/a.rs", &format!("#[cfg(test)] mod tests {{ {text} }}")).is_empty());
        assert!(
            keys(
                "host/src/a.rs",
                r#"/// SELECT a FROM card
            fn a() { bail!("cannot COMMIT: select another from the list") } const T: &str = include_str!("a.toml");"#
            )
            .is_empty()
        );
    }
}
