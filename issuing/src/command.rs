//! The command line of `issuing`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use issuing::{Config, IssuingContext};
use ledger::card::CardStatus;
use ledger::reference::Reference;
use ledger::token::TokenStatus;

#[derive(Debug, Parser)]
#[command(name = "issuing", version, about = "Issues cards, provisions wallets, changes their states")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Path of the configuration file.
    #[arg(long, global = true, default_value = "config/issuing.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Verb {
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
    /// Change the status of the card or token that has this reference.
    SetState {
        #[arg(value_enum)]
        what: Subject,
        #[arg(long)]
        reference: String,
        /// Card: active blocked lost stolen closed. Token: active suspended deleted.
        #[arg(long)]
        status: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Subject {
    Card,
    Token,
}

/// Runs one verb.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let context = IssuingContext::open(Config::load(&arguments.config)?).await?;
    match arguments.verb {
        Verb::Issue { cards, deliver_to } => {
            let count = issuing::issue(&context, &issuing::read(&cards)?, &deliver_to, now()).await?;
            let _ = writeln!(std::io::stderr(), "issued {count} cards");
        }
        Verb::Provision { wallets, deliver_to } => {
            let count = issuing::provision(&context, &issuing::read(&wallets)?, &deliver_to).await?;
            let _ = writeln!(std::io::stderr(), "provisioned {count} wallets");
        }
        Verb::SetState { what, reference, status } => {
            let reference = Reference::new(reference)?;
            let none = || format!("status {status} is none");
            match what {
                Subject::Card => {
                    let status = CardStatus::from_word(&status).with_context(none)?;
                    issuing::set_card_status(&context, &reference, status).await?;
                }
                Subject::Token => {
                    let status = TokenStatus::from_word(&status).with_context(none)?;
                    issuing::set_token_status(&context, &reference, status).await?;
                }
            }
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the program's edge")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
