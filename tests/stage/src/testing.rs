//! `stage test`: every test of the workspace, with a private Postgres for those that need one.

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

pub fn run(checkout: &Path, arguments: &TestArguments) -> Result<ExitCode> {
    let layout = Layout::claim(&state_root(checkout).join("test"))?;
    let supervisor = Supervisor::new();
    let cluster = Cluster::create(&layout)?;
    cluster.start(&supervisor)?;
    let status = Command::new("cargo")
        .current_dir(checkout)
        .args(["test", "--workspace", "--locked"])
        .args(&arguments.cargo)
        .env(POSTGRES_FOR_TESTS, cluster.connection("postgres"))
        .env("SWITCHYARD_ORACLES", if arguments.oracles { "1" } else { "" })
        .status()
        .context("cannot run cargo")?;
    drop(supervisor);
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
