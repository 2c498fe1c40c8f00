//! The end of a big business day: how long its close takes and in how much memory, and what a big clearing file and cut-overs cost
//! the authorizations beside them.
//!
//! Payments of a real load are copied in the journal until there are as many as wanted, under other keys, numbers and names. The
//! hash chain does not have the copies; nothing here looks at it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use codecs::dialect;
use pos_sim::load::{self, Participants, Plan, Report};
use pos_sim::mix::Mix;
use pos_sim::moment::Moment;
use pos_sim::presentment::{Capture, FileId, present};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::layout::state_root;
use crate::population::Population;
use crate::stage::{Options, Stage};
use crate::tool::Tool;

const LOAD_CARDS: &str = "load";
const SEED: u64 = 4711;
/// Of the load whose payments are copied.
const LOAD_SECONDS: u32 = 10;
const CUT_OVERS: usize = 20;

#[derive(Debug, Clone, Args)]
pub struct SettlementArguments {
    /// Transactions of each day that is closed, one day after the other
    #[arg(long, value_delimiter = ',', default_value = "200000,1000000")]
    transactions: Vec<u64>,
    /// Presentments of the file that is read beside a load; 0 for none
    #[arg(long, default_value_t = 200_000)]
    presentments: u64,
    /// Payments a second of the load beside it
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How long the load lasts, alone and beside the file
    #[arg(long, default_value_t = 40)]
    seconds: u32,
}

/// The figures of `settlement` in the summary of the benchmarks.
pub async fn run(checkout: &Path, arguments: &SettlementArguments) -> Result<Value> {
    let mut options = Options::new(checkout, state_root(checkout).join("settlement"))?;
    options.population = Population { merchants: 100, terminals_per_merchant: 1, ..Population::demo() };
    options.tap = false;
    let day = BigDay { stage: Stage::start(options).await?, seed: SEED };
    let world = day.stage.open_world().await?;
    for terminal in &world.terminals {
        terminal.sign_on().await?;
    }
    world.acquirer.sign_on().await?;
    let everyone = || Participants::of(&world, LOAD_CARDS);
    let mut figures = json!({});
    if arguments.presentments > 0 {
        day.load(everyone(), 0, LOAD_SECONDS).await?;
        let alone = day.load(everyone(), arguments.rate, arguments.seconds).await?;
        let file =
            day.big_file(world.acquirer.take_captures(), world.acquirer.institution(), arguments.presentments).await?;
        let (beside, read) = tokio::join!(day.load(everyone(), arguments.rate, arguments.seconds), day.read(&file));
        figures["present_in"] = json!({"alone": figures_of(&alone), "beside": figures_of(&beside?), "read": read?});
    }
    let mut closed = Vec::new();
    for transactions in &arguments.transactions {
        day.load(everyone(), 0, LOAD_SECONDS).await?;
        closed.push(day.close(*transactions).await?);
    }
    if let Some(first) = closed.first() {
        figures["transactions"] = first["transactions"].clone();
        figures["seconds"] = first["seconds"].clone();
    }
    figures["closed"] = closed.into();
    Ok(figures)
}

fn figures_of(report: &Report) -> Value {
    json!({"answered": report.answered, "timeouts": report.timeouts, "latency_us": report.latency_us})
}

struct BigDay {
    stage: Stage,
    seed: u64,
}

/// A verb of the back office: how long it took, and the most memory that it had.
struct Measured {
    said: Value,
    seconds: f64,
    peak_mib: u64,
}

impl BigDay {
    async fn load(&self, participants: Participants, rate: u32, seconds: u32) -> Result<Report> {
        let plan = Plan { rate, seconds, concurrency: 256, mix: Mix::everyday(), seed: self.seed };
        Ok(load::run(participants, &plan, |_| {}).await?)
    }

    /// Runs a verb of the back office; others go on meanwhile.
    async fn back_office(&self, verb: &str, arguments: &[&str]) -> Result<Measured> {
        let command = self.stage.tool_command(Tool::BackOffice);
        let (verb, arguments) = (verb.to_owned(), arguments.iter().map(|&of| of.to_owned()).collect::<Vec<_>>());
        let began = Instant::now();
        let (said, peak_mib) = tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            command.run_and_watch(&verb, &arguments)
        })
        .await??;
        let seconds = (began.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        Ok(Measured { said: serde_json::from_str(&said)?, seconds, peak_mib })
    }

    /// The acquirer's captures and copies of them, in one file; the journal has the copies too.
    async fn big_file(
        &self,
        captures: Vec<Capture>,
        sender: codecs::value::InstitutionId,
        presentments: u64,
    ) -> Result<String> {
        let books = self.stage.database().await?;
        let known: i64 = books
            .query_one("SELECT count(*) FROM auth WHERE role = 'issued' AND kind IN ('purchase', 'refund') AND approved_minor > 0", &[])
            .await?
            .get(0);
        let copies = presentments.div_ceil(captures.len().max(1) as u64);
        for copy in 1..copies {
            copy_journal(&books, i64::try_from(copy)?, "a.role = 'issued' AND a.kind IN ('purchase', 'refund')")
                .await?;
        }
        books.batch_execute("ANALYZE auth; ANALYZE posting").await?;
        anyhow::ensure!(
            known as usize == captures.len(),
            "{known} captures in the journal, {} in the acquirer's book",
            captures.len()
        );
        let of_copy = |capture: &Capture, copy: u64| Capture {
            rrn: None,
            approval: None,
            life_cycle: capture.life_cycle.as_deref().map(|of| life_cycle_of_copy(of, copy)),
            ..capture.clone()
        };
        let all = (0..copies).flat_map(|copy| {
            captures.iter().map(move |capture| if copy == 0 { capture.clone() } else { of_copy(capture, copy) })
        });
        let dialect = dialect::load(&self.stage.options.checkout.join("config/dialects"), "ipm")?;
        let id = FileId { sender, at: Moment::utc(jiff::Timestamp::now()), sequence: 1 };
        let folder = self.stage.options.state.join("from-acquirer");
        std::fs::create_dir_all(&folder)?;
        let file = present(&dialect, id, all.take(presentments as usize))?.write(&folder, "big")?;
        Ok(file.to_str().context("a path that is not UTF-8")?.to_owned())
    }

    /// Reads the file, while the business day is cut over again and again.
    async fn read(&self, file: &str) -> Result<Value> {
        let arguments = [file];
        let reading = self.back_office("present-in", &arguments);
        let cutting = async {
            let mut longest = Duration::ZERO;
            for _ in 0..CUT_OVERS {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let began = Instant::now();
                tokio::task::block_in_place(|| self.stage.admin("POST", "/cut-over?force=true", ""))?;
                longest = longest.max(began.elapsed());
            }
            anyhow::Ok(longest)
        };
        let (read, longest) = tokio::join!(reading, cutting);
        let (read, longest) = (read?, longest?);
        Ok(json!({
            "outcomes": read.said["outcomes"], "seconds": read.seconds, "peak_mib": read.peak_mib,
            "cut_overs": CUT_OVERS, "longest_cut_over_ms": longest.as_millis() as u64,
        }))
    }

    /// Fills the day up, cuts it over and closes it, and every day before it.
    async fn close(&self, transactions: u64) -> Result<Value> {
        let books = self.stage.database().await?;
        let open: Vec<String> = books
            .query("SELECT date::text FROM business_day WHERE state <> 'closed' ORDER BY date", &[])
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect();
        let (day, earlier) = open.split_last().context("no day is open")?;
        let out = self.stage.options.state.join("out");
        let out = out.to_str().context("a path that is not UTF-8")?;
        self.stage.admin("POST", "/cut-over?force=true", "")?;
        while self.stage.owed_messages()? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for earlier in earlier {
            self.back_office("close-day", &["--date", earlier, "--out", out]).await?;
        }
        let settled = format!(
            "a.cycle = '{day}' AND a.role <> 'issued' AND a.kind IN ('purchase', 'completion', 'refund', 'reversal')"
        );
        let count = format!("SELECT count(*) FROM auth a WHERE {settled} AND a.approved_minor > 0");
        let there: i64 = books.query_one(&count, &[]).await?.get(0);
        let mut copy = 0;
        while there * (copy + 1) < i64::try_from(transactions)? {
            copy += 1;
            copy_journal(&books, copy, &settled).await?;
        }
        books.batch_execute("ANALYZE auth; ANALYZE posting").await?;
        let closed = self.back_office("close-day", &["--date", day, "--out", out]).await?;
        let bytes: u64 =
            closed.said["files"].as_array().into_iter().flatten().filter_map(|of| of["bytes"].as_u64()).sum();
        Ok(json!({
            "transactions": there * (copy + 1), "merchants": 100, "seconds": closed.seconds, "peak_mib": closed.peak_mib,
            "files_mib": bytes >> 20,
        }))
    }
}

/// Copies the rows that fit, with their postings.
async fn copy_journal(books: &Client, copy: i64, which: &str) -> Result<()> {
    let columns: String = books
        .query_one(
            "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
             WHERE table_name = 'auth' AND column_name NOT IN ('auth_id', 'idem', 'original_idem', 'original_auth_id', 'lifecycle')",
            &[],
        )
        .await?
        .get(0);
    let copied = columns.split(", ").map(|column| format!("a.{column}")).collect::<Vec<_>>().join(", ");
    let key = |column: &str| format!("substring(sha256(a.{column} || int8send({copy})) FOR 16)");
    let number = |column: &str| format!("a.{column} + ({copy}::bigint << 52)");
    let life_cycle =
        format!("upper(substr(encode(sha256(convert_to(a.lifecycle || '/{copy}', 'UTF8')), 'hex'), 1, 15))");
    // originals only: below the first copy's numbers
    let originals = format!("{which} AND a.approved_minor > 0 AND a.auth_id < (1::bigint << 52)");
    let sql = format!(
        "INSERT INTO posting (auth_id, amount_minor, business_date, cycle, payer_kind, payee_kind, bucket, currency, payer_ref, payee_ref)
         SELECT {}, p.amount_minor, p.business_date, p.cycle, p.payer_kind, p.payee_kind, p.bucket, p.currency, p.payer_ref, p.payee_ref
         FROM posting p JOIN auth a ON a.bucket = p.bucket AND a.auth_id = p.auth_id WHERE {originals};
         INSERT INTO auth (auth_id, idem, original_idem, original_auth_id, lifecycle, {columns})
         SELECT {}, {}, {}, {}, {life_cycle}, {copied} FROM auth a WHERE {originals}",
        number("auth_id"),
        number("auth_id"),
        key("idem"),
        key("original_idem"),
        number("original_auth_id"),
    );
    Ok(books.batch_execute(&sql).await?)
}

/// As the journal's copies have it.
fn life_cycle_of_copy(of: &str, copy: u64) -> String {
    let hash = Sha256::digest(format!("{of}/{copy}").as_bytes());
    hash.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).take(15).map(char::from).collect()
}
