//! A dialect's rows as JSON, to configure another codec for the same messages.

use super::dialects::Dialects;
use codecs::de::Exposure;
use codecs::describe::element_name;
use codecs::dialect::{Dialect, Length, Rule};
use codecs::encoding::{Content, LengthUnit, to_hex};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

pub fn print(dialects: &mut Dialects, name: &str) -> anyhow::Result<ExitCode> {
    let dialect = dialects.named(name)?;
    writeln!(io::stdout().lock(), "{:#}", of_dialect(&dialect))?;
    Ok(ExitCode::SUCCESS)
}

/// Keys without a meaning in a row (the prefix of a fixed element, the filler of one that is not packed) are absent.
fn of_dialect(dialect: &Dialect) -> Value {
    let mut table = json!({
        "name": dialect.name,
        "description": dialect.description,
        "version": dialect.version.word(),
        "header": to_hex(&dialect.header),
        "mti": dialect.mti.word(),
        "bitmap": dialect.bitmap.word(),
        "ebcdic_page": dialect.ebcdic.word(),
    });
    if let Some((place, encoding)) = dialect.tertiary {
        table["third_bitmap"] = json!({"announced_by": place.element(), "bitmap": encoding.word()});
    }
    table["elements"] = dialect.elements().map(|(element, rule)| of_element(dialect, element, rule)).collect();
    table
}

fn of_element(dialect: &Dialect, element: u8, rule: &Rule) -> Value {
    let mut row = json!({
        "number": element,
        "name": element_name(dialect.version, element),
        "format": rule.format.word(),
        "content": rule.content.word(),
        "length": rule.max,
    });
    if let Length::Prefix(digits) = rule.length {
        row["prefix_digits"] = digits.into();
        row["prefix"] = rule.prefix.word().into();
        row["prefix_counts"] = match (rule.content, rule.unit) {
            (Content::Bcd | Content::HexAscii | Content::HexEbcdic(_), LengthUnit::Digits) => "digits",
            (Content::Bcd | Content::HexAscii | Content::HexEbcdic(_), LengthUnit::Bytes) | (Content::Raw, _) => {
                "bytes"
            }
            _ => "characters",
        }
        .into();
    }
    if rule.content == Content::Bcd {
        row["filler"] = rule.padding.word().into();
    }
    match rule.exposure {
        Exposure::Clear => {}
        Exposure::Masked => row["shown"] = "masked".into(),
        Exposure::Hidden => row["shown"] = "hidden".into(),
    }
    if let Some(inner) = dialect.inner(element) {
        row["inner"] = inner.word(dialect.version).into();
    }
    if let Some(note) = dialect.note(element) {
        row["note"] = note.into();
    }
    row
}
