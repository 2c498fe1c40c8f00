//! The audit itself: runs every check and collects the findings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use tokio_postgres::Client;

use super::accounts::Accounts;
use super::days::{Books, Days};
use super::journal::Journal;
use super::{
    AuditError, Report, Seal, anchors, chain, changes, clearing, exceptions, settlement, terminal_log, totals,
};

/// Evidence beside the database. Checks whose evidence is absent are left out.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The terminals' log, one JSON object a line.
    pub terminal_log: Option<PathBuf>,
    /// Folder of clearing files, ours and those of acquirers.
    pub clearing: Option<PathBuf>,
    /// Folder of settlement batches.
    pub settlement: Option<PathBuf>,
    /// The copy of the anchors that a host keeps outside the database.
    pub anchors: Option<PathBuf>,
}

/// Settings of the installation that the auditor needs.
#[derive(Clone, Copy, Debug)]
pub struct Installation<'a> {
    /// Folder of the dialect files.
    pub dialects_dir: &'a Path,
    /// Institution number of the issuer behind each destination of the switch.
    pub issuers: &'a BTreeMap<String, String>,
}

/// Audits over a database connection that nobody else uses. `seal` verifies the anchors of the hash chains. The journal
/// is read in stretches, each in a statement of its own: what is committed does not change, so nothing has to be held
/// still, and the database can clean up meanwhile.
pub async fn audit(
    client: &Client,
    installation: Installation<'_>,
    evidence: &Evidence,
    seal: &impl Seal,
) -> Result<Report, AuditError> {
    let (mut report, mut days) = (Report::default(), Days::default());
    // dates compare and print the same for everybody
    client.batch_execute("SET timezone = 'UTC'; SET datestyle = 'ISO'").await?;
    let closed = client.query("SELECT date FROM business_day WHERE state = 'closed'", &[]).await?;
    let closed: BTreeSet<Date> = closed.iter().map(|row| row.get(0)).collect();
    let mut accounts = Accounts::read(client).await?;
    let books = Books::read(client, &mut days, &mut accounts).await?;
    books.findings().into_iter().chain(accounts.findings()).for_each(|finding| report.add(finding));
    report.add(settlement::postings_sum_zero(client).await?);
    report.add(changes::rows_are_as_recorded(client).await?);
    report.add(changes::settlement_is_as_recorded(client).await?);
    report.add(exceptions::exceptions_are_worked_off(client).await?);
    report.add(totals::totals_follow(client, &mut days).await?);
    report.add(chain::chains_verify(client, &mut days).await?);
    let (anchored, after) = anchors::anchors_hold(client, seal, evidence.anchors.as_deref()).await?;
    report.add(anchored);
    report.unanchored_rows = after;
    if let Some(log) = &evidence.terminal_log {
        let journal = Journal::read(client).await?;
        terminal_log::findings(&terminal_log::read(log)?, &journal, &clearing::made_by_files(client).await?)
            .into_iter()
            .for_each(|finding| report.add(finding));
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
    report.add(clearing::captures_are_presented(client, files).await?);
    report.add(clearing::presentments_are_covered(client, files).await?);
    report.add(settlement::movements_are_settled(client, &closed).await?);
    report.add(settlement::reversed_costs_nothing(client, &closed).await?);
    report.add(settlement::balances_follow(client).await?);
    report.add(settlement::positions_follow(client, installation.issuers).await?);
    let folders = (evidence.clearing.as_deref(), evidence.settlement.as_deref());
    report.add(settlement::files_are_as_recorded(client, folders.0, folders.1).await?);
    if let Some(folder) = folders.1 {
        report.add(settlement::files_say_what_batches_say(client, folder).await?);
    }
    report.days = days.verdicts(&closed);
    Ok(report)
}
