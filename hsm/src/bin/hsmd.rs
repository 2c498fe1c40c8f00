//! `hsmd`: the daemon in front of the PKCS#11 module, and the ceremonies that fill it.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use hsm::components::{self, ComponentFile};
use hsm::{Config, TerminalOrder, backup, ceremony, delivery, key_list, rotation, trial};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Card verbs over a PKCS#11 module. SOFTHSM2_CONF, where the module is SoftHSM, must be set by the caller.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the sockets of the configuration until SIGTERM. SIGHUP: look for keys that a ceremony has added since.
    Serve {
        #[arg(long)]
        config: PathBuf,
        /// Which of the daemons of the configuration to be; the first without it.
        #[arg(long)]
        daemon: Option<String>,
    },
    /// Make sure that the token and every key of the configuration exist; print check values.
    Ceremony {
        #[arg(long)]
        config: PathBuf,
        /// Draw the custodians' components where their files do not exist, instead of asking two people for theirs.
        #[arg(long)]
        non_interactive: bool,
    },
    /// List the keys of the token: name, generation, state, the module's check value.
    List {
        #[arg(long)]
        config: PathBuf,
    },
    /// Put a key together from the components of two or three custodians.
    Load {
        #[arg(long)]
        config: PathBuf,
        /// Its name, such as zpk/acquirer-ascii.
        name: String,
        /// CUSTODIAN=FILE, once for each; the file holds the component in hex.
        #[arg(long = "component", required = true)]
        components: Vec<String>,
        /// The check value that the key must have, six hex digits.
        #[arg(long)]
        check_value: Option<String>,
    },
    /// Make the next generation of `vault` or of a zone PIN key. Serving daemons find it by themselves.
    Rotate {
        #[arg(long)]
        config: PathBuf,
        name: String,
        /// Seconds until it is used for making things; accepted it is at once. Every daemon must have found it by then.
        #[arg(long, default_value_t = 10)]
        lead_s: u32,
    },
    /// Destroy an old generation. What only it opens is lost.
    Retire {
        #[arg(long)]
        config: PathBuf,
        name: String,
        generation: u8,
    },
    /// Copy a SoftHSM token and what lies beside it into a new folder, and open the copy.
    Backup {
        #[arg(long)]
        config: PathBuf,
        folder: PathBuf,
    },
    /// Put a backup back where no token is.
    Restore {
        #[arg(long)]
        config: PathBuf,
        folder: PathBuf,
    },
    /// Print the record of ceremonies after checking its chain.
    Record {
        #[arg(long)]
        config: PathBuf,
    },
    /// Give keys to terminals: key blocks for the switch, a sealed delivery for the vendor.
    Terminals {
        #[arg(long)]
        config: PathBuf,
        /// JSON: [{"terminal","merchant","mcc","mac":"aes-cmac"|"x9.19"}, …]
        #[arg(long)]
        orders: PathBuf,
    },
    /// Open the token and close it: what a daemon that lost its own asks a child of itself.
    #[command(hide = true)]
    OpenToken {
        #[arg(long)]
        config: PathBuf,
    },
    /// Run known answers on a module.
    CheckVectors {
        file: PathBuf,
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        token: trial::TrialToken,
    },
    /// Try everything that the verbs need of a module, in the way in which they need it. Exits with 0 if all of it works;
    /// otherwise with the sum of 4 (the vault), 8 (fast key sets), 16 (strict key sets) and 32 (something else) that do not.
    CheckModule {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        token: trial::TrialToken,
    },
}

fn main() -> ExitCode {
    telemetry::init_log("info");
    hsm::forbid_dumps();
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // one line, for whoever started it
            let _ = writeln!(std::io::stderr(), "hsmd: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { config, daemon } => serve(Config::load(&config)?, daemon.as_deref()),
        Command::Ceremony { config, non_interactive } => hold_ceremony(&Config::load(&config)?, non_interactive),
        Command::List { config } => list_keys(&Config::load(&config)?),
        Command::Load { config, name, components, check_value } => {
            let components = components.iter().map(|text| component(text)).collect::<anyhow::Result<Vec<_>>>()?;
            let now = jiff::Timestamp::now();
            say(components::load(&Config::load(&config)?, &name, &components, check_value.as_deref(), now)?)
        }
        Command::Rotate { config, name, lead_s } => {
            say(vec![rotation::rotate(&Config::load(&config)?, &name, lead_s, jiff::Timestamp::now())?])
        }
        Command::Retire { config, name, generation } => {
            let line = rotation::retire(&Config::load(&config)?, &name, generation, jiff::Timestamp::now())?;
            writeln!(std::io::stdout().lock(), "{:<28} retired", line.key)?;
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
            Ok(if hsm::opens_token(&Config::load(&config)?) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::CheckVectors { token, .. } | Command::CheckModule { token, .. } if token.wants_scratch() => {
            Ok(trial::on_scratch()?)
        }
        Command::CheckVectors { file, json, token } => check_vectors(&file, json, &token),
        Command::CheckModule { json, token } => check_module(json, &token),
    }
}

fn serve(config: Config, daemon: Option<&str>) -> anyhow::Result<ExitCode> {
    hsm::become_own_user(&config)?;
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
        match hsm::serve(config, daemon, stop).await {
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
    if !non_interactive {
        bail!(
            "a ceremony at the keyboard is not offered: write the components to the custodians' files and use --non-interactive"
        );
    }
    say(ceremony::run(config, jiff::Timestamp::now())?)
}

fn say(lines: Vec<ceremony::Line>) -> anyhow::Result<ExitCode> {
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
    let new = delivery::terminals(config, &orders)?;
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
