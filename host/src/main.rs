//! `authhost`: the authorization host.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use config_file::ConfigError;
use host::Config;
use host::config::MigrateConfig;
use host::run::StartError;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(version, about = "Authorizes, posts, answers")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Path of the configuration file: config/host.toml, or config/migrate.toml for `migrate`.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Authorize what the switch sends, until SIGTERM or SIGINT.
    Serve,
    /// Bring the database schema up to date.
    Migrate,
    /// Any other verb; one that has moved is answered with the name of its program.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Verbs that this program used to have, and the program that has them now.
const MOVED: [(&str, &str); 11] = [
    ("issue", "issuing"),
    ("provision", "issuing"),
    ("set-state", "issuing"),
    ("seed", "backoffice"),
    ("business-day", "backoffice"),
    ("days", "backoffice"),
    ("present-in", "backoffice"),
    ("close-day", "backoffice"),
    ("owes", "backoffice"),
    ("audit", "backoffice"),
    ("reencrypt", "backoffice"),
];

/// The error for an unknown verb.
fn unknown(words: &[String]) -> String {
    let verb = words.first().map_or("", String::as_str);
    match MOVED.iter().find(|(moved, _)| *moved == verb) {
        Some((_, program)) => {
            format!("`authhost {verb}` is `{program} {verb}` now, with {program}.toml as its --config")
        }
        None => format!("{verb}: no such verb; see --help"),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Verb::Other(words) = &arguments.verb {
        let _ = writeln!(std::io::stderr(), "authhost: {}", unknown(words));
        return ExitCode::from(2);
    }
    match run(arguments.verb, arguments.config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "authhost: {error:#}");
            let of_start = error.downcast_ref::<StartError>().is_some_and(StartError::is_configuration);
            if of_start || error.is::<ConfigError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(verb: Verb, config: Option<PathBuf>) -> anyhow::Result<()> {
    match verb {
        Verb::Serve => {
            let config = Config::load(&config.unwrap_or_else(|| "config/host.toml".into()))?;
            let _log = telemetry::init_log("info");
            // memory holds requests with card numbers and track data
            hsm::forbid_dumps();
            let stop = CancellationToken::new();
            let running = host::run::start(config, stop.clone()).await?;
            tokio::select! {
                asked = termination() => asked?,
                lost = running.lost() => return Err(lost.into()),
            }
            stop.cancel();
            tokio::select! {
                () = running.ended() => Ok(()),
                asked_again = termination() => {
                    asked_again?;
                    anyhow::bail!("asked twice: ends at once, as if killed")
                }
            }
        }
        Verb::Migrate => {
            let config = MigrateConfig::load(&config.unwrap_or_else(|| "config/migrate.toml".into()))?;
            let pool = ledger::store::pool(&config.postgres(), 1)?;
            let mut client = pool.get().await.context("Postgres")?;
            for name in ledger::store::migrate::migrate(&mut client).await? {
                let _ = writeln!(std::io::stderr(), "applied {name}");
            }
            Ok(())
        }
        Verb::Other(words) => anyhow::bail!(unknown(&words)),
    }
}

/// Returns when the program receives SIGTERM or SIGINT.
async fn termination() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn a_verb_that_moved_says_where() {
        assert_eq!(
            unknown(&["close-day".to_owned()]),
            "`authhost close-day` is `backoffice close-day` now, with backoffice.toml as its --config"
        );
        assert!(unknown(&["clsoe-day".to_owned()]).contains("no such verb"));
    }
}
