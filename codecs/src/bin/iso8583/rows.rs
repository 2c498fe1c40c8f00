//! A dialect's rows as JSON: what another codec needs to be told to read the same messages.

use super::dialects::Dialects;
use super::show::{content, format_letters, version_year};
use codecs::de;
use codecs::de::Exposure;
use codecs::describe::element_name;
use codecs::dialect::{BitmapEncoding, Dialect, Length, Rule, Tertiary};
use codecs::ebcdic::CodePage;
use codecs::encoding::{Content, LengthUnit, Padding, PrefixEncoding, to_hex};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

pub fn print(dialects: &mut Dialects, name: &str) -> anyhow::Result<ExitCode> {
    let dialect = dialects.named(name)?;
    writeln!(io::stdout().lock(), "{:#}", of_dialect(&dialect))?;
    Ok(ExitCode::SUCCESS)
}

/// Keys that have no meaning in a row (the prefix of a fixed element, the filler of one that is not packed) are absent.
fn of_dialect(dialect: &Dialect) -> Value {
    let mut table = json!({
        "name": dialect.name,
        "description": dialect.description,
        "version": version_year(dialect),
        "header": to_hex(&dialect.header),
        "mti": content(dialect.mti),
        "bitmap": bitmap(dialect.bitmap),
        "ebcdic_page": page(dialect.ebcdic),
    });
    if let Some((place, encoding)) = dialect.tertiary {
        let element = match place {
            Tertiary::AfterSecondary => de::BITMAP_TERTIARY,
            Tertiary::InDe127 => de::NESTED,
        };
        table["third_bitmap"] = json!({"announced_by": element, "bitmap": bitmap(encoding)});
    }
    table["elements"] = dialect.elements().map(|(element, rule)| of_element(dialect, element, rule)).collect();
    table
}

fn of_element(dialect: &Dialect, element: u8, rule: &Rule) -> Value {
    let mut row = json!({
        "number": element,
        "name": element_name(dialect.version, element),
        "format": format_letters(rule.format),
        "content": content(rule.content),
        "length": rule.max,
    });
    if let Length::Prefix(digits) = rule.length {
        row["prefix_digits"] = digits.into();
        row["prefix"] = prefix(rule.prefix).into();
        row["prefix_counts"] = match (rule.content, rule.unit) {
            (Content::Bcd, LengthUnit::Digits) => "digits",
            (Content::Bcd, LengthUnit::Bytes) | (Content::Raw | Content::HexAscii | Content::HexEbcdic(_), _) => {
                "bytes"
            }
            _ => "characters",
        }
        .into();
    }
    if rule.content == Content::Bcd {
        row["filler"] = filler(rule.padding).into();
    }
    match rule.exposure {
        Exposure::Clear => {}
        Exposure::Masked => row["shown"] = "masked".into(),
        Exposure::Hidden => row["shown"] = "hidden".into(),
    }
    if let Some(note) = dialect.note(element) {
        row["note"] = note.into();
    }
    row
}

fn bitmap(encoding: BitmapEncoding) -> &'static str {
    match encoding {
        BitmapEncoding::Raw => "bin",
        BitmapEncoding::HexAscii => "hexascii",
        BitmapEncoding::HexEbcdic => "hexebcdic",
    }
}

fn page(page: CodePage) -> &'static str {
    match page {
        CodePage::Cp037 => "cp037",
        CodePage::Cp500 => "cp500",
        CodePage::Cp1047 => "cp1047",
    }
}

fn prefix(encoding: PrefixEncoding) -> &'static str {
    match encoding {
        PrefixEncoding::Ascii => "ascii",
        PrefixEncoding::Ebcdic => "ebcdic",
        PrefixEncoding::Bcd => "bcd",
        PrefixEncoding::Binary => "bin",
    }
}

fn filler(padding: Padding) -> &'static str {
    match padding {
        Padding::LeftZero => "left0",
        Padding::RightZero => "right0",
        Padding::RightF => "rightF",
    }
}
