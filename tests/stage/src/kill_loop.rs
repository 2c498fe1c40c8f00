//! Kills each program again and again under load, and then checks that no money is missing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use pos_sim::load::{self, Participants, Plan, Report};
use pos_sim::mix::Mix;
use pos_sim::world::World;
use tokio_postgres::Client;

use crate::demo::compare;
use crate::demo::final_checks::invariants;
use crate::demo::narrate::Narrator;
use crate::demo::terminal_log;
use crate::layout::state_root;
use crate::population::Population;
use crate::stage::{Options, Stage};
use crate::supervisor::Program;
use crate::tool::Tool;

#[derive(Debug, Clone, Args)]
pub struct KillArguments {
    /// Kills of each program
    #[arg(long, default_value_t = 10)]
    times: u32,
    /// Requests a second meanwhile
    #[arg(long, default_value_t = 150)]
    rate: u32,
}

/// Load between two kills.
const PAUSE: Duration = Duration::from_millis(1500);
/// The load is made of runs of this length until all kills are done.
const RUN_SECONDS: u32 = 10;
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Kills and checks; true if nothing was lost.
pub async fn run(checkout: &Path, arguments: &KillArguments) -> Result<bool> {
    let mut told = Narrator::new();
    told.step("Raising the stage");
    let mut options = Options::new(checkout, state_root(checkout).join("kill-loop"))?;
    options.population = Population::demo();
    let log = options.terminal_log.clone();
    let stage = Stage::start(options).await?;
    let world = stage.open_world().await?;
    for terminal in &world.terminals {
        terminal.sign_on().await?;
    }
    world.acquirer.sign_on().await?;

    told.step(format!("kill -9, {} times each, under {} requests a second", arguments.times, arguments.rate));
    let over = Arc::new(AtomicBool::new(false));
    let (reports, outages) =
        tokio::join!(load_until(&world, arguments.rate, &over), kill_all(&stage, arguments.times, &over));
    let (reports, outages) = (reports?, outages?);
    for (program, outages) in Program::ALL.into_iter().zip(&outages) {
        let longest = outages.iter().max().copied().unwrap_or_default();
        told.say(format!("{program:10} ready again after at most {} ms", longest.as_millis()));
        told.equal(format!("{program} came back by itself"), arguments.times, stage.restarts(program));
    }
    judge(&mut told, &stage, &world, &reports, &log).await?;
    told.close();
    Ok(told.all_held())
}

pub(crate) async fn load_until(world: &World, rate: u32, over: &AtomicBool) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let seed = 9_000 + reports.len() as u64;
        let plan = Plan { rate, seconds: RUN_SECONDS, concurrency: 512, mix: Mix::outages(), seed };
        reports.push(load::run(Participants::of(world, "load"), &plan, |_| {}).await?);
    }
    Ok(reports)
}

/// The outages of each program, in the order of [`Program::ALL`].
async fn kill_all(stage: &Stage, times: u32, over: &AtomicBool) -> Result<Vec<Vec<Duration>>> {
    let mut outages = vec![Vec::new(); Program::ALL.len()];
    let killing = async {
        for _ in 0..times {
            for (program, outages) in Program::ALL.into_iter().zip(&mut outages) {
                tokio::time::sleep(PAUSE).await;
                let killed = Instant::now();
                tokio::task::block_in_place(|| {
                    stage.kill9(program)?;
                    Program::ALL.into_iter().try_for_each(|program| stage.wait_ready(program))
                })?;
                outages.push(killed.elapsed());
            }
        }
        anyhow::Ok(())
    };
    let outcome = killing.await;
    over.store(true, Ordering::Relaxed);
    outcome.map(|()| outages)
}

pub(crate) async fn judge(
    told: &mut Narrator,
    stage: &Stage,
    world: &World,
    reports: &[Report],
    log: &Path,
) -> Result<()> {
    told.step("Was anything lost?");
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    told.say(format!(
        "{} sent, {} approved, {} declined, {} without an answer, {} of them taken back, {} could not leave",
        sum(|r| r.sent),
        sum(|r| r.approved),
        sum(|r| r.declined),
        sum(|r| r.timeouts),
        sum(|r| r.reversed),
        sum(|r| r.errors)
    ));
    told.check("approvals", "some", sum(|r| r.approved), sum(|r| r.approved) > 0);
    told.equal("neither answered nor taken back", 0, sum(|r| r.undecided));
    let deadline = Instant::now() + SETTLED_WITHIN;
    while stage.owed_messages()? > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    told.equal("messages still owed", 0, stage.owed_messages()?);

    world.log.flush()?;
    let lines = terminal_log::read(log)?;
    let books = stage.database().await?;
    let compared = compare::with_journal(&lines, &books).await?;
    for difference in compared.differences.iter().take(20) {
        told.say(&difference.0);
    }
    let captures = format!("acknowledged captures lost or doubled, of {}", compared.compared);
    told.equal(captures, 0, compared.differences.len());
    let issuer = world.issuer.as_ref().context("the kill loop has an issuer of its own")?;
    let at_issuer = compare::with_issuer(&lines, &issuer.approvals());
    for difference in at_issuer.differences.iter().take(20) {
        told.say(&difference.0);
    }
    let captures = format!("captures of foreign cards lost or doubled at their issuer, of {}", at_issuer.compared);
    told.equal(captures, 0, at_issuer.differences.len());
    let dead = stage.dead_letters()?;
    told.equal("dead letters", 0, dead);
    told.equal("transactions whose postings do not sum to zero", 0, count(&books, UNBALANCED).await?);
    told.equal("accounts whose held amount is not that of their open holds", 0, count(&books, UNOWNED).await?);
    let log = log.to_str().context("a path that is not UTF-8")?;
    let audit = stage.verdict(Tool::BackOffice, "audit", &["--json", "--terminal-log", log])?;
    let audit: serde_json::Value = serde_json::from_str(&audit)?;
    for (name, held) in invariants(&audit) {
        told.check(name, "holds", if held { "holds" } else { "broken" }, held);
    }
    Ok(())
}

const UNBALANCED: &str =
    "SELECT count(*) FROM (SELECT 1 FROM ledger GROUP BY auth_id, currency HAVING sum(amount_minor) <> 0) unbalanced";
const UNOWNED: &str = "SELECT count(*) FROM account_state s
    LEFT JOIN (SELECT bucket, account_id, sum(amount_minor) AS held FROM hold WHERE state = 'open' GROUP BY 1, 2) h
      USING (bucket, account_id)
    WHERE s.held_minor <> coalesce(h.held, 0)";

async fn count(books: &Client, query: &str) -> Result<i64> {
    Ok(books.query_one(query, &[]).await?.get(0))
}
