//! `stage`: the program behind `./demo` and `./test`.

mod testing;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stage::{demo, kill_loop, measure, memory_scan, pin_tries, power_cuts, settlement_bench};

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
    /// Kill each program again and again under load, then look for lost money
    KillLoop(kill_loop::KillArguments),
    /// Measure how many payments a second go through everything, as one line of JSON
    Measure(measure::MeasureArguments),
    /// Measure the close of big days and the reading of a big clearing file, as one line of JSON
    MeasureSettlement(settlement_bench::SettlementArguments),
    /// Cut the power again and again under load, on a disk image, then look for lost money
    PowerCuts(power_cuts::PowerCutArguments),
    /// Search the programs' memory for clear PINs and keys, while payments are under way
    MemoryScan(memory_scan::MemoryScanArguments),
    /// Guess PINs over the wire while the programs that verify and count them are killed
    PinTries(pin_tries::PinTriesArguments),
    /// Run every test against a private Postgres
    Test(testing::TestArguments),
    /// Run a program with a private Postgres, and end with its exit code
    WithPostgres(testing::WithPostgresArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome =
        arguments.checkout.canonicalize().map_err(anyhow::Error::from).and_then(|checkout| match &arguments.command {
            Command::Demo(arguments) => held(demo::run(&checkout, arguments)),
            Command::KillLoop(arguments) => held(kill_loop::run(&checkout, arguments)),
            Command::PowerCuts(arguments) => held(power_cuts::run(&checkout, arguments)),
            Command::Measure(arguments) => held(print_measured(&checkout, arguments)),
            Command::MeasureSettlement(arguments) => held(print_settlement(&checkout, arguments)),
            Command::MemoryScan(arguments) => held(memory_scan::run(&checkout, arguments)),
            Command::PinTries(arguments) => held(pin_tries::run(&checkout, arguments)),
            Command::Test(test) => testing::run(&checkout, test),
            Command::WithPostgres(arguments) => testing::with_postgres(&checkout, arguments),
        });
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "stage: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs something to its end; the exit code says whether every check held.
fn held(run: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(if runtime.block_on(run)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn print_measured(checkout: &Path, arguments: &measure::MeasureArguments) -> anyhow::Result<bool> {
    let figures = measure::run(checkout, arguments).await?;
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(true)
}

async fn print_settlement(checkout: &Path, arguments: &settlement_bench::SettlementArguments) -> anyhow::Result<bool> {
    let figures = settlement_bench::run(checkout, arguments).await?;
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(true)
}
