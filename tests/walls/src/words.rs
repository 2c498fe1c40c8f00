//! No stored word is made by `Debug`.
//!
//! A value that is stored or sent as a word has that word spelled out in the source; `Debug` is for finding faults, and a renamed
//! variant would change the stored word. Two forms are seen: a `format!` (or `write!`, `format_args!`) whose whole text is one
//! debug placeholder – which makes a word, since prose has more text –, and any debug placeholder in such a macro in a file
//! that holds SQL, or in a function called `as_str`, `word`, `words`, `code` or `as_text`. Error texts and logs use other
//! macros and are allowed; so is an implementation of `Debug`.
//!
//! Not seen: `Debug` inside other text that is then stored from another file, and `to_string` of a `Display` that contains
//! `Debug` and other text.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

use crate::ratchet::{Violation, Wall};
use crate::source::Source;
use crate::sql::may_hold_sql;
use crate::tokens::{is_sign, line_of};

pub const WALL: Wall = Wall {
    name: "words",
    sentence: "No stored word is made by `Debug`: a variant's name in the source is not its name in the books.",
    what_to_do: "give the type a function that says its word, variant by variant, and use that.",
};

const WORD_FUNCTIONS: [&str; 5] = ["as_str", "word", "words", "code", "as_text"];

pub fn violations(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    // the auditor and the test crates print rows for people
    for source in sources.iter().filter(|source| !source.path.starts_with("tests/")) {
        let is_store = may_hold_sql(&source.path) && !source.path.contains("audit/");
        walk(source, source.file.to_token_stream(), is_store, &mut found);
    }
    found
}

fn walk(source: &Source, tokens: TokenStream, is_of_words: bool, found: &mut Vec<Violation>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut function = String::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(name) if at > 0 && matches!(&tokens[at - 1], TokenTree::Ident(word) if word == "fn") => {
                function = name.to_string();
            }
            TokenTree::Group(group) => {
                if let Some((text, line)) = formatted(&tokens, at, group.stream()) {
                    let is_word = is_placeholder(&text) || (is_of_words && has_placeholder(&text));
                    if is_word {
                        let (key, place) = (format!("{}: {text}", source.path), format!("{}:{line}", source.path));
                        found.push(Violation { key, place, what: format!("a word is made of {text}") });
                    }
                }
                let is_of_debug = is_implementation_of_debug(&tokens[..at]) && group.delimiter() == Delimiter::Brace;
                if is_of_debug {
                    continue;
                }
                let is_body = group.delimiter() == Delimiter::Brace && !function.is_empty();
                let is_word_body = is_body && WORD_FUNCTIONS.contains(&function.as_str());
                walk(source, group.stream(), is_of_words || is_word_body, found);
                if is_body {
                    function.clear();
                }
            }
            _ => {}
        }
    }
}

/// Whether the tokens before a body are `impl … Debug for …`.
fn is_implementation_of_debug(header: &[TokenTree]) -> bool {
    let is_word = |token: &TokenTree, word: &str| matches!(token, TokenTree::Ident(ident) if ident == word);
    let since_item = header.iter().rev().take_while(|token| !matches!(token, TokenTree::Group(_)));
    let words: Vec<&TokenTree> = since_item.collect();
    words.iter().any(|token| is_word(token, "impl"))
        && words.windows(2).any(|two| is_word(two[0], "for") && is_word(two[1], "Debug"))
}

/// The text of the macro whose arguments are at this position, if it is a macro that makes text.
fn formatted(tokens: &[TokenTree], at: usize, arguments: TokenStream) -> Option<(String, usize)> {
    let name = match (tokens.get(at.checked_sub(2)?)?, &tokens[at - 1]) {
        (TokenTree::Ident(name), sign) if is_sign(sign, '!') => name.to_string(),
        _ => return None,
    };
    if !matches!(name.as_str(), "format" | "write" | "writeln" | "format_args") {
        return None;
    }
    arguments.into_iter().find_map(|token| match token {
        TokenTree::Literal(literal) => match syn::Lit::new(literal.clone()) {
            syn::Lit::Str(text) => Some((text.value(), line_of(literal.span()))),
            _ => None,
        },
        _ => None,
    })
}

fn is_placeholder(text: &str) -> bool {
    text.strip_prefix('{').is_some_and(|rest| rest.find('}') == Some(rest.len() - 1) && rest.contains('?'))
}

fn has_placeholder(text: &str) -> bool {
    text.split('{')
        .skip(1)
        .any(|rest| rest.split('}').next().is_some_and(|inside| inside.contains(":?") || inside.contains(":#?")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::planted;

    fn keys(path: &str, text: &str) -> Vec<String> {
        violations(&planted(&[(path, text)])).into_iter().map(|violation| violation.key).collect()
    }

    #[test]
    fn a_word_made_by_debug_is_seen() {
        assert_eq!(keys("host/src/a.rs", r#"fn a() { Some(format!("{reason:?}")) }"#), ["host/src/a.rs: {reason:?}"]);
        assert_eq!(keys("host/src/a.rs", r#"fn a() { b.map(|c| format!("{:?}", c)) }"#), ["host/src/a.rs: {:?}"]);
        assert_eq!(keys("host/src/store/a.rs", r#"fn a() { format!("r-{b:?}") }"#), ["host/src/store/a.rs: r-{b:?}"]);
        assert_eq!(
            keys("host/src/a.rs", r#"impl A { fn word(self) -> String { format!("r-{self:?}") } }"#),
            ["host/src/a.rs: r-{self:?}"]
        );
    }

    #[test]
    fn error_texts_logs_and_tests_are_lawful() {
        for text in [
            r#"fn a() { bail!("{name:?}") }"#,
            r#"fn a() { warn!("{name:?}"); panic!("{name:?}") }"#,
            r#"fn a() { format!("no link is called {name:?}") }"#,
            r#"fn a() { format!("{name}") }"#,
            r#"#[error("{0:?}")] struct A;"#,
            r#"impl fmt::Debug for A { fn fmt(&self, f: F) { write!(f, "{:?}", self.a) } }"#,
            r#"#[cfg(test)] fn a() { format!("{name:?}") }"#,
            r#"fn word() -> String { "a".into() } fn b() { format!("not {name:?}") }"#,
        ] {
            assert!(keys("host/src/a.rs", text).is_empty(), "{text}");
        }
    }
}
