//! `cardswitch --config FILE [repair]`

use clap::{Parser, Subcommand};
use nix::sys::{prctl, resource};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use switch::config::Config;
use switch::shell::{self, Termination};

/// The card switch.
#[derive(Debug, Parser)]
#[command(name = "cardswitch", version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "config/switch.toml")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Verb {
    /// Makes a damaged pending log readable and says what is lost. The switch must not run; hsmd must.
    Repair,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(mistake) => return refuse(&mistake.to_string()),
    };
    let _log = telemetry::init_log("info");
    if let Err(error) = no_core_dumps() {
        return refuse(&format!("core dumps cannot be switched off: {error}"));
    }
    if let Some(Verb::Repair) = arguments.verb {
        return repair(&config).await;
    }
    let (bound, _) = tokio::sync::oneshot::channel();
    let Termination { in_good_order, at_once } = match Termination::asked_by_signals() {
        Ok(termination) => termination,
        Err(error) => return refuse(&format!("signals cannot be heard: {error}")),
    };
    let ended = tokio::select! {
        ended = shell::run(config, bound, in_good_order.cancelled_owned()) => ended,
        () = at_once.cancelled() => {
            tracing::warn!("asked twice: ends at once, as if killed; the pending log has what was under way");
            return ExitCode::FAILURE;
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if shell::is_mistake(&error) => refuse(&format!("{error:#}")),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cardswitch ends");
            ExitCode::FAILURE
        }
    }
}

async fn repair(config: &Config) -> ExitCode {
    let repaired = match shell::repair(config).await {
        Ok(repaired) => repaired,
        Err(error) => return refuse(&format!("{error:#}")),
    };
    let mut out = std::io::stdout();
    let told = repaired.iter().try_for_each(|segment| writeln!(out, "{segment}"));
    let told = told.and_then(|()| match repaired.is_empty() {
        true => writeln!(out, "nothing is damaged"),
        false => Ok(()),
    });
    if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A mistake in the configuration: one line, exit code 2.
fn refuse(mistake: &str) -> ExitCode {
    // the exit code says it too, where standard error cannot be written
    let _ = writeln!(std::io::stderr(), "cardswitch: {mistake}");
    ExitCode::from(2)
}

/// Memory holds requests with track data and PIN blocks: no dump of it may reach a disk.
fn no_core_dumps() -> nix::Result<()> {
    prctl::set_dumpable(false)?;
    resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0)
}
