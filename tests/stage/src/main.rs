//! `stage`: what `./demo` and `./test` run once everything is built.

mod testing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stage::demo;

#[derive(Debug, Parser)]
#[command(about = "Starts Switchyard's programs with everything they need, and shows or tests them")]
struct Arguments {
    /// The checkout whose programs and configuration are used
    #[arg(long, default_value = ".")]
    checkout: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show card payments running, from the terminal to the settlement
    Demo(demo::DemoArguments),
    /// Run every test against a private Postgres
    Test(testing::TestArguments),
    /// Run a program with a private Postgres, and end with its exit code
    WithPostgres(testing::WithPostgresArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome =
        arguments.checkout.canonicalize().map_err(anyhow::Error::from).and_then(|checkout| match &arguments.command {
            Command::Demo(arguments) => show(&checkout, arguments),
            Command::Test(test) => testing::run(&checkout, test),
            Command::WithPostgres(arguments) => testing::with_postgres(&checkout, arguments),
        });
    outcome.unwrap_or_else(|error| {
        eprintln!("stage: {error:#}");
        ExitCode::FAILURE
    })
}

fn show(checkout: &Path, arguments: &demo::DemoArguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let held = runtime.block_on(demo::run(checkout, arguments))?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
