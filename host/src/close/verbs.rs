//! The back office's verbs of `authhost`. Each prints one JSON object; what went wrong goes to standard error.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use codecs::dialect;
use codecs::value::{Currency, Minor};
use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::Client;

use super::close_day;
use crate::Config;
use crate::audit::{self, AuditArguments};
use crate::clearing::present_in::{self, Arrival, Terms};
use crate::clearing::reader::Dialects;
use crate::ledger::store::{business_day, pool};
use crate::settlement::fees::FeeSchedule;
use crate::settlement::owes::{self, Party};
use crate::settlement::store as settlement_store;

/// Verbs that are run by the day, not served.
#[derive(Debug, Subcommand)]
pub enum BackOffice {
    /// Show the business days, the latest first.
    Days,
    /// Read, verify, match and post the clearing file of a foreign acquirer.
    PresentIn(PresentInArguments),
    /// Who owes whom for a settled transaction: what each party gains, summing to zero.
    Owes(OwesArguments),
    /// Recompute from raw rows, files and the terminals' log what must hold; exit 1 if something does not.
    Audit(AuditArguments),
    /// Close a business day: clearing file, settlement, payouts, postings. May be repeated.
    CloseDay(CloseDayArguments),
    /// Move every stored PAN to the newest generation of the vault key, while the host serves. May be killed and repeated.
    Reencrypt,
}

#[derive(Debug, Args)]
pub struct PresentInArguments {
    /// The clearing file; a control file beside it, of the same name and .json, is checked
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct OwesArguments {
    /// Retrieval reference number, as on the receipt and in the merchant's settlement file
    #[arg(long)]
    rrn: String,
}

#[derive(Debug, Args)]
pub struct CloseDayArguments {
    /// The business day, YYYY-MM-DD
    #[arg(long)]
    date: Date,
    /// Folder that gets clearing/ and settlement/
    #[arg(long)]
    out: PathBuf,
}

/// A clearing file is read whole; one that no day of this house could fill is not read at all.
const LARGEST_FILE: u64 = 1 << 30;

/// Runs one verb to its end.
pub async fn run(verb: BackOffice, config: &Config) -> anyhow::Result<()> {
    let pool = pool(&config.postgres(), 1)?;
    match verb {
        BackOffice::Days => print(&business_day::all(&*pool.get().await.context("Postgres")?).await?),
        BackOffice::Audit(arguments) => {
            let client = pool.get().await.context("Postgres")?;
            let hsm = hsm::Client::connect(&config.hsm_socket);
            let report = audit::audit(&client, config, &arguments.evidence, &hsm).await?;
            audit::print(&report, arguments.json)?;
            if report.differences > 0 {
                bail!("{} differences", report.differences);
            }
            Ok(())
        }
        BackOffice::Owes(arguments) => owes(&*pool.get().await.context("Postgres")?, &arguments.rrn).await,
        BackOffice::PresentIn(arguments) => {
            let mut client = pool.get().await.context("Postgres")?;
            present(&mut client, config, &arguments.file).await
        }
        BackOffice::Reencrypt => {
            let hsm = hsm::Client::connect(&config.hsm_socket);
            let progress = |column, done, found| tracing::info!(column, done, found, "re-encrypting");
            print(&crate::reencrypt::reencrypt(&*pool.get().await.context("Postgres")?, &hsm, progress).await?)
        }
        BackOffice::CloseDay(arguments) => {
            let mut client = pool.get().await.context("Postgres")?;
            close(&mut client, config, &arguments).await
        }
    }
}

#[derive(Serialize)]
struct Share {
    party: Party,
    gains_minor: i64,
    gains: String,
}

#[derive(Serialize)]
struct Owed {
    rrn: String,
    lifecycle_id: String,
    movement: String,
    role: &'static str,
    currency: String,
    parties: Vec<Share>,
    sum_minor: i64,
}

async fn owes(client: &Client, rrn: &str) -> anyhow::Result<()> {
    let settled = settlement_store::settled_transactions(client, rrn).await?;
    if settled.is_empty() {
        bail!("{rrn}: no settled transaction has this reference number");
    }
    let owed = settled.into_iter().map(|of| {
        let currency = Currency::from_number(of.currency);
        let parties: Vec<_> = owes::shares(of.role, &of.amounts)
            .into_iter()
            .map(|(party, minor)| Share { party, gains_minor: minor, gains: currency.decimal(Minor(minor)) })
            .collect();
        Owed {
            rrn: rrn.to_owned(),
            lifecycle_id: of.lifecycle,
            movement: of.movement,
            role: of.role.as_str(),
            currency: currency.to_string(),
            sum_minor: parties.iter().map(|share| share.gains_minor).sum(),
            parties,
        }
    });
    print(&owed.collect::<Vec<_>>())
}

async fn present(client: &mut Client, config: &Config, file: &Path) -> anyhow::Result<()> {
    let named = || file.display().to_string();
    let size = std::fs::metadata(file).with_context(named)?.len();
    if size > LARGEST_FILE {
        bail!("{}: {size} bytes, at most {LARGEST_FILE} are read", file.display());
    }
    let bytes = std::fs::read(file).with_context(named)?;
    let control = match std::fs::read(file.with_extension("json")) {
        Ok(control) => Some(control),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| file.with_extension("json").display().to_string()),
    };
    let senders: Vec<_> = config.links.values().filter_map(link::role::Role::acquirer_id).collect();
    let terms = Terms {
        dialects: &Dialects {
            ascii: dialect::load(&config.dialects_dir, "ipm")?,
            ebcdic: dialect::load(&config.dialects_dir, "ipm-ebcdic")?,
        },
        processing: config.clearing.processing,
        senders: &senders,
        fees: &FeeSchedule::load(&config.settlement.fee_schedule)?,
    };
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let arrival = Arrival { name: &name, bytes: &bytes, control: control.as_deref() };
    print(&present_in::present_in(client, &terms, &arrival).await.with_context(named)?)
}

async fn close(client: &mut Client, config: &Config, arguments: &CloseDayArguments) -> anyhow::Result<()> {
    let fees = FeeSchedule::load(&config.settlement.fee_schedule)?;
    let dialect = dialect::load(&config.dialects_dir, &config.clearing.dialect)?;
    let vault = hsm::Client::connect(&config.hsm_socket);
    print(&close_day(client, config, &fees, &dialect, &vault, arguments.date, &arguments.out).await?)
}

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}
