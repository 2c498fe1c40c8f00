//! The last steps: the auditor, the comparison of the terminal log with journal, ledger, clearing and settlement, and the files of
//! the result folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use super::compare::{self, Comparison, SharedSale};
use super::demo_run::{DemoRun, MeasuredLoad};
use super::narrate::or_none;
use super::report::{Figure, Page, Share, euros};
use super::summary::{Latency, Summary};
use super::terminal_log::{self, LoggedExchange};
use crate::supervisor::Program;
use crate::tool::Tool;

/// Differences shown on the screen; the others are counted.
const NAMED: usize = 10;

impl DemoRun {
    pub(super) fn auditor(&mut self) -> Result<Value> {
        self.told.step("The auditor recomputes everything from raw rows");
        self.world.log.flush()?;
        let path = |path: PathBuf| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
        let log = path(self.folder.terminal_log())?;
        let (clearing, settlement) =
            (path(self.folder.path().join("clearing"))?, path(self.folder.path().join("settlement"))?);
        let anchors = path(self.stage.layout().anchors())?;
        let files = ["--terminal-log", &log, "--clearing", &clearing, "--settlement", &settlement];
        let evidence: Vec<&str> = ["--json"].into_iter().chain(files).chain(["--anchors", &anchors]).collect();
        let audit = self.stage.verdict(Tool::BackOffice, "audit", &evidence)?;
        let audit: Value = serde_json::from_str(&audit)?;
        for (name, held) in invariants(&audit) {
            let differences = audit["invariants"][&name]["differences"].as_array();
            for difference in differences.into_iter().flatten().take(NAMED) {
                self.told.say(format!("    {}", difference.as_str().unwrap_or_default()));
            }
            self.told.check(name, "holds", if held { "holds" } else { "broken" }, held);
        }
        Ok(audit)
    }

    /// Compares, and writes the result folder. The number of differences is that of all comparisons together.
    pub(super) async fn compare_and_write(&mut self, audit: &Value) -> Result<()> {
        self.told.step("What the terminals saw beside journal, ledger, clearing and settlement");
        self.world.log.flush()?;
        let lines = terminal_log::read(&self.folder.terminal_log())?;
        let captures = terminal_log::captures(&lines);
        let database = self.stage.database().await?;
        let comparisons = [
            compare::with_journal(&lines, &database).await?,
            compare::with_ledger(&captures, &database).await?,
            compare::with_clearing(&captures, self.only_presented, &self.folder.path().join("clearing"))?,
            compare::with_settlement(&captures, &self.folder.path().join("settlement"))?,
        ];
        for comparison in &comparisons {
            self.print_comparison(comparison);
        }
        let differences = comparisons.iter().map(|comparison| comparison.differences.len()).sum();
        let settled: i64 = terminal_log::owed_per_merchant(&captures).values().sum();
        let sale = compare::who_owes_whom(&database).await?;
        self.print_sale(&sale)?;
        self.write_folder(&lines, audit, differences, settled, &sale.shares)
    }

    fn print_comparison(&mut self, comparison: &Comparison) {
        let Comparison { what, log_minor, other_minor, compared, differences } = comparison;
        self.told.say(format!(
            "{what}: {compared} compared, log EUR {}, {what} EUR {}",
            euros(*log_minor),
            euros(*other_minor)
        ));
        for difference in differences.iter().take(NAMED) {
            self.told.say(format!("    {}", difference.0));
        }
        let sum = log_minor - other_minor;
        let held = differences.is_empty() && *compared > 0;
        self.told.check(
            format!("difference to the {what}"),
            "0.00 in nothing",
            format!("{} in {}", euros(sum), differences.len()),
            held,
        );
    }

    fn print_sale(&mut self, sale: &SharedSale) -> Result<()> {
        self.told.step(format!("Who owes whom for one sale: EUR {} at {}", euros(sale.gross_minor), sale.merchant));
        for Share { party, what, minor } in &sale.shares {
            self.told.say(format!("{party:12} {what:48} {:>10}", euros(*minor)));
        }
        let sum = sale.shares.iter().map(|share| share.minor).sum();
        self.told.check("the sum", "0.00", euros(sum), sum == 0);
        let settled = compare::net_in_file(&self.folder.path().join("settlement"), sale)?;
        let merchant = sale.shares.iter().find(|share| share.party == "merchant").map(|share| share.minor);
        let (merchant, settled) = (or_none(merchant.map(euros)), or_none(settled.map(euros)));
        self.told.equal("the merchant's share in its settlement file", merchant, settled);
        Ok(())
    }

    fn write_folder(
        &mut self,
        lines: &[LoggedExchange],
        audit: &Value,
        differences: usize,
        settled: i64,
        shares: &[Share],
    ) -> Result<()> {
        let endings = terminal_log::endings(lines);
        let mut summary = Summary::of(&endings, self.stage.late_answers()?, self.stage.ports.json());
        self.told.step("One of each ending");
        for (what, count) in [
            ("approved", summary.approved),
            ("declined", summary.declined.values().sum()),
            ("reversed", summary.reversed),
            ("duplicates", summary.duplicates),
            ("late", summary.late),
        ] {
            self.told.check(what, "at least 1", count, count > 0);
        }
        summary.differences = differences;
        summary.settled_minor = BTreeMap::from([("EUR", settled)]);
        summary.invariants = invariants(audit).collect();
        summary.restarts = Program::ALL.iter().map(|program| (program.name(), self.stage.restarts(*program))).collect();
        if let Some(MeasuredLoad { report, .. }) = &self.load {
            let of = report.latency_us;
            summary.latency_us = Latency { p50: of.p50, p99: of.p99, p999: of.p999, max: of.max };
            summary.tps = report.tps;
        }
        let checks = self.told.steps().iter().flat_map(|step| &step.checks);
        (summary.steps, summary.checks) = (self.told.steps().len(), checks.clone().count());
        summary.checks_that_did_not_hold = checks.filter(|check| !check.held).count();
        self.folder.receipts(&self.receipts)?;
        self.folder.json("summary.json", &summary)?;
        self.folder.text("report.html", &self.page(&summary, lines, shares).html())
    }

    fn page<'a>(&'a self, summary: &Summary, lines: &[LoggedExchange], shares: &'a [Share]) -> Page<'a> {
        let figure = |label, value: String| Figure { label, value };
        Page {
            figures: vec![
                figure("approved", summary.approved.to_string()),
                figure("declined", summary.declined.values().sum::<u64>().to_string()),
                figure("reversed", summary.reversed.to_string()),
                figure("differences", summary.differences.to_string()),
                figure("settled, EUR", euros(summary.settled_minor.values().sum())),
                figure("answers a second", format!("{:.0}", summary.tps)),
                figure("p50, ms", milliseconds(summary.latency_us.p50)),
                figure("p99, ms", milliseconds(summary.latency_us.p99)),
            ],
            steps: self.told.steps(),
            timeline: &self.timeline,
            shares,
            latency: self.load.as_ref().map(curve).unwrap_or_default(),
            per_second: self.load.as_ref().map(|load| per_second(load, lines)).unwrap_or_default(),
        }
    }
}

/// The auditor's results, by invariant.
pub fn invariants(audit: &Value) -> impl Iterator<Item = (String, bool)> + '_ {
    let found = audit["invariants"].as_object().into_iter().flatten();
    found.map(|(name, held)| (name.clone(), held["holds"].as_bool().unwrap_or(false)))
}

fn milliseconds(us: u64) -> String {
    format!("{:.1}", us as f64 / 1e3)
}

/// The share of requests answered within each time.
fn curve(load: &MeasuredLoad) -> Vec<(f64, u64)> {
    let of = load.report.latency_us;
    vec![(0.5, of.p50), (0.9, of.p90), (0.99, of.p99), (0.999, of.p999), (1.0, of.max)]
}

/// Answers in each whole second; a last partial second is left out, because it would look like a drop.
fn per_second(load: &MeasuredLoad, lines: &[LoggedExchange]) -> Vec<u64> {
    let seconds = (load.to_us - load.from_us) / 1_000_000;
    let mut counts = vec![0; seconds as usize];
    for line in lines.iter().filter(|line| (load.from_us..load.to_us).contains(&line.t_us) && line.rc.is_some()) {
        if let Some(count) = counts.get_mut(((line.t_us - load.from_us) / 1_000_000) as usize) {
            *count += 1;
        }
    }
    counts
}
