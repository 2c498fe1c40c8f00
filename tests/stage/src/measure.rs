//! Throughput and latency of the whole system: first as many payments as it answers, then half that rate, to measure the time of
//! one payment.

use anyhow::Result;
use clap::Args;
use pos_sim::load::{self, Participants, Plan, Report};
use pos_sim::mix::Mix;
use serde_json::{Value, json};
use std::path::Path;

use crate::layout::state_root;
use crate::population::Population;
use crate::stage::{Options, Stage};
use crate::supervisor::Program;
use std::time::Duration;

/// Prefix of the notes of the load's cards.
const LOAD_CARDS: &str = "load";
/// The same payments each time.
const SEED: u64 = 4711;
/// Long enough for connections, plans and caches to be warm.
const WARM_UP_SECONDS: u32 = 3;

#[derive(Debug, Clone, Args)]
pub struct MeasureArguments {
    /// How long each of the two loads takes
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Payments under way at the same time
    #[arg(long, default_value_t = 256)]
    concurrency: usize,
    /// Answers wait until the disk has their records
    #[arg(long)]
    durable: bool,
    /// Leave the tap of the tests between switch and host
    #[arg(long)]
    tap: bool,
}

/// The figures of `end to end` in the summary of the benchmarks.
pub async fn run(checkout: &Path, arguments: &MeasureArguments) -> Result<Value> {
    let mut options = Options::new(checkout, state_root(checkout).join("measure"))?;
    options.population = Population::demo();
    options.tap = arguments.tap;
    options.durable_answers = arguments.durable;
    let stage = Stage::start(options).await?;
    let world = stage.open_world().await?;
    for terminal in &world.terminals {
        terminal.sign_on().await?;
    }
    world.acquirer.sign_on().await?;
    let plan =
        |rate, seconds| Plan { rate, seconds, concurrency: arguments.concurrency, mix: Mix::everyday(), seed: SEED };
    let run = async |rate, seconds| load::run(Participants::of(&world, LOAD_CARDS), &plan(rate, seconds), |_| {}).await;
    run(0, WARM_UP_SECONDS).await?;
    let cpu = || Program::ALL.map(|program| stage.cpu_time(program));
    let before = cpu();
    let full = run(0, arguments.seconds).await?;
    let taken: Vec<(Program, Duration)> = Program::ALL
        .into_iter()
        .zip(before.into_iter().zip(cpu()).map(|(before, after)| after.saturating_sub(before)))
        .collect();
    let half = run((full.tps / 2.0).max(1.0) as u32, arguments.seconds).await?;
    Ok(figures(&full, &half, &taken, arguments))
}

/// `taken` is the processor time of each program under full load.
fn figures(full: &Report, half: &Report, taken: &[(Program, Duration)], arguments: &MeasureArguments) -> Value {
    let a_payment = |time: Duration| (time.as_micros() as f64 / full.answered.max(1) as f64).round();
    let cpu: serde_json::Map<String, Value> =
        taken.iter().map(|(program, time)| (program.name().to_owned(), a_payment(*time).into())).collect();
    json!({
        "tps": full.tps.round(),
        "latency_us_at_half_load": half.latency_us,
        "tps_at_half_load": half.tps.round(),
        "cpu_us_a_payment": cpu,
        "unanswered": full.timeouts + full.errors + half.timeouts + half.errors,
        "declined_percent": (full.declined as f64 / full.answered.max(1) as f64 * 1000.0).round() / 10.0,
        "concurrency": arguments.concurrency,
    })
}
