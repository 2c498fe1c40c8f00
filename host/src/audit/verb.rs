//! `authhost audit`: what is looked at, and what comes of it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;
use tokio_postgres::Client;

use super::journal::Journal;
use super::{AuditError, Report, Seal, books, chain, clearing, outside, settlement};
use crate::Config;

/// What the auditor is given beside the database.
#[derive(Clone, Debug, Default, Args)]
pub struct Evidence {
    /// What the terminals saw, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub terminal_log: Option<PathBuf>,
    /// Folder of clearing files, in and out
    #[arg(long, value_name = "DIR")]
    pub clearing: Option<PathBuf>,
    /// Folder of settlement batches
    #[arg(long, value_name = "DIR")]
    pub settlement: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct AuditArguments {
    #[command(flatten)]
    pub evidence: Evidence,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}

/// Audits over a database connection that nobody else uses: everything is read in one snapshot.
/// `seal` tells whether the chains' anchors are the house's own.
pub async fn audit(
    client: &Client,
    config: &Config,
    evidence: &Evidence,
    seal: &impl Seal,
) -> Result<Report, AuditError> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let report = in_snapshot(client, config, evidence, seal).await;
    client.batch_execute("ROLLBACK").await?;
    report
}

async fn in_snapshot(
    client: &Client,
    config: &Config,
    evidence: &Evidence,
    seal: &impl Seal,
) -> Result<Report, AuditError> {
    let journal = Journal::read(client).await?;
    let closed = client.query("SELECT date FROM business_day WHERE state = 'closed'", &[]).await?;
    let closed: BTreeSet<Date> = closed.iter().map(|row| row.get(0)).collect();
    let mut report = Report::default();
    report.add(books::postings_sum_zero(client).await?);
    report.add(books::legs_follow_the_journal(&journal));
    report.add(books::balances_are_sums(client, &journal).await?);
    report.add(books::one_effect_per_key(&journal));
    report.add(books::one_business_date(&journal));
    report.add(books::holds_are_owned(client, &journal).await?);
    report.add(chain::chains_verify(client).await?);
    report.add(chain::anchors_are_sealed(client, seal).await?);
    if let Some(log) = &evidence.terminal_log {
        outside::findings(&outside::read(log)?, &journal).into_iter().for_each(|finding| report.add(finding));
    }
    let files = match &evidence.clearing {
        Some(folder) => {
            let dialect = codecs::dialect::load(&config.dialects_dir, "ipm")
                .map_err(|error| AuditError::file(&config.dialects_dir, error))?;
            Some(clearing::read_folder(folder, &dialect)?)
        }
        None => None,
    };
    let files = files.as_deref();
    if let Some(files) = files {
        report.add(clearing::files_add_up(client, files).await?);
    }
    report.add(clearing::captures_are_presented(client, &journal, &closed, files).await?);
    report.add(clearing::presentments_are_covered(client, &journal, files).await?);
    report.add(settlement::movements_are_settled(client, &journal, &closed).await?);
    report.add(settlement::balances_follow(client).await?);
    report.add(settlement::positions_follow(client, &journal, &config.clearing.issuers).await?);
    let folders = (evidence.clearing.as_deref(), evidence.settlement.as_deref());
    report.add(settlement::files_are_as_recorded(client, folders.0, folders.1).await?);
    if let Some(folder) = folders.1 {
        report.add(settlement::files_say_what_batches_say(client, &journal, folder).await?);
    }
    Ok(report)
}

/// Prints a report for people, or as JSON.
pub(crate) fn print(report: &Report, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        return out.write_all(b"\n");
    }
    for (name, finding) in &report.invariants {
        let verdict = if finding.holds { "holds" } else { "BROKEN" };
        writeln!(out, "{verdict:6} {name} ({} checked)", finding.checked)?;
        for difference in &finding.differences {
            writeln!(out, "         {difference}")?;
        }
    }
    writeln!(out, "{} differences", report.differences)
}
