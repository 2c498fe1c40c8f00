//! Dialects as tables.

use super::dialects::Dialects;
use codecs::de::Exposure;
use codecs::describe::element_name;
use codecs::dialect::{Dialect, Length, Rule, SHIPPED, Version};
use codecs::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

pub fn list(dialects: &Dialects) -> anyhow::Result<ExitCode> {
    let mut names: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.extend(dialects.in_folder()?);
    let mut dialects = Dialects::new(dialects.folder().map(Into::into));
    let mut out = io::stdout().lock();
    for name in names {
        let described = match dialects.named(&name) {
            Ok(dialect) => dialect.description.clone(),
            Err(fault) => format!("refused: {fault}"),
        };
        writeln!(out, "{name:<20}  {described}")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn table(dialects: &mut Dialects, name: &str) -> anyhow::Result<ExitCode> {
    let dialect = dialects.named(name)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {}", dialect.name, dialect.description)?;
    writeln!(out, "version {}, MTI {}, bitmap {:?}", version(&dialect), content(dialect.mti), dialect.bitmap)?;
    writeln!(
        out,
        "{:>4}  {:<4} {:<10} {:<10} {:<9} {:<7}  name",
        "DE", "form", "length", "content", "prefix", "filler"
    )?;
    for (element, rule) in dialect.elements() {
        writeln!(
            out,
            "{element:>4}  {:<4} {:<10} {:<10} {:<9} {:<7}  {}{}{}",
            format_letters(rule.format),
            length(rule),
            content(rule.content),
            prefix(rule),
            padding(rule),
            element_name(dialect.version, element),
            shown(rule),
            dialect.note(element).map(|note| format!(" – {note}")).unwrap_or_default(),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn version(dialect: &Dialect) -> &'static str {
    match dialect.version {
        Version::V2003 => "2003 (provisional)",
        _ => version_year(dialect),
    }
}

pub fn version_year(dialect: &Dialect) -> &'static str {
    match dialect.version {
        Version::V1987 => "1987",
        Version::V1993 => "1993",
        Version::V2003 => "2003",
    }
}

pub fn format_letters(format: Format) -> &'static str {
    match format {
        Format::Numeric => "n",
        Format::SignedNumeric => "x+n",
        Format::Text => "ans",
        Format::Binary => "b",
        Format::Track => "z",
    }
}

fn length(rule: &Rule) -> String {
    match rule.length {
        Length::Fixed => rule.max.to_string(),
        Length::Prefix(digits) => format!("{}{}", ".".repeat(usize::from(digits)), rule.max),
    }
}

pub fn content(content: Content) -> &'static str {
    match content {
        Content::Ascii => "ascii",
        Content::Ebcdic(_) => "ebcdic",
        Content::Bcd => "bcd",
        Content::Raw => "raw",
        Content::HexAscii => "hexascii",
        Content::HexEbcdic(_) => "hexebcdic",
    }
}

fn prefix(rule: &Rule) -> &'static str {
    match (rule.length, rule.prefix, rule.content, rule.unit) {
        (Length::Fixed, ..) => "",
        (_, PrefixEncoding::Ascii, ..) => "ascii",
        (_, PrefixEncoding::Ebcdic, ..) => "ebcdic",
        (_, PrefixEncoding::Bcd, Content::Bcd, LengthUnit::Bytes) => "bcd bytes",
        (_, PrefixEncoding::Bcd, ..) => "bcd",
        (_, PrefixEncoding::Binary, Content::Bcd, LengthUnit::Bytes) => "bin bytes",
        (_, PrefixEncoding::Binary, ..) => "bin",
    }
}

fn padding(rule: &Rule) -> &'static str {
    match (rule.content, rule.padding) {
        (Content::Bcd, Padding::LeftZero) => "left0",
        (Content::Bcd, Padding::RightZero) => "right0",
        (Content::Bcd, Padding::RightF) => "rightF",
        _ => "",
    }
}

fn shown(rule: &Rule) -> &'static str {
    match rule.exposure {
        Exposure::Clear => "",
        Exposure::Masked => " [masked]",
        Exposure::Hidden => " [hidden]",
    }
}
