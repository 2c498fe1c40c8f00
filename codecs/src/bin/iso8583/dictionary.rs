//! `iso8583 dictionary`: the words of a dialect, in the format of fuzzers.

use super::dialects::Dialects;
use std::io::{self, Write};
use std::process::ExitCode;

pub fn run(dialects: &mut Dialects, name: &str) -> anyhow::Result<ExitCode> {
    let dialect = dialects.named(name)?;
    let mut out = io::stdout().lock();
    writeln!(out, "# {}: {}", dialect.name, dialect.description)?;
    for word in dialect.dictionary() {
        writeln!(out, "{word}")?;
    }
    Ok(ExitCode::SUCCESS)
}
