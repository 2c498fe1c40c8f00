//! The audit itself: runs every check in one snapshot and collects the findings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use tokio_postgres::Client;

use super::journal::Journal;
use super::{AuditError, Report, Seal, books, chain, clearing, settlement, terminal_log};

/// Evidence beside the database. Checks whose evidence is absent are left out.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The terminals' log, one JSON object a line.
    pub terminal_log: Option<PathBuf>,
    /// Folder of clearing files, ours and those of acquirers.
    pub clearing: Option<PathBuf>,
    /// Folder of settlement batches.
    pub settlement: Option<PathBuf>,
}

/// Settings of the installation that the auditor needs.
#[derive(Clone, Copy, Debug)]
pub struct Installation<'a> {
    /// Folder of the dialect files.
    pub dialects_dir: &'a Path,
    /// Institution number of the issuer behind each destination of the switch.
    pub issuers: &'a BTreeMap<String, String>,
}

/// Audits over a database connection that nobody else uses: everything is read in one snapshot. `seal` verifies the
/// anchors of the hash chains.
pub async fn audit(
    client: &Client,
    installation: Installation<'_>,
    evidence: &Evidence,
    seal: &impl Seal,
) -> Result<Report, AuditError> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let report = in_snapshot(client, installation, evidence, seal).await;
    client.batch_execute("ROLLBACK").await?;
    report
}

async fn in_snapshot(
    client: &Client,
    installation: Installation<'_>,
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
        terminal_log::findings(&terminal_log::read(log)?, &journal).into_iter().for_each(|finding| report.add(finding));
    }
    let files = match &evidence.clearing {
        Some(folder) => {
            let dialect = codecs::dialect::load(installation.dialects_dir, "ipm")
                .map_err(|error| AuditError::file(installation.dialects_dir, error))?;
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
    report.add(settlement::positions_follow(client, &journal, installation.issuers).await?);
    let folders = (evidence.clearing.as_deref(), evidence.settlement.as_deref());
    report.add(settlement::files_are_as_recorded(client, folders.0, folders.1).await?);
    if let Some(folder) = folders.1 {
        report.add(settlement::files_say_what_batches_say(client, &journal, folder).await?);
    }
    Ok(report)
}
