//! The effect on callers of a daemon that is killed or stopped, of a token that goes away, of keys that are rotated, of ten
//! million calls. Every answer is compared with the known right one. Prints one JSON object; `scripts/hsm-faults` runs it.
//!
//! `kills N` · `token-away N` · `slow N` · `rotations N` · `calls N`
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a measurement")]
#[allow(dead_code, reason = "shared with the daemon's tests, which use all of it")]
#[path = "../tests/daemon/installation.rs"]
mod installation;
#[allow(dead_code, reason = "shared with the daemon's tests, which use all of it")]
#[path = "../tests/daemon/outside.rs"]
mod outside;
#[path = "support/rotations.rs"]
mod rotations;
#[allow(dead_code, reason = "shared with the benchmark, which uses all of it")]
#[path = "support/traffic.rs"]
mod traffic;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hsm::*;
use installation::{Installation, health_until, up};
use serde_json::{Value, json};
use traffic::Traffic;

const LANES: u64 = 32;

fn main() {
    // cargo adds `--bench`
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (what, times) = match arguments.as_slice() {
        [what, times] => (what.as_str(), times.parse().unwrap()),
        _ => return eprintln!("faults: kills N | token-away N | slow N | rotations N | calls N"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let figures = runtime.block_on(async {
        match what {
            "kills" => json!({ "one_daemon": kills(times, false).await, "two_daemons": kills(times, true).await }),
            "token-away" => token_away(times).await,
            "slow" => json!({ "one_of_two": slow(times, true).await, "the_only_one": slow(times, false).await }),
            "rotations" => rotations::rotations(times).await,
            "calls" => calls(times).await,
            other => panic!("no measurement {other}"),
        }
    });
    println!("{figures}");
}

/// Results of all calls.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    /// Verdicts that are not the known ones.
    wrong: AtomicU64,
    /// Calls that ended without a verdict, with a PIN in them and without.
    pins_unjudged: AtomicU64,
    others_unanswered: AtomicU64,
    /// Microseconds from the start to the last answer, and the longest time without any answer.
    last_us: AtomicU64,
    longest_gap_us: AtomicU64,
    over: AtomicBool,
    /// Set while a daemon is stopped; the times of calls are then kept apart.
    standing: AtomicBool,
    timed: AtomicBool,
    /// Times of calls that began while all daemons ran, and of those that began while a daemon was stopped.
    times: Mutex<[Vec<Duration>; 2]>,
}

impl Tally {
    fn count(&self, begun: Instant, call: &Called) {
        let now = begun.elapsed().as_micros() as u64;
        match call {
            Called::Right => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                let gap = now.saturating_sub(self.last_us.fetch_max(now, Ordering::Relaxed));
                self.longest_gap_us.fetch_max(gap, Ordering::Relaxed);
            }
            Called::Wrong => drop(self.wrong.fetch_add(1, Ordering::Relaxed)),
            Called::PinUnjudged => drop(self.pins_unjudged.fetch_add(1, Ordering::Relaxed)),
            Called::Unanswered => drop(self.others_unanswered.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn json(&self) -> Value {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "answered": of(&self.answered),
            "wrong_answers": of(&self.wrong),
            "pins_without_verdict": of(&self.pins_unjudged),
            "others_without_answer": of(&self.others_unanswered),
        })
    }
}

enum Called {
    Right,
    Wrong,
    PinUnjudged,
    Unanswered,
}

/// One call, whose answer is known.
async fn call(host: &Client, traffic: &Traffic, number: u64) -> Called {
    let judge = |outcome: Result<bool, HsmError>, without: Called| match outcome {
        Ok(true) => Called::Right,
        Ok(false) => Called::Wrong,
        Err(HsmError::Unavailable(_) | HsmError::Busy) => without,
        Err(other) => panic!("{other}"),
    };
    let pin = |verdict: CardVerdict, expected| verdict.pin == Some(expected);
    match number % 5 {
        0 => judge(host.check_card(traffic.pin_check()).await.map(|v| pin(v, PinOutcome::Ok)), Called::PinUnjudged),
        1 => {
            let asked = host.check_card(traffic.wrong_pin_check()).await;
            judge(asked.map(|v| pin(v, PinOutcome::Wrong)), Called::PinUnjudged)
        }
        2 => {
            let asked = host.reveal(&traffic.envelopes[..1]).await;
            judge(asked.map(|pans| pans == [Some(traffic.pan.clone())]), Called::Unanswered)
        }
        3 => {
            let asked = host.check_card(traffic.strict.read(number as usize / 5)).await;
            judge(asked.map(|v| matches!(v.chip, Some(ChipOutcome::Ok { .. }))), Called::Unanswered)
        }
        _ => {
            let mut forged = traffic.fast.read(number as usize / 5);
            forged.chip.as_mut().unwrap().cryptogram[3] ^= 1;
            judge(host.check_card(forged).await.map(|v| v.chip == Some(ChipOutcome::Wrong)), Called::Unanswered)
        }
    }
}

type Load = (Arc<Tally>, Vec<tokio::task::JoinHandle<()>>);

/// Callers that run until the test ends; the pause between calls leaves the processor to the daemons.
fn load(host: &Client, traffic: &Arc<Traffic>, pause: Duration) -> Load {
    let tally = Arc::new(Tally::default());
    let begun = Instant::now();
    let lanes = (0..LANES).map(|lane| {
        let (host, traffic, tally) = (host.clone(), Arc::clone(traffic), Arc::clone(&tally));
        tokio::spawn(async move {
            let mut number = lane;
            while !tally.over.load(Ordering::Relaxed) {
                let (asked, standing) = (Instant::now(), tally.standing.load(Ordering::Relaxed));
                tally.count(begun, &call(&host, &traffic, number).await);
                if tally.timed.load(Ordering::Relaxed) {
                    tally.times.lock().unwrap()[usize::from(standing)].push(asked.elapsed());
                }
                number += 1;
                tokio::time::sleep(pause).await;
            }
        })
    });
    let lanes = lanes.collect();
    (tally, lanes)
}

async fn end((tally, lanes): Load) -> Value {
    tally.over.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await.unwrap();
    }
    tally.json()
}

/// `kill -9` again and again; a parent starts the daemon again at once.
async fn kills(times: u32, two: bool) -> Value {
    let mut installation = Installation::raised(traffic::configured);
    up(&installation.client("host")).await;
    let traffic = Arc::new(Traffic::prepare(&installation).await);
    if two {
        installation.start_second();
        up(&installation.second_client("host")).await;
    }
    let own = [installation.client("host"), installation.second_client("host")];
    let host = if two { installation.client_of_both("host") } else { installation.client("host") };
    let load = load(&host, &traffic, Duration::from_millis(2));
    let (mut gaps, mut restarts) = (Vec::new(), Vec::new());
    for number in 0..times {
        // a pause of varying length, so that kills do not fall into a rhythm
        tokio::time::sleep(Duration::from_millis(150 + u64::from(number * 37 % 100))).await;
        load.0.longest_gap_us.store(0, Ordering::Relaxed);
        let second = two && number % 2 == 1;
        let killed = Instant::now();
        if second {
            installation.kill_second()
        } else {
            installation.kill()
        }
        if second {
            installation.start_second()
        } else {
            installation.start()
        }
        up_again(&own[usize::from(second)]).await;
        restarts.push(killed.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
        gaps.push(Duration::from_micros(load.0.longest_gap_us.load(Ordering::Relaxed)));
    }
    let answers = end(load).await;
    json!({
        "kills": times,
        "callers_without_any_answer_ms": spread(&mut gaps),
        "daemon_up_again_ms": spread(&mut restarts),
        "answers": answers,
    })
}

/// [`up`] with a finer clock.
async fn up_again(client: &Client) {
    while !matches!(client.health().await, Ok(Health { state: ModuleState::Up, .. })) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn spread(times: &mut [Duration]) -> Value {
    times.sort();
    let ms = |time: &Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    json!({ "median": ms(&times[times.len() / 2]), "max": ms(times.last().unwrap()) })
}

/// The token's folder renamed away under load, and back after two seconds.
async fn token_away(times: u32) -> Value {
    let mut installation = Installation::raised(traffic::configured);
    installation.start_second();
    let own = [installation.client("host"), installation.second_client("host")];
    up(&own[0]).await;
    up(&own[1]).await;
    let traffic = Arc::new(Traffic::prepare(&installation).await);
    let load = load(&installation.client_of_both("host"), &traffic, Duration::from_millis(2));
    let (here, away) = (installation.folder.join("tokens"), installation.folder.join("tokens.away"));
    let (mut noticed, mut healed) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let begun = Instant::now();
        std::fs::rename(&here, &away).unwrap();
        for daemon in &own {
            health_until(daemon, |health| health.state == ModuleState::Degraded).await;
        }
        noticed.push(begun.elapsed());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let begun = Instant::now();
        std::fs::rename(&away, &here).unwrap();
        for daemon in &own {
            up_again(daemon).await;
        }
        healed.push(begun.elapsed());
    }
    let answers = end(load).await;
    json!({ "times": times, "noticed_ms": spread(&mut noticed), "healed_ms": spread(&mut healed), "answers": answers })
}

/// The daemon, or one of two, is stopped for half a second again and again.
async fn slow(times: u32, two: bool) -> Value {
    let mut installation = Installation::raised(traffic::configured);
    up(&installation.client("host")).await;
    let traffic = Arc::new(Traffic::prepare(&installation).await);
    if two {
        installation.start_second();
        up(&installation.second_client("host")).await;
    }
    let host = if two { installation.client_of_both("host") } else { installation.client("host") };
    up(&host).await;
    let load = load(&host, &traffic, Duration::from_millis(2));
    load.0.timed.store(true, Ordering::Relaxed);
    let (mut answered, mut stood) = (0, Duration::ZERO);
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(500)).await;
        installation.freeze();
        load.0.standing.store(true, Ordering::Relaxed);
        let (before, begun) = (load.0.answered.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(Duration::from_millis(500)).await;
        answered += load.0.answered.load(Ordering::Relaxed) - before;
        stood += begun.elapsed();
        load.0.standing.store(false, Ordering::Relaxed);
        installation.thaw();
    }
    let tally = Arc::clone(&load.0);
    let answers = end(load).await;
    let [mut well, mut standing] = std::mem::take(&mut *tally.times.lock().unwrap());
    json!({
        "times": times,
        "answers_per_s_meanwhile": (answered as f64 / stood.as_secs_f64()).round(),
        "call_ms_all_well": percentiles(&mut well),
        "call_ms_begun_meanwhile": percentiles(&mut standing),
        "answers": answers,
    })
}

fn percentiles(times: &mut [Duration]) -> Value {
    times.sort();
    let ms = |share: f64| {
        let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(place).map(|time| (time.as_secs_f64() * 1e4).round() / 10.0)
    };
    json!({ "calls": times.len(), "p50": ms(0.5), "p90": ms(0.9), "p99": ms(0.99), "max": ms(1.0) })
}

/// So many calls over two daemons, a fifth of them strict cryptograms; the resident memory of each daemon is sampled throughout.
async fn calls(times: u32) -> Value {
    let mut installation = Installation::raised(traffic::configured);
    installation.start_second();
    up(&installation.client("host")).await;
    up(&installation.second_client("host")).await;
    let traffic = Arc::new(Traffic::prepare(&installation).await);
    let load = load(&installation.client_of_both("host"), &traffic, Duration::ZERO);
    let begun = Instant::now();
    let mut resident = Vec::new();
    for tenth in 1..=10 {
        while load.0.answered.load(Ordering::Relaxed) < u64::from(times) / 10 * tenth {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let kib: Vec<u64> = installation.pids().into_iter().map(resident_kib).collect();
        let took = begun.elapsed().as_secs_f64();
        eprintln!("{:>3} % of {times} calls: {kib:?} KiB, {took:.0} s, {}", tenth * 10, load.0.json());
        resident.push(kib);
    }
    let answers = end(load).await;
    let mut openings = Vec::new();
    for daemon in [installation.client("host"), installation.second_client("host")] {
        openings.push(daemon.health().await.unwrap().initialisations);
    }
    json!({ "resident_kib_by_tenths": resident, "openings": openings, "answers": answers })
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
