//! `authhost`: the authorization host and its back-office verbs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use host::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(version, about = "Authorizes, posts, clears and settles")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// The configuration file.
    #[arg(long, global = true, default_value = "config/host.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Verb {
    /// Authorize what the switch sends, until SIGTERM or SIGINT.
    Serve,
    /// Bring the database schema up to date.
    Migrate,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("authhost: {error}");
            return ExitCode::from(2);
        }
    };
    match run(arguments.verb, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("authhost: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(verb: Verb, config: Config) -> anyhow::Result<()> {
    match verb {
        Verb::Serve => {
            telemetry::init_log("info");
            let stop = CancellationToken::new();
            let running = host::run::start(config, stop.clone()).await?;
            termination().await?;
            stop.cancel();
            running.ended().await;
            Ok(())
        }
        Verb::Migrate => {
            let pool = host::store::pool(&config.postgres(), 1)?;
            let mut client = pool.get().await.context("Postgres")?;
            for name in host::store::migrate::migrate(&mut client).await? {
                eprintln!("applied {name}");
            }
            Ok(())
        }
    }
}

/// Returns when the program is asked to end.
async fn termination() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
