//! Benchmark of the lanes with Postgres: authorizations a second with given HSM outcomes, that is, the host without the
//! HSM.
//!
//! `SWITCHYARD_TEST_POSTGRES=… cargo bench -p host --bench authorizations -- [seconds] [clients] [accounts]` prints one
//! JSON object. Clients are closed-loop; 99 % of the requests are purchases on uniformly drawn accounts at so many terminals,
//! 1 % repeats of the one before. `add_up_ms` is what the sums of the day then take for all rows of the run.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring program, no part of the pure half"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use codecs::value::Expiry;
use host::Config;
use host::authorize::{Cryptogram, Pin, Proof, SecurityCode};
use host::batch::PreparedRequest;
use host::lanes::Lanes;
use host::request::{CardEntry, Request};
use jiff::Timestamp;
use ledger::journal::Kind;
use ledger::store::{day_total, migrate, pool};
use tokio_postgres::NoTls;

#[path = "../tests/sample/mod.rs"]
#[allow(dead_code, reason = "each of its users wants another part of it")]
mod sample;

/// As the version before the record of changes had them, with their opening balances: the migration records them as found,
/// and an auditor has nothing to say of the books that a run leaves.
const ACCOUNTS: &str = "
    INSERT INTO account_state (bucket, account_id, currency, ledger_minor, seq)
      SELECT a % 64, a, 978, 100000000000, 1 FROM generate_series(1, $N) a;
    INSERT INTO auth (bucket, idem_date, idem, auth_id, kind, role, advice, digest, account_id, card_id, account_seq, response_code,
        requested_minor, approved_minor, currency, link, acquirer, stan, lifecycle, local_at, received_at, business_date, cycle, why,
        lane_instance, batch_seq, batch_pos)
      SELECT a % 64, '2026-11-20', int8send(a), a, 'opening', 'on-us', false, '\\x00', a, a, 1, '00', 100000000000, 100000000000,
        978, 'issue', '400012', 0, 'SWY' || a, '2026-11-20', now(), '2026-11-20', '2026-11-20', '{}', 0, 0, 0
      FROM generate_series(1, $N) a;
    INSERT INTO ledger (bucket, auth_id, leg, account_kind, account_ref, amount_minor, currency, business_date, cycle)
      SELECT a % 64, a, l, CASE l WHEN 1 THEN 'funding' ELSE 'cardholder' END, CASE l WHEN 1 THEN 'opening' ELSE a::text END,
        CASE l WHEN 1 THEN -100000000000 ELSE 100000000000 END, 978, '2026-11-20', '2026-11-20'
      FROM generate_series(1, $N) a, generate_series(1, 2) l;
    INSERT INTO card (bucket, card_id, account_id, pan_index, pan_envelope, pan_masked, expiry, service_code, pvki, pvv, key_set, status,
        limit_txn_minor, limit_day_minor, note)
      SELECT a % 64, a, a, sha256(int8send(a)), '\\x00', '400012******0000', '2912', '201', 1, '0000', '400012', 'active', 1000000,
        100000000000, '' FROM generate_series(1, $N) a;
    INSERT INTO card_state (bucket, card_id, account_id) SELECT a % 64, a, a FROM generate_series(1, $N) a;
    INSERT INTO business_day (date, state) VALUES ('2026-11-20', 'open');";

const TERMINALS: u64 = 4_096;

fn prepared(account_id: i64, number: u64) -> PreparedRequest {
    let (terminal, stan) = (number % TERMINALS, u32::try_from(number / TERMINALS + 1).unwrap());
    let origin = format!("terminals|T{terminal:07}|SWYD00000000001");
    let request = Request { card_entry: CardEntry::Chip, ..sample::request(&origin, stan, Kind::Purchase, 1_250) };
    let bucket = i16::try_from(account_id % 64).unwrap();
    PreparedRequest {
        // a card's counters rise; a counter drawn twice within 64 requests is declined as replayed, about 6 in 10,000
        proof: Proof {
            security_code: SecurityCode::Right,
            cryptogram: Cryptogram::Right { atc: u16::try_from(number / 64 % 65_536).unwrap() },
            pin: Pin::Right,
            expiry: Some(Expiry { year: 29, month: 12 }),
        },
        icc_approval: Some(vec![0; 8]),
        received_at: Timestamp::now(),
        ..sample::prepared(request, bucket, account_id)
    }
}

/// A xorshift generator: fast, and the same sequence in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

async fn prepare(cluster: &str, accounts: u64) -> (Config, tokio_postgres::Client) {
    let name = format!("bench_{}", std::process::id());
    let (client, connection) = tokio_postgres::connect(cluster, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let mut own: tokio_postgres::Config = cluster.parse().unwrap();
    own.dbname(&name);
    let tokio_postgres::config::Host::Unix(socket) = &own.get_hosts()[0] else { panic!("a socket folder is needed") };
    let text = include_str!("../../config/host.toml").replace(
        "host=/run/postgresql user=authhost dbname=switchyard",
        &format!("host={} user={} dbname={name}", socket.display(), own.get_user().unwrap()),
    );
    let links = link::role::Roles::parse(include_str!("../../config/links.toml"), "links.toml").unwrap();
    let config = Config::parse(&text, Path::new("host.toml"), links).unwrap();
    let (mut own, connection) = own.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    migrate::migrate_to(&mut own, 6).await.unwrap();
    own.batch_execute(&ACCOUNTS.replace("$N", &accounts.to_string())).await.unwrap();
    migrate::migrate(&mut own).await.unwrap();
    own.batch_execute("VACUUM ANALYZE").await.unwrap();
    own.batch_execute("CHECKPOINT").await.unwrap();
    (config, client)
}

#[tokio::main]
async fn main() {
    // cargo adds --bench
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let [seconds, clients, accounts] =
        [(0, 10), (1, 512), (2, 100_000)].map(|(at, or)| *numbers.get(at).unwrap_or(&or));
    let cluster = std::env::var("SWITCHYARD_TEST_POSTGRES").expect("SWITCHYARD_TEST_POSTGRES names no cluster");
    let (config, _keep) = prepare(&cluster, accounts).await;
    let tasks = telemetry::LastingTasks::until(tokio_util::sync::CancellationToken::new());
    let lanes = Arc::new(Lanes::start(&config, &pool(&config.postgres(), 1).unwrap(), &tasks).await.unwrap());
    let next = Arc::new(AtomicU64::new(0));
    let (warm_up, until) = (Instant::now() + Duration::from_secs(2), Instant::now() + Duration::from_secs(2 + seconds));
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (lanes, next) = (Arc::clone(&lanes), Arc::clone(&next));
            tokio::spawn(async move {
                let mut draw = Draw(0x9E37_79B9_7F4A_7C15 ^ (client + 1) << 20);
                let mut latencies = Vec::new();
                let mut declined = 0_u64;
                let mut last = None;
                while Instant::now() < until {
                    let started = Instant::now();
                    let prepared = match last.take().filter(|_| draw.next().is_multiple_of(100)) {
                        Some(again) => again,
                        None => {
                            prepared((draw.next() % accounts + 1).cast_signed(), next.fetch_add(1, Ordering::Relaxed))
                        }
                    };
                    last = Some(prepared.clone());
                    let committed = lanes.submit(prepared, Instant::now()).await.unwrap();
                    if !committed.row().response_code.is_approval() {
                        declined += 1;
                    }
                    if started > warm_up {
                        latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
                    }
                }
                (latencies, declined)
            })
        })
        .collect();
    let (mut latencies, mut declined) = (Vec::new(), 0);
    for task in tasks {
        let (some, refused) = task.await.unwrap();
        latencies.extend(some);
        declined += refused;
    }
    latencies.sort_unstable();
    let summing = Instant::now();
    day_total::add_up(&pool(&config.postgres(), 1).unwrap()).await.unwrap();
    let added_up = summing.elapsed().as_millis();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "{{\"auth_per_s\":{},\"latency_us\":{{\"p50\":{},\"p99\":{}}},\"clients\":{clients},\"accounts\":{accounts},\"declined\":{declined},\"add_up_ms\":{added_up}}}",
        latencies.len() as u64 / seconds,
        at(0.5),
        at(0.99),
    );
}
