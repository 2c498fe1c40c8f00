//! `./demo`: card payments on the real programs, shown step by step.

mod closing;
pub mod compare;
pub mod demo_run;
mod everyday;
pub mod final_checks;
pub mod folder;
mod lost_answer;
pub mod narrate;
pub mod report;
mod search;
pub mod secrets;
pub mod summary;
pub mod terminal_log;
pub mod timeline;
mod under_load;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::layout::state_root;
use crate::population::Population;
use crate::stage::{Options, Stage};
use demo_run::DemoRun;
use folder::ResultFolder;
use narrate::Narrator;
use under_load::LoadVolume;

#[derive(Debug, Clone, Args)]
pub struct DemoArguments {
    /// Play the story in about ten seconds of load instead of a minute
    #[arg(long)]
    quick: bool,
    /// Leave as soon as the story is over
    #[arg(long)]
    ci: bool,
    /// Where to write what the run leaves behind [default: a folder in the state folder]
    #[arg(long)]
    out: Option<PathBuf>,
    /// At the end, search everything the run left behind for secrets of its cards
    #[arg(long)]
    sweep: bool,
    /// Remove the state folder first; alone, do nothing else
    #[arg(long)]
    reset: bool,
}

impl DemoArguments {
    fn only_resets(&self) -> bool {
        self.reset && !self.quick && !self.ci && self.out.is_none()
    }
}

/// Runs the demo; true if every check held.
pub async fn run(checkout: &Path, arguments: &DemoArguments) -> Result<bool> {
    let root = state_root(checkout);
    let mut told = Narrator::new();
    if arguments.reset && root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
        told.say(format!("removed {}", root.display()));
    }
    if arguments.only_resets() {
        return Ok(true);
    }
    let out = arguments.out.clone().unwrap_or_else(|| root.join("out"));
    let folder = ResultFolder::prepare(&out)?;
    let mut options = Options::new(checkout, root.join("demo"))?;
    options.population = Population::demo();
    options.terminal_log = folder.terminal_log();

    told.step("Raising the stage");
    told.say(format!("state in {}, results in {}", options.state.display(), folder.path().display()));
    let stage = Stage::start(options).await?;
    let world = stage.open_world().await?;
    stage.write_ports(folder.path())?;
    world.write_directory(folder.path())?;
    let volume = if arguments.quick { LoadVolume::quick() } else { LoadVolume::full() };
    let mut run = DemoRun::new(stage, world, told, folder, volume);
    tokio::select! {
        played = run.story() => played?,
        asked = asked_to_stop() => {
            asked?;
            run.told.say("stopping");
            return Ok(false);
        }
    }
    if arguments.sweep {
        run.search_for_secrets()?;
    }
    run.told.close();
    if !arguments.ci {
        run.told.say(format!(
            "everything is still up; ports are in {}. Ctrl-C stops it.",
            run.folder.path().join("ports.json").display()
        ));
        asked_to_stop().await?;
    }
    Ok(run.told.all_held())
}

/// Returns on SIGINT or SIGTERM.
async fn asked_to_stop() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

impl DemoRun {
    async fn story(&mut self) -> Result<()> {
        self.sign_on().await?;
        self.stripe_on_both_listeners().await?;
        self.chip_with_pin().await?;
        self.wallet().await?;
        self.foreign_card().await?;
        self.declines().await?;
        self.partial_approval().await?;
        self.hotel().await?;
        self.refunds().await?;
        self.terminal_reversal().await?;
        self.duplicates().await?;
        self.lost_answer().await?;
        self.host_killed_under_load().await?;
        self.measured_load().await?;
        self.cut_over().await?;
        self.totals().await?;
        self.clearing_and_settlement().await?;
        let audit = self.auditor()?;
        self.compare_and_write(&audit).await
    }
}
