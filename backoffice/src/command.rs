//! The command line: reads files, calls a verb and prints its result as one JSON object. Errors go to standard error.
#![expect(clippy::disallowed_methods, reason = "shell: an operator's act says when it was done")]

use std::io::{BufReader, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use audit::{Evidence, Installation, Report};
use backoffice::Config;
use backoffice::clearing::host_link::HostLink;
use backoffice::clearing::present_in::{self, AcceptanceRules, IncomingFile, PresentedFile};
use backoffice::clearing::reader::Dialects;
use backoffice::close::{Closed, close_day};
use backoffice::exceptions::follow::follow;
use backoffice::exceptions::item::{Source, State};
use backoffice::exceptions::kind::Act;
use backoffice::exceptions::resolve::{Word, decide};
use backoffice::exceptions::shown::{ShownItem, ShownList};
use backoffice::exceptions::store::{self as exceptions, Filter};
use backoffice::settlement::fees::FeeSchedule;
use backoffice::{operators, owed, owes, reencrypt, seed};
use clap::{Args, Parser, Subcommand};
use codecs::dialect;
use codecs::frame::Framing;
use codecs::value::Currency;
use jiff::Timestamp;
use jiff::civil::Date;
use ledger::store::{business_day, migrate, operator, pool};
use serde::Serialize;
use tokio_postgres::Client;

#[derive(Debug, Parser)]
#[command(name = "backoffice", version, about = "Clears, settles, closes days, audits")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Path of the configuration file.
    #[arg(long, global = true, default_value = "config/backoffice.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the business days, the latest first.
    Days,
    /// Open a business day; earlier open ones begin to close.
    BusinessDay {
        /// YYYY-MM-DD.
        #[arg(long)]
        date: Date,
    },
    /// Insert or update the merchants and terminals of a file.
    Seed {
        #[arg(long, value_name = "FILE")]
        merchants: PathBuf,
    },
    /// Read, verify, match and post the clearing file of a foreign acquirer.
    PresentIn {
        /// The clearing file; a control file beside it, of the same name and .json, is checked
        file: PathBuf,
    },
    /// Close a business day: clearing file, settlement, payouts, postings. May be repeated.
    CloseDay {
        /// The business day, YYYY-MM-DD
        #[arg(long)]
        date: Date,
        /// Folder that gets clearing/ and settlement/
        #[arg(long)]
        out: PathBuf,
    },
    /// Who owes whom for a settled transaction: each party's gain, summing to zero.
    Owes {
        /// Retrieval reference number, as on the receipt and in the merchant's settlement file
        #[arg(long)]
        rrn: String,
    },
    /// What a person has to look at: exceptions of the host, dead letters of the switch, presentments that were not posted.
    #[command(subcommand)]
    Exceptions(ExceptionsVerb),
    /// The people who may decide exceptions.
    #[command(subcommand)]
    Operators(OperatorsVerb),
    /// Recompute the invariants from raw rows, files and the terminals' log; exit 1 if one does not hold.
    Audit(AuditArguments),
    /// Re-encrypt every stored PAN under the newest generation of the vault key, while the host serves. May be killed
    /// and repeated.
    Reencrypt,
}

#[derive(Debug, Subcommand)]
enum ExceptionsVerb {
    /// List them; those that are resolved only if asked for.
    List {
        /// open, proposed or resolved
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// host, switch or backoffice
        #[arg(long, value_parser = source)]
        source: Option<Source>,
        #[arg(long)]
        kind: Option<String>,
        /// Items that are told, the first of those that there are
        #[arg(long, default_value_t = 1000)]
        most: u32,
        /// Print one JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Show one with what can be done about it, and what that would post.
    Show { id: i64 },
    /// Decide one: at once if the act moves no money, else as the first of two people, or as the second who says the same.
    Resolve {
        id: i64,
        /// One of those that `show` tells
        #[arg(long, value_parser = act)]
        act: Act,
        #[arg(long)]
        reason: String,
    },
    /// Approve, as the second person, what was proposed.
    Approve { id: i64 },
    /// Take back what was proposed, so that something else can be.
    Withdraw { id: i64 },
}

#[derive(Debug, Subcommand)]
enum OperatorsVerb {
    List,
    /// Add a person, who runs this program as a user of this machine.
    Add {
        name: String,
        /// Number of that user
        #[arg(long)]
        uid: u32,
    },
    /// Let a person decide nothing more.
    Remove {
        name: String,
    },
}

fn act(word: &str) -> anyhow::Result<Act> {
    Act::from_word(word).context("no such act")
}

fn state(word: &str) -> anyhow::Result<State> {
    State::from_word(word).context("open, proposed or resolved")
}

fn source(word: &str) -> anyhow::Result<Source> {
    Source::from_word(word).context("host, switch or backoffice")
}

#[derive(Debug, Args)]
struct AuditArguments {
    /// The terminals' log, one JSON object a line
    #[arg(long, value_name = "FILE")]
    terminal_log: Option<PathBuf>,
    /// Folder of clearing files, ours and those of acquirers
    #[arg(long, value_name = "DIR")]
    clearing: Option<PathBuf>,
    /// Folder of settlement batches
    #[arg(long, value_name = "DIR")]
    settlement: Option<PathBuf>,
    /// A host's copy of the anchors outside the database
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Schema versions that the program works with: batches of 13 have more in their rows.
const SCHEMAS: RangeInclusive<i32> = 15..=15;

/// Runs one verb.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    let connection = if matches!(arguments.verb, Verb::Audit(_)) { config.postgres_audit() } else { config.postgres() };
    let pool = pool(&connection, 1)?;
    migrate::require(&pool, SCHEMAS).await?;
    if let Verb::BusinessDay { date } = arguments.verb {
        let changed = business_day::cut_over(&pool, date).await?;
        let _ = writeln!(std::io::stderr(), "{date} is {}", if changed { "open" } else { "open already" });
        return Ok(());
    }
    let mut connection = pool.get().await.context("Postgres")?;
    let client: &mut Client = &mut connection;
    match arguments.verb {
        Verb::BusinessDay { .. } => Ok(()),
        Verb::Days => print(&business_day::all(client).await?),
        Verb::Seed { merchants } => {
            let seeded = seed::seed(client, &seed::read(&merchants)?).await?;
            let _ = writeln!(
                std::io::stderr(),
                "entered {} merchants with {} terminals",
                seeded.merchants,
                seeded.terminals
            );
            Ok(())
        }
        Verb::PresentIn { file } => print(&present(client, &config, &file).await?),
        Verb::CloseDay { date, out } => print(&close(client, &config, date, &out).await?),
        Verb::Owes { rrn } => print(&owes::owes(client, &rrn).await?),
        Verb::Operators(verb) => people(client, verb).await,
        Verb::Exceptions(verb) => work_list(client, &config, verb).await,
        Verb::Audit(arguments) => audit(client, &config, arguments).await,
        Verb::Reencrypt => {
            let hsm = hsm::Client::connect(&config.hsm_socket);
            let progress = |column, done, found| tracing::info!(column, done, found, "re-encrypting");
            print(&reencrypt::reencrypt(client, &hsm, progress).await?)
        }
    }
}

async fn present(client: &mut Client, config: &Config, path: &Path) -> anyhow::Result<PresentedFile> {
    let named = || path.display().to_string();
    let content = std::fs::File::open(path).with_context(named)?;
    let control = match std::fs::read(path.with_extension("json")) {
        Ok(control) => Some(control),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| path.with_extension("json").display().to_string()),
    };
    let rules = AcceptanceRules {
        dialects: &Dialects {
            ascii: dialect::load(&config.dialects_dir, "ipm")?,
            ebcdic: dialect::load(&config.dialects_dir, "ipm-ebcdic")?,
        },
        processing: config.clearing.processing,
        links: &config.links,
        fees: &FeeSchedule::load(&config.settlement.fee_schedule)?,
    };
    let host = HostLink {
        address: config.clearing.host_address,
        dialect: dialect::load(&config.dialects_dir, &config.clearing.host_dialect)?,
        framing: Framing::named(&config.clearing.host_framing).expect("checked when the file was read"),
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let incoming = IncomingFile { name: &name, content: BufReader::new(content), control: control.as_deref() };
    present_in::present_in(client, &rules, &host, incoming, Timestamp::now()).await.with_context(named)
}

async fn close(client: &mut Client, config: &Config, date: Date, out: &Path) -> anyhow::Result<Closed> {
    let fees = FeeSchedule::load(&config.settlement.fee_schedule)?;
    let vault = hsm::Client::connect(&config.hsm_socket);
    let owed = owed::wait(client, config.exceptions.switch_admin.as_ref(), &config.close, date).await?;
    if let Some(owed @ 1..) = owed {
        tracing::warn!(owed, "the switch still owes the host messages of the day: they are settled with the next");
    }
    let closed = close_day(client, config, &fees, &config.dialects_dir, &vault, date, out).await?;
    Ok(Closed { owed, ..closed })
}

async fn people(client: &mut Client, verb: OperatorsVerb) -> anyhow::Result<()> {
    let changed = match verb {
        OperatorsVerb::List => return print(&operator::all(client).await?),
        OperatorsVerb::Add { name, uid } => operators::add(client, &name, uid).await?,
        OperatorsVerb::Remove { name } => operators::remove(client, &name).await?,
    };
    let _ = writeln!(std::io::stderr(), "{}", if changed { "recorded" } else { "it was so already" });
    Ok(())
}

async fn work_list(client: &mut Client, config: &Config, verb: ExceptionsVerb) -> anyhow::Result<()> {
    match verb {
        ExceptionsVerb::List { state, source, kind, most, json } => {
            let switch = follow(client, config.exceptions.switch_admin.as_ref()).await?;
            let (items, count) = exceptions::list(client, &Filter { state, source, kind }, most).await?;
            let list = ShownList::of(items, count, &switch);
            if json { print(&list) } else { Ok(list_for_people(&list)?) }
        }
        ExceptionsVerb::Show { id } => {
            let item = exceptions::item(client, id).await?.with_context(|| format!("there is no exception {id}"))?;
            print(&ShownItem::of(item))
        }
        ExceptionsVerb::Resolve { id, act, reason } => {
            say(client, config, id, Word::Resolve { act, reason: &reason }).await
        }
        ExceptionsVerb::Approve { id } => say(client, config, id, Word::Approve).await,
        ExceptionsVerb::Withdraw { id } => say(client, config, id, Word::Withdraw).await,
    }
}

async fn say(client: &mut Client, config: &Config, id: i64, word: Word<'_>) -> anyhow::Result<()> {
    let person = nix::unistd::getuid().as_raw();
    let (item, changed) = decide(client, person, id, word, Currency::from_number(config.currency)).await?;
    if !changed {
        let _ = writeln!(std::io::stderr(), "it was so already");
    }
    print(&ShownItem::of(item))
}

fn list_for_people(list: &ShownList) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for item in &list.items {
        writeln!(out, "{item}")?;
    }
    writeln!(out, "{} of {}; the switch: {}", list.items.len(), list.count, list.switch)
}

async fn audit(client: &Client, config: &Config, arguments: AuditArguments) -> anyhow::Result<()> {
    let hsm = hsm::Client::connect(&config.hsm_socket);
    let installation = Installation { dialects_dir: &config.dialects_dir, issuers: &config.clearing.issuers };
    let AuditArguments { terminal_log, clearing, settlement, anchors, json } = arguments;
    let report =
        audit::audit(client, installation, &Evidence { terminal_log, clearing, settlement, anchors }, &hsm).await?;
    if json {
        print(&report)?
    } else {
        print_for_people(&report)?
    }
    if report.differences > 0 {
        bail!("{} differences", report.differences);
    }
    Ok(())
}

fn print(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

fn print_for_people(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, finding) in &report.invariants {
        let verdict = if finding.holds { "holds" } else { "BROKEN" };
        writeln!(out, "{verdict:6} {name} ({} checked)", finding.checked)?;
        for difference in &finding.differences {
            writeln!(out, "         {difference}")?;
        }
        if finding.count > finding.differences.len() {
            writeln!(out, "         and {} more", finding.count - finding.differences.len())?;
        }
    }
    for (date, verdict) in &report.days {
        let held = if verdict.holds { "holds" } else { "BROKEN" };
        writeln!(out, "{held:6} closed day {date} ({} rows, {} faults)", verdict.rows, verdict.faults)?;
    }
    writeln!(out, "{} rows are not anchored yet", report.unanchored_rows)?;
    writeln!(out, "{} differences", report.differences)
}
