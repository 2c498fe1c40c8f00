//! Many payments at once: the host killed in the middle of them, then a load that is measured.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use pos_sim::load::{self, Participants, Plan, Progress, Report};
use pos_sim::mix::Mix;

use super::demo_run::{DemoRun, MeasuredLoad};
use crate::supervisor::Program;

/// Prefix of the notes of the load's cards.
const LOAD_CARDS: &str = "load";
/// A fixed seed: every run has the same payments.
const SEED: u64 = 8583;
const CONCURRENCY: usize = 512;
/// Time limit for reversals that a kill left open.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Amount of load in the demo.
#[derive(Debug, Clone, Copy)]
pub struct LoadVolume {
    /// Requests per second.
    pub rate: u32,
    pub measured_seconds: u32,
    pub kill_seconds: u32,
}

impl LoadVolume {
    pub fn quick() -> Self {
        Self { rate: 200, measured_seconds: 6, kill_seconds: 4 }
    }

    pub fn full() -> Self {
        Self { rate: 400, measured_seconds: 60, kill_seconds: 12 }
    }
}

impl DemoRun {
    pub(super) async fn host_killed_under_load(&mut self) -> Result<()> {
        self.told.step("The host killed with kill -9 under load, and back by itself");
        let plan = plan(self.volume.rate, self.volume.kill_seconds, SEED + 1);
        let before = self.stage.restarts(Program::Host);
        let load = self.load(&plan);
        let middle = Duration::from_secs(u64::from(self.volume.kill_seconds) / 2);
        let kill = async {
            tokio::time::sleep(middle).await;
            self.stage.kill9(Program::Host)
        };
        let (report, killed) = tokio::join!(load, kill);
        killed?;
        let report = report?;
        self.stage.wait_ready(Program::Host)?;
        let owed = self.settled_within(SETTLED_WITHIN)?;
        self.told.equal("host restarted", before + 1, self.stage.restarts(Program::Host));
        self.told.check("requests answered", "some", report.answered, report.answered > 0);
        self.told.equal("sent and neither answered nor taken back", 0, report.undecided);
        self.told.equal("messages still owed", 0, owed);
        Ok(())
    }

    pub(super) async fn measured_load(&mut self) -> Result<()> {
        let LoadVolume { rate, measured_seconds, .. } = self.volume;
        self.told.step(format!("{measured_seconds} s of mixed load, {rate} requests a second"));
        self.told.say(
            "the everyday mix: chip, stripe, contactless, keyed, refunds; cards by Zipf's law; about 8 % declines",
        );
        let from_us = since_1970_us();
        let report = self.load(&plan(rate, measured_seconds, SEED)).await?;
        let to_us = since_1970_us();
        let Report { sent, answered, approved, declined, timeouts, errors, tps, latency_us, .. } = &report;
        self.told.say(format!(
            "{sent} sent, {answered} answered, {approved} approved, {declined} declined; {tps:.0}/s; \
             p50 {} µs, p99 {} µs, p99.9 {} µs, longest {} µs",
            latency_us.p50, latency_us.p99, latency_us.p999, latency_us.max
        ));
        self.told.equal("answered", *sent, *answered);
        self.told.equal("without an answer in time, or never sent", 0, timeouts + errors);
        let share = *declined as f64 / (*answered).max(1) as f64 * 100.0;
        self.told.check("declined", "4 % to 12 %", format!("{share:.1} %"), (4.0..=12.0).contains(&share));
        self.load = Some(MeasuredLoad { report, from_us, to_us });
        Ok(())
    }

    async fn load(&self, plan: &Plan) -> Result<Report> {
        let participants = Participants::of(&self.world, LOAD_CARDS);
        let bar = bar(plan);
        let report = load::run(participants, plan, |progress| show(&bar, progress)).await?;
        bar.finish_and_clear();
        Ok(report)
    }
}

fn plan(rate: u32, seconds: u32, seed: u64) -> Plan {
    Plan { rate, seconds, concurrency: CONCURRENCY, mix: Mix::everyday(), seed }
}

/// Hidden by itself where standard error is no terminal.
fn bar(plan: &Plan) -> ProgressBar {
    let style =
        ProgressStyle::with_template("           {bar:40} {elapsed} of {msg}").expect("a template in the source");
    ProgressBar::new(u64::from(plan.rate) * u64::from(plan.seconds)).with_style(style)
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_position(progress.sent);
    bar.set_message(format!("{} answered, {} declined", progress.answered, progress.declined));
}

/// As the terminal log counts.
fn since_1970_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
