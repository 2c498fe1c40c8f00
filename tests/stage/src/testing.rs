//! `stage test`: every test of the workspace, with a private Postgres for those that need one; `stage with-postgres`: a
//! program, likewise.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use stage::layout::{Layout, state_root};
use stage::postgres::Cluster;
use stage::supervisor::Supervisor;

/// Tests that need a database make their own in the cluster that this connection string names.
const POSTGRES_FOR_TESTS: &str = "SWITCHYARD_TEST_POSTGRES";

#[derive(Debug, Args)]
pub struct TestArguments {
    /// Also check against foreign decoders: tshark, pyiso8583, cardutil
    #[arg(long)]
    oracles: bool,
    /// Passed on to cargo test
    #[arg(last = true)]
    cargo: Vec<String>,
}

/// Runs a program of the caller with such a cluster.
#[derive(Debug, Args)]
pub struct WithPostgresArguments {
    /// The program and its arguments; libpq's variables and PATH lead its Postgres tools to the cluster
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub fn run(checkout: &Path, arguments: &TestArguments) -> Result<ExitCode> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--workspace", "--locked"])
        .args(&arguments.cargo)
        .env("SWITCHYARD_ORACLES", if arguments.oracles { "1" } else { "" });
    let tests = run_with_postgres(checkout, "test", cargo)?;
    if !arguments.oracles || tests != ExitCode::SUCCESS {
        return Ok(tests);
    }
    let own = std::env::current_exe()?;
    let programs = own.parent().context("this program is in a folder")?;
    let status = Command::new(checkout.join("tests/interop/run")).arg(programs).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub fn with_postgres(checkout: &Path, arguments: &WithPostgresArguments) -> Result<ExitCode> {
    let (program, rest) = arguments.command.split_first().context("no program is named")?;
    let mut command = Command::new(program);
    command.args(rest);
    run_with_postgres(checkout, "with-postgres", command)
}

fn run_with_postgres(checkout: &Path, folder: &str, mut command: Command) -> Result<ExitCode> {
    let layout = Layout::claim(&state_root(checkout).join(folder))?;
    let supervisor = Supervisor::new();
    let cluster = Cluster::create(&layout)?;
    cluster.start(&supervisor)?;
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .current_dir(checkout)
        .env(POSTGRES_FOR_TESTS, cluster.connection("postgres"))
        .envs(cluster.client_environment())
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    drop(supervisor);
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
