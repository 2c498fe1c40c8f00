//! The words of a dialect, in the form that fuzzers read.

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
