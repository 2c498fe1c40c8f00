//! The command line: a load, a single message, a scenario.

mod find;
mod load;
mod play;
mod send;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use config_file::ConfigError;

use crate::config::Config;

/// The outside world: terminals, a foreign acquirer, a foreign issuer, and load from all of them.
#[derive(Debug, Parser)]
#[command(name = "pos-sim", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sends an open-loop load; latency counts from when each request was due.
    Load(load::LoadArguments),
    /// Sends one message given as fields and prints the answer.
    Send(send::SendArguments),
    /// Plays a scenario file; exits with 1 if something else came than expected.
    Play(play::PlayArguments),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigArgument {
    /// Configuration file. Without it: of a demo on this machine that listens at the target, else config/pos-sim.toml.
    #[arg(long)]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    fn load(&self, target: Option<&str>) -> Result<Config, ConfigError> {
        let file = self.config.clone().unwrap_or_else(|| find::config_for(target));
        Config::load(&file)
    }
}

/// Runs the command line to its end.
pub async fn run() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Load(arguments) => load::run(arguments).await,
        Verb::Send(arguments) => send::run(arguments).await,
        Verb::Play(arguments) => play::run(arguments).await,
    };
    done.unwrap_or_else(|error| {
        // one plain line, for a person at a prompt
        drop(writeln!(std::io::stderr(), "pos-sim: {error:#}"));
        ExitCode::from(2)
    })
}
