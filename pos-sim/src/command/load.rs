//! `pos-sim load`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use codecs::frame::Framing;
use codecs::value::{Currency, InstitutionId, Minor, Pan};
use serde::Deserialize;

use super::ConfigArgument;
use super::find::is_terminals;
use crate::acquirer::Acquirer;
use crate::card::Card;
use crate::chip::Chip;
use crate::connection::ConnectionSettings;
use crate::crypto::TdesKey;
use crate::delivery::expiry_from;
use crate::load::{Participants, Plan, Progress, Report, run as run_load};
use crate::log::Log;
use crate::mix::Mix;
use crate::request::CardAcceptor;
use crate::secret::Digits;
use crate::shop::Shop;
use crate::till::TillSettings;
use crate::world::World;

#[derive(Debug, Args)]
pub(super) struct LoadArguments {
    /// Listener to load, host:port. Without it: both of the configuration.
    #[arg(long)]
    target: Option<String>,
    /// Requests per second; 0 sends as fast as answers come.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// At most so many requests under way.
    #[arg(long, default_value_t = 1024)]
    concurrency: usize,
    /// Mix file; without it the built-in everyday mix.
    #[arg(long)]
    mix: Option<PathBuf>,
    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgument,
    /// A cards.json: what is printed on cards is enough for e-commerce through an acquirer's listener, without any keys.
    #[arg(long)]
    cards: Option<PathBuf>,
    /// A terminals.json: which of its acquirer's terminals to be, with --cards.
    #[arg(long)]
    terminals: Option<PathBuf>,
    /// Dialect of the target.
    #[arg(long, default_value = "iso87-ascii")]
    dialect: String,
    /// Framing of the target; nac means that it is the listener of our own terminals. With a configuration, that says.
    #[arg(long, default_value = "bin2")]
    framing: String,
    #[arg(long, default_value = "config/dialects")]
    dialects_dir: PathBuf,
    /// Cards whose note begins so take part; all of them, if none does.
    #[arg(long, default_value = "load")]
    notes: String,
    /// Where to log every exchange; nowhere without it.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Draws cards, amounts and kinds; without it every run draws its own.
    #[arg(long)]
    seed: Option<u64>,
}

pub(super) async fn run(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    let mix = match &arguments.mix {
        Some(file) => Mix::load(file)?,
        None => Mix::everyday(),
    };
    let plan = Plan {
        rate: arguments.rate,
        seconds: arguments.seconds,
        concurrency: arguments.concurrency,
        mix,
        seed: arguments.seed.unwrap_or_else(rand::random),
    };
    let log_file = arguments.log.clone().unwrap_or_else(|| PathBuf::from("/dev/null"));
    let (participants, log, _world) = match &arguments.cards {
        Some(cards) => {
            let (participants, log) = printed_participants(&arguments, cards, &log_file)?;
            (participants, log, None)
        }
        None => {
            let (participants, world) = keyed_participants(&arguments, &log_file)?;
            (participants, Arc::clone(&world.log), Some(world))
        }
    };
    let bar = (!arguments.json).then(|| indicatif::ProgressBar::new(u64::from(plan.seconds) * 10));
    let report = run_load(participants, &plan, |progress| {
        if let Some(bar) = &bar {
            show(bar, progress);
        }
    })
    .await?;
    log.flush()?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    print(&report, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

fn show(bar: &indicatif::ProgressBar, progress: &Progress) {
    bar.set_position(u64::try_from(progress.elapsed.as_millis() / 100).unwrap_or(u64::MAX));
    let Progress { sent, approved, declined, timeouts, .. } = progress;
    bar.set_message(format!("{sent} sent, {approved} approved, {declined} declined, {timeouts} without an answer"));
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(report)?)?;
        return Ok(());
    }
    let Report { sent, answered, approved, declined, timeouts, errors, tps, .. } = report;
    writeln!(out, "{sent} sent, {answered} answered ({approved} approved, {declined} declined), {tps} per second")?;
    writeln!(out, "{timeouts} without an answer ({} reversed), {errors} never left", report.reversed)?;
    let l = report.latency_us;
    writeln!(out, "latency in us: p50 {}  p90 {}  p99 {}  p99.9 {}  max {}", l.p50, l.p90, l.p99, l.p999, l.max)?;
    Ok(())
}

/// All delivered terminals and cards, at the configured listeners or at the named one.
fn keyed_participants(arguments: &LoadArguments, log: &Path) -> anyhow::Result<(Participants, World)> {
    let mut config = arguments.config.load(arguments.target.as_deref())?;
    if !config.keys.component_1_file.exists() {
        bail!(
            "{}: no transport key at {} – give the configuration of a running world with --config, or --cards with its \
             cards.json",
            config.file.display(),
            config.keys.component_1_file.display()
        );
    }
    let named = arguments.target.as_deref();
    let at_terminals = arguments.framing == "nac" || named.is_some_and(|target| is_terminals(&config, target));
    if let Some(target) = &arguments.target {
        config.terminals.address.clone_from(target);
        config.acquirer.address.clone_from(target);
    }
    // another process that sends at the same time must not use the same trace numbers
    let world = World::visit(&config, log, rand::random_range(1..900_000))?;
    let mut participants = Participants::of(&world, &arguments.notes);
    match (&arguments.target, at_terminals) {
        (Some(_), true) => participants.acquirer = None,
        (Some(_), false) => participants.terminals.clear(),
        (None, _) => {}
    }
    Ok((participants, world))
}

#[derive(Deserialize)]
struct PrintedCard {
    pan: String,
    expiry: String,
    cvv2: String,
    pin: String,
    balance_minor: i64,
    note: String,
}

#[derive(Deserialize)]
struct KnownTerminal {
    terminal: String,
    merchant: String,
    acquirer: String,
    #[serde(default)]
    listener: Option<String>,
}

fn printed_participants(
    arguments: &LoadArguments,
    file: &Path,
    log: &Path,
) -> anyhow::Result<(Participants, Arc<Log>)> {
    let Some(target) = arguments.target.clone() else { bail!("--cards needs a --target") };
    let rows: Vec<PrintedCard> = read_json(file)?;
    let chosen = |row: &&PrintedCard| row.note.starts_with(&arguments.notes);
    let any = rows.iter().any(|row| chosen(&row));
    let cards = rows.iter().filter(|row| !any || chosen(row)).map(printed_card).collect::<anyhow::Result<Vec<_>>>()?;
    let (institution, places) = shops(arguments.terminals.as_deref())?;
    let shops = places.into_iter().map(printed_shop).collect();
    let settings = ConnectionSettings {
        target,
        dialect: codecs::dialect::load(&arguments.dialects_dir, &arguments.dialect)?,
        framing: Framing::named(&arguments.framing).with_context(|| format!("no framing \"{}\"", arguments.framing))?,
        tpdu: None,
        connect_timeout: Duration::from_secs(2),
        answer_timeout: Duration::from_secs(8),
    };
    let till = TillSettings {
        country: 528,
        repeat_pause: Duration::from_millis(500),
        patience: Duration::from_secs(120),
        stan_before: rand::random_range(1..900_000),
    };
    let log = Arc::new(Log::create(log)?);
    // no PIN is ever entered here, so the zone's key is not needed
    let unused = TdesKey::new(rand::random());
    let acquirer = Acquirer::new(institution, unused, shops, &settings, 2, till, &log);
    let participants =
        Participants { acquirer: Some(Arc::new(acquirer)), cards, printed_only: true, ..Participants::default() };
    Ok((participants, log))
}

fn read_json<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    // the message of a parse error may repeat a value, and these files hold card numbers
    serde_json::from_str(&text).map_err(|e| {
        anyhow::anyhow!("{}: line {}, column {}: not of the expected shape", file.display(), e.line(), e.column())
    })
}

fn printed_card(row: &PrintedCard) -> anyhow::Result<Arc<Card>> {
    let digits = |text: &str| Digits::new(text).context("a code in the cards' file is not digits");
    let unknown = || Digits::new("000").context("digits");
    Ok(Arc::new(Card {
        pan: Pan::from_digits(row.pan.as_bytes())?,
        expiry: expiry_from(&row.expiry).context("an expiry in the cards' file is not YYMM")?,
        sequence: 1,
        service_code: unknown()?,
        pin: digits(&row.pin)?,
        cvv: unknown()?,
        icvv: unknown()?,
        printed_code: digits(&row.cvv2)?,
        chip: Chip::new(TdesKey::new(rand::random())),
        note: row.note.clone(),
        opening_balance: Minor(row.balance_minor),
        currency: Currency::EUR,
    }))
}

/// The terminals of the acquirer's listener in a terminals.json; without one, the first of the demo's foreign acquirer.
fn shops(file: Option<&Path>) -> anyhow::Result<(InstitutionId, Vec<CardAcceptor>)> {
    let known: Vec<KnownTerminal> = match file {
        Some(file) => read_json(file)?,
        None => Vec::new(),
    };
    let foreign: Vec<_> = known.iter().filter(|t| t.listener.as_deref() != Some("terminals")).collect();
    let Some(first) = foreign.first() else {
        let acceptor = CardAcceptor::new("F0000001", "FACQ00000000001", "5411").context("fits")?;
        return Ok((InstitutionId::new("510099").context("fits")?, vec![acceptor]));
    };
    let institution = InstitutionId::new(&first.acquirer).context("an acquirer id has up to eleven digits")?;
    let places = foreign.iter().filter(|t| t.acquirer == first.acquirer);
    let places = places
        .map(|t| CardAcceptor::new(&t.terminal, &t.merchant, "5999").context("a terminal or merchant id is too long"));
    Ok((institution, places.collect::<anyhow::Result<_>>()?))
}

fn printed_shop(acceptor: CardAcceptor) -> Shop {
    let text = |text: &str| text.to_owned();
    Shop {
        acceptor,
        name: text("Web shop"),
        street: text("-"),
        city: text("Utrecht"),
        postcode: text("3511AA"),
        country: [text("NL"), text("NLD")],
    }
}
