//! `authhost`: the authorization host and its back-office verbs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use host::Config;

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
