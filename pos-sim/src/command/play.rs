//! `pos-sim play`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::ConfigArgument;
use crate::scenario::{Scenario, ScenarioRun};
use crate::world::World;

#[derive(Debug, Args)]
pub(super) struct PlayArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Play the foreign issuer too, and keep the configured terminal log. Without it another process does.
    #[arg(long)]
    issuer: bool,
    /// Where to log every exchange without --issuer; nowhere by default.
    #[arg(long, default_value = "/dev/null", conflicts_with = "issuer")]
    log: PathBuf,
    /// Folder for what the tills print; nothing is kept without it.
    #[arg(long)]
    receipts: Option<PathBuf>,
    /// Scenario file.
    file: PathBuf,
}

pub(super) async fn run(arguments: PlayArguments) -> anyhow::Result<ExitCode> {
    let scenario = Scenario::load(&arguments.file)?;
    let config = arguments.config.load(None)?;
    let world = if arguments.issuer {
        World::open(&config).await?
    } else {
        World::visit(&config, &arguments.log, rand::random_range(1..900_000))?
    };
    if let Some(folder) = &arguments.receipts {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut play = ScenarioRun::new(&world);
    let mut all_held = true;
    for (number, step) in scenario.step.iter().enumerate() {
        let outcome = play.step(step).await?;
        all_held &= outcome.held();
        writeln!(std::io::stdout().lock(), "{outcome}")?;
        if let (Some(folder), Some(receipt)) = (&arguments.receipts, &outcome.receipt) {
            let file = folder.join(format!("{:03}-{}.txt", number + 1, step.till));
            std::fs::write(&file, receipt).with_context(|| file.display().to_string())?;
        }
    }
    world.log.flush()?;
    Ok(if all_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
