//! `iso8583 dialects` and `dialect-show`: dialects as tables.

use super::dialects::Dialects;
use codecs::de::Exposure;
use codecs::describe::element_name;
use codecs::dialect::{Dialect, Rule, SHIPPED, Version};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;

/// Names of the shipped dialects and of those in the folder.
fn names(dialects: &Dialects) -> anyhow::Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.extend(dialects.in_folder()?);
    Ok(names)
}

pub fn list(dialects: &Dialects) -> anyhow::Result<ExitCode> {
    let names = names(dialects)?;
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

pub fn markdown(dialects: &Dialects) -> anyhow::Result<ExitCode> {
    let names = names(dialects)?;
    let mut dialects = Dialects::new(dialects.folder().map(Into::into));
    let read = names.iter().map(|name| dialects.named(name)).collect::<Result<Vec<_>, _>>()?;
    write!(io::stdout().lock(), "{}", codecs::describe::markdown(&read))?;
    Ok(ExitCode::SUCCESS)
}

pub fn difference(dialects: &mut Dialects, name: &str) -> anyhow::Result<ExitCode> {
    let dialect = dialects.named(name)?;
    let mut out = io::stdout().lock();
    let changes = match &dialect.extends {
        Some(base) => {
            writeln!(out, "{} changes of {base}:", dialect.name)?;
            dialect.difference(&*dialects.named(base)?)
        }
        None => {
            writeln!(out, "{} changes of the table of {} in characters:", dialect.name, version(&dialect))?;
            dialect.difference(&Dialect::plain(dialect.version))
        }
    };
    changes.iter().try_for_each(|change| writeln!(out, "  {change}"))?;
    Ok(ExitCode::SUCCESS)
}

pub fn table(dialects: &mut Dialects, name: &str) -> anyhow::Result<ExitCode> {
    let dialect = dialects.named(name)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {}", dialect.name, dialect.description)?;
    writeln!(out, "version {}, MTI {}, bitmap {}", version(&dialect), dialect.mti.word(), dialect.bitmap.word())?;
    writeln!(
        out,
        "{:>4}  {:<4} {:<10} {:<10} {:<9} {:<7}  name",
        "DE", "form", "length", "content", "prefix", "filler"
    )?;
    for (element, rule) in dialect.elements() {
        writeln!(
            out,
            "{element:>4}  {:<4} {:<10} {:<10} {:<9} {:<7}  {}{}{}",
            rule.format.word(),
            rule.length_word(),
            rule.content.word(),
            rule.prefix_word(),
            rule.filler_word(),
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
        version => version.word(),
    }
}

fn shown(rule: &Rule) -> &'static str {
    match rule.exposure {
        Exposure::Clear => "",
        Exposure::Masked => " [masked]",
        Exposure::Hidden => " [hidden]",
    }
}
