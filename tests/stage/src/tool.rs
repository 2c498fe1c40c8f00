//! Programs that are run for one task and end: the key ceremony, migrations, issuing, closing a day.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How often a program's memory is looked at.
const WATCHED_EVERY: Duration = Duration::from_millis(20);

/// A program that is run for one task and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Keys: `hsmd` beside its daemons.
    Hsm,
    /// Migrations: `authhost` beside the one that serves, as the owner of the tables.
    Migrate,
    BackOffice,
    Issuing,
}

impl Tool {
    /// The file that is run.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hsm => "hsmd",
            Self::Migrate => "authhost",
            Self::BackOffice => "backoffice",
            Self::Issuing => "issuing",
        }
    }

    /// Its configuration, in the folder of configurations.
    pub const fn config(self) -> &'static str {
        match self {
            Self::Hsm => "hsm.toml",
            Self::Migrate => "migrate.toml",
            Self::BackOffice => "backoffice.toml",
            Self::Issuing => "issuing.toml",
        }
    }
}

/// How to run one program for single tasks.
#[derive(Debug, Clone)]
pub struct ToolCommand {
    pub executable: PathBuf,
    pub config: PathBuf,
    pub environment: Vec<(&'static str, OsString)>,
    /// Its standard error is appended here.
    pub log: PathBuf,
}

impl ToolCommand {
    /// Runs `verb` with `arguments` and returns what it printed. An exit code other than 0 is an error that quotes the last
    /// lines of its log.
    pub fn run(&self, verb: &str, arguments: &[&str]) -> Result<String> {
        let output = self.output(verb, arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<_> = said.lines().collect();
            let tail = lines[lines.len().saturating_sub(5)..].join("\n");
            bail!("{} {verb}: {}\n{tail}", self.executable.display(), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs `verb`, whose exit code is a verdict, and returns its output, which must not be empty.
    pub fn verdict(&self, verb: &str, arguments: &[&str]) -> Result<String> {
        let output = self.output(verb, arguments)?;
        if output.stdout.is_empty() {
            bail!(
                "{} {verb}: {}\n{}",
                self.executable.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// As [`ToolCommand::run`], with the most memory that the program had, in MiB.
    pub fn run_and_watch(&self, verb: &str, arguments: &[&str]) -> Result<(String, u64)> {
        let mut log = File::options().create(true).append(true).open(&self.log)?;
        let child = self.command(verb, arguments).stdout(Stdio::piped()).stderr(log.try_clone()?).spawn()?;
        let (pid, mut peak_kib) = (child.id(), 0);
        let waiting = std::thread::spawn(move || child.wait_with_output());
        while !waiting.is_finished() {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = peak.and_then(|peak| peak.trim().split(' ').next()?.parse().ok());
            peak_kib = kib.unwrap_or(0).max(peak_kib);
            std::thread::sleep(WATCHED_EVERY);
        }
        let output = waiting.join().map_err(|_| anyhow::anyhow!("{verb}: its end was missed"))??;
        log.flush()?;
        if !output.status.success() {
            bail!("{} {verb}: {}; see {}", self.executable.display(), output.status, self.log.display());
        }
        Ok((String::from_utf8(output.stdout)?, peak_kib / 1024))
    }

    fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.executable)
            .arg(verb)
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    fn output(&self, verb: &str, arguments: &[&str]) -> Result<Output> {
        let mut log = File::options().create(true).append(true).open(&self.log)?;
        let output = self
            .command(verb, arguments)
            .output()
            .with_context(|| format!("cannot run {}", self.executable.display()))?;
        log.write_all(&output.stderr)?;
        Ok(output)
    }
}
