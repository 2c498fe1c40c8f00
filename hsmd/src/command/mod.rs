//! The commands of `hsmd`: each makes one call and prints its result.
mod arguments;
mod keyboard;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use hsm::TerminalOrder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::check::trial;
use crate::config::Config;
use crate::daemon::own_user::become_own_user;
use crate::daemon::{self, opens_token};
use crate::keys::ceremony::{self, TransportComponents};
use crate::keys::components::{self, ComponentFile, Components};
use crate::keys::key_export::{self, Exportability, ExportedKey, HeaderChoices};
use crate::keys::key_outcome::KeyOutcome;
use crate::keys::{backup, delivery, key_import, key_list, rewrapping, rotation};
use arguments::{Arguments, Command};
use keyboard::Keyboard;

/// Carries out the command in the arguments of this process.
pub fn run() -> anyhow::Result<ExitCode> {
    carry_out(Arguments::parse().command)
}

fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { config, daemon } => serve(Config::load(&config)?, daemon.as_deref()),
        Command::Ceremony { config, non_interactive } => hold_ceremony(&Config::load(&config)?, non_interactive),
        Command::List { config } => list_keys(&Config::load(&config)?),
        Command::Load { key, components, custodians } => {
            let config = Config::load(&key.config)?;
            let files = components.iter().map(|text| component(text)).collect::<anyhow::Result<Vec<_>>>()?;
            let mut keyboard;
            let components = if files.is_empty() {
                keyboard = at_the_keyboard()?;
                Components::Typed(custodians, &mut keyboard)
            } else {
                Components::Files(&files)
            };
            say(components::load(&config, &key.order(), components, jiff::Timestamp::now())?)
        }
        Command::Generate { key } => {
            let config = Config::load(&key.config)?;
            say(vec![components::generate(&config, &key.order(), jiff::Timestamp::now())?])
        }
        Command::ImportTr31 { key, under, block } => {
            let (config, block) = (Config::load(&key.config)?, read(&block)?);
            say(vec![key_import::tr31(&config, &key.order(), &under, &block, jiff::Timestamp::now())?])
        }
        Command::ImportWrapped { key, under, wrap } => {
            let (config, wrap) = (Config::load(&key.config)?, read(&wrap)?);
            say(vec![key_import::wrapped(&config, &key.order(), &under, &wrap, jiff::Timestamp::now())?])
        }
        Command::ExportTr31 { export, exportability, key_version } => {
            let config = Config::load(&export.config)?;
            let key_version = key_version.as_bytes().try_into().context("a key version is two letters or digits")?;
            let exportability = match exportability.as_str() {
                "N" => Exportability::Never,
                "E" => Exportability::UnderATrustedKey,
                "S" => Exportability::AsAgreed,
                _ => bail!("exportability is N, E or S"),
            };
            let choices = HeaderChoices { key_version, exportability };
            hand_over(&key_export::tr31(&config, &export.export(), choices, jiff::Timestamp::now())?)
        }
        Command::ExportWrapped { export, padded } => {
            let config = Config::load(&export.config)?;
            hand_over(&key_export::wrapped(&config, &export.export(), padded, jiff::Timestamp::now())?)
        }
        Command::Rotate { config, name, lead_s } => {
            say(rotation::rotate(&Config::load(&config)?, &name, lead_s, jiff::Timestamp::now())?)
        }
        Command::Rewrap { config } => {
            let done = rewrapping::rewrap(&Config::load(&config)?, jiff::Timestamp::now())?;
            let mut out = std::io::stdout().lock();
            writeln!(out, "{} terminals, {} data keys rewrapped", done.terminals, done.data_keys)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Retire { config, name, generation } => {
            let mut out = std::io::stdout().lock();
            for line in rotation::retire(&Config::load(&config)?, &name, generation, jiff::Timestamp::now())? {
                writeln!(out, "{:<28} retired", line.key)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Backup { config, folder } => {
            let files = backup::backup(&Config::load(&config)?, &folder, jiff::Timestamp::now())?;
            writeln!(std::io::stdout().lock(), "{files} files in {}; the copy opens", folder.display())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Restore { config, folder } => {
            let files = backup::restore(&Config::load(&config)?, &folder, jiff::Timestamp::now())?;
            writeln!(std::io::stdout().lock(), "{files} files restored; the token opens")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Record { config } => {
            let mut out = std::io::stdout().lock();
            ceremony::record(&Config::load(&config)?)?.iter().try_for_each(|act| writeln!(out, "{act}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Terminals { config, orders } => equip_terminals(&Config::load(&config)?, &orders),
        Command::OpenToken { config } => {
            Ok(if opens_token(&Config::load(&config)?) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::CheckVectors { token, .. } | Command::CheckModule { token, .. } if token.wants_scratch() => {
            Ok(trial::on_scratch()?)
        }
        Command::CheckVectors { file, json, token } => check_vectors(&file, json, &token),
        Command::CheckModule { json, token } => check_module(json, &token),
    }
}

fn serve(config: Config, name: Option<&str>) -> anyhow::Result<ExitCode> {
    become_own_user(&config)?;
    // one thread for all sockets: it has a fraction of the work of the module's own, and its tasks wake each other without a
    // system call
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let asked = stop.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            asked.cancel();
        });
        match daemon::serve(config, name, stop).await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) if error.is_passing() => {
                tracing::error!(%error, "ending");
                Ok(ExitCode::FAILURE)
            }
            Err(refused) => Err(refused.into()),
        }
    })
}

fn hold_ceremony(config: &Config, non_interactive: bool) -> anyhow::Result<ExitCode> {
    let mut keyboard;
    let custodians = if non_interactive {
        TransportComponents::Files
    } else {
        keyboard = at_the_keyboard()?;
        TransportComponents::Typed(&mut keyboard)
    };
    say(ceremony::run(config, custodians, jiff::Timestamp::now())?)
}

fn at_the_keyboard() -> anyhow::Result<Keyboard> {
    Keyboard::open().context("custodians are asked at a terminal, and there is none")
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// The key goes to standard output, its check value to standard error: the two are sent to the partner separately.
fn hand_over(exported: &ExportedKey) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout().lock(), "{}", exported.text)?;
    if let Some(value) = &exported.check_value {
        writeln!(std::io::stderr().lock(), "check value {value}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(lines: Vec<KeyOutcome>) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        let state = line.check_value.as_deref().unwrap_or("is there");
        writeln!(out, "{:<28} {state}", line.key)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn component(text: &str) -> anyhow::Result<ComponentFile> {
    let (custodian, path) = text.split_once('=').context("a component is CUSTODIAN=FILE")?;
    Ok(ComponentFile { custodian: custodian.to_owned(), path: path.into() })
}

fn list_keys(config: &Config) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for key in key_list::list(config, jiff::Timestamp::now())? {
        writeln!(out, "{:<28} {:>3}  {:<12} {}", key.name, key.generation, key.state, key.check_value)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn equip_terminals(config: &Config, orders: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(orders).with_context(|| orders.display().to_string())?;
    let orders: Vec<TerminalOrder> = serde_json::from_slice(&text).with_context(|| orders.display().to_string())?;
    let new = delivery::terminals(config, &orders, jiff::Timestamp::now())?;
    writeln!(std::io::stdout().lock(), "{new} terminals were given keys, {} had theirs", orders.len() - new)?;
    Ok(ExitCode::SUCCESS)
}

fn check_vectors(file: &Path, json: bool, token: &trial::TrialToken) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| file.display().to_string())?;
    let vectors = serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    let failed = |group: &str, number: usize, why: String| {
        let _ = writeln!(std::io::stderr(), "{group} {number}: {why}");
    };
    let tallies = trial::check_vectors(token, &vectors, failed)?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(&tallies)?)?;
    } else {
        for (group, tally) in &tallies {
            writeln!(out, "{group:<24} {:>3} of {}", tally.passed, tally.of)?;
        }
    }
    let all = tallies.values().all(|tally| tally.passed == tally.of);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_module(json: bool, token: &trial::TrialToken) -> anyhow::Result<ExitCode> {
    let report = trial::check_module(token)?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(ExitCode::from(report.exit_code()))
}
