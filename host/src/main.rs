//! `authhost`: the authorization host and its back-office verbs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use host::Config;
use host::issuing::{self, Office};
use host::ledger::card::CardStatus;
use host::ledger::token::TokenStatus;
use host::run::StartError;
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
    /// Issue the cards of an order file and write the bureau's delivery file.
    Issue {
        #[arg(long, value_name = "FILE")]
        cards: PathBuf,
        #[arg(long, value_name = "FILE")]
        deliver_to: PathBuf,
    },
    /// Provision the wallets of an order file and write their delivery file.
    Provision {
        #[arg(long, value_name = "FILE")]
        wallets: PathBuf,
        #[arg(long, value_name = "FILE")]
        deliver_to: PathBuf,
    },
    /// Enter the merchants and terminals of a file.
    Seed {
        #[arg(long, value_name = "FILE")]
        merchants: PathBuf,
    },
    /// Change the state of the card or token that has this note.
    SetState {
        #[arg(value_enum)]
        what: Subject,
        #[arg(long)]
        note: String,
        /// Card: active blocked lost stolen closed. Token: active suspended deleted.
        #[arg(long)]
        status: String,
    },
    /// Open a business day; earlier ones begin to close.
    BusinessDay {
        /// YYYY-MM-DD.
        #[arg(long)]
        date: jiff::civil::Date,
    },
    #[command(flatten)]
    BackOffice(host::close::BackOffice),
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Subject {
    Card,
    Token,
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
            match error.downcast_ref::<StartError>() {
                Some(start) if start.is_configuration() => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn run(verb: Verb, config: Config) -> anyhow::Result<()> {
    match verb {
        Verb::Serve => {
            telemetry::init_log("info");
            // requests lie in memory with card numbers and track data
            hsm::forbid_dumps();
            let stop = CancellationToken::new();
            let running = host::run::start(config, stop.clone()).await?;
            termination().await?;
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
            let pool = host::ledger::store::pool(&config.postgres(), 1)?;
            let mut client = pool.get().await.context("Postgres")?;
            for name in host::ledger::store::migrate::migrate(&mut client).await? {
                eprintln!("applied {name}");
            }
            Ok(())
        }
        Verb::Issue { cards, deliver_to } => {
            let orders = issuing::read(&cards)?;
            let count = issuing::issue(&Office::open(config)?, &orders, &deliver_to, now()).await?;
            eprintln!("issued {count} cards");
            Ok(())
        }
        Verb::Provision { wallets, deliver_to } => {
            let orders = issuing::read(&wallets)?;
            let count = issuing::provision(&Office::open(config)?, &orders, &deliver_to).await?;
            eprintln!("provisioned {count} wallets");
            Ok(())
        }
        Verb::Seed { merchants } => {
            let (merchants, terminals) = issuing::seed(&Office::open(config)?, &issuing::read(&merchants)?).await?;
            eprintln!("entered {merchants} merchants with {terminals} terminals");
            Ok(())
        }
        Verb::SetState { what, note, status } => {
            let office = Office::open(config)?;
            match what {
                Subject::Card => {
                    let status = CardStatus::from_word(&status).with_context(|| no_status(&status))?;
                    issuing::set_card_status(&office, &note, status).await?;
                }
                Subject::Token => {
                    let status = TokenStatus::from_word(&status).with_context(|| no_status(&status))?;
                    issuing::set_token_status(&office, &note, status).await?;
                }
            }
            Ok(())
        }
        Verb::BusinessDay { date } => {
            let pool = host::ledger::store::pool(&config.postgres(), 1)?;
            let changed = host::ledger::store::business_day::cut_over(&pool, date).await?;
            eprintln!("{date} is {}", if changed { "open" } else { "open already" });
            Ok(())
        }
        Verb::BackOffice(verb) => host::close::run(verb, &config).await,
    }
}

fn no_status(word: &str) -> String {
    format!("status {word} is none")
}

#[expect(clippy::disallowed_methods, reason = "the program's edge")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
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
