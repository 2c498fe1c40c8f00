//! The dialects as Markdown tables, for docs/dialects.md.

use crate::Dialect;
use crate::dialect::Version;
use std::fmt::Write;
use std::sync::Arc;

/// A table of the dialects, one row each, then a table of the elements that differ from the dialect it extends.
pub fn markdown(dialects: &[Arc<Dialect>]) -> String {
    let mut text = String::from(
        "| dialect | extends | version | MTI, digits | text | bitmap | binary | lengths | third bitmap | what |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for dialect in dialects {
        let _ = writeln!(text, "{}", row(dialect));
    }
    text.push_str("\n| dialect | element | in the dialect it extends | here |\n|---|---|---|---|\n");
    for dialect in dialects {
        let base = dialect.extends.as_ref().and_then(|name| dialects.iter().find(|other| other.name == *name));
        let plain = Dialect::plain(dialect.version);
        let base = base.map_or(&plain, |base| &**base);
        for change in dialect.difference(base).iter().filter(|change| is_element(&change.what)) {
            let note = dialect.note(element_of(&change.what)).map_or(String::new(), |note| format!(": {note}"));
            let (from, to) = (code(&change.from), code(&change.to));
            let _ = writeln!(text, "| `{}` | {} | {from} | {to}{} |", dialect.name, change.what, escaped(&note));
        }
    }
    text
}

/// Inner elements would make the table as long as the files: they are shown by `iso8583 dialect-show`.
fn is_element(what: &str) -> bool {
    element_of(what) != 0
}

/// The number behind `DE`, or 0.
fn element_of(what: &str) -> u8 {
    what.strip_prefix("DE").and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn row(dialect: &Dialect) -> String {
    let version = match dialect.version {
        Version::V2003 => "2003, provisional",
        version => version.word(),
    };
    let [numbers, text, binary, lengths] = dialect.usual_words();
    let mti = match (dialect.mti, &numbers) {
        (mti, _) if mti.word() == numbers => spoken(mti.word()),
        (mti, numbers) => format!("{}, {}", spoken(mti.word()), spoken(numbers)),
    };
    let third = dialect.tertiary.map_or("", |(place, _)| place.word());
    let columns = [
        format!("`{}`", dialect.name),
        dialect.extends.as_ref().map_or(String::new(), |base| format!("`{base}`")),
        version.into(),
        mti,
        spoken(&text),
        spoken(dialect.bitmap.word()),
        spoken(&binary),
        spoken(&lengths),
        third.into(),
        escaped(&dialect.description),
    ];
    format!("| {} |", columns.join(" | "))
}

/// The words of a dialect file in plain language.
fn spoken(word: &str) -> String {
    match word {
        "ascii" => "ASCII",
        "ebcdic" => "EBCDIC",
        "bcd" => "BCD",
        "bin" | "raw" => "raw",
        "hexascii" => "hex",
        "hexebcdic" => "hex in EBCDIC",
        other => other,
    }
    .into()
}

fn code(text: &str) -> String {
    if text.is_empty() { "–".into() } else { format!("`{}`", escaped(text)) }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
