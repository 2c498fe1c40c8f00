//! The cost of each verb: CPU of the daemon and calls per second with 64 in flight, with one daemon and with two; compared with
//! the module's calls alone and with the same arithmetic in software, each on one thread of the same run. CPU is that of the best
//! of several rounds. Prints one JSON object; `scripts/bench hsm` runs it, and with the names of verbs only those.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]
#[path = "support/floor.rs"]
mod floor;
#[allow(dead_code, reason = "shared with the daemon's tests, which use all of it")]
#[path = "../tests/daemon/installation.rs"]
mod installation;
#[allow(dead_code, reason = "shared with the daemon's tests, which use all of it")]
#[path = "../tests/daemon/outside.rs"]
mod outside;
#[path = "support/processor.rs"]
mod processor;
#[allow(dead_code, reason = "shared with the fault runs, which use all of it")]
#[path = "support/traffic.rs"]
mod traffic;

use std::future::Future;
use std::hint::black_box;
use std::time::Instant;

use hsm::*;
use installation::{Installation, up};
use processor::{Spent, least_us};
use serde_json::{Map, Value, json};
use traffic::{MESSAGE, PAN, Traffic};

/// Requests in flight, requests of each verb in a round, rounds.
const LANES: usize = 64;
const REQUESTS: usize = 2_560;
const ROUNDS: usize = 8;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [argument, folder] = arguments.as_slice()
        && argument == floor::ARGUMENT
    {
        return floor::print(folder.as_ref());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{}", runtime.block_on(figures()));
}

async fn figures() -> Value {
    let mut installation = Installation::raised(traffic::configured);
    up(&installation.client("host")).await;
    let traffic = Traffic::prepare(&installation).await;
    let alone = each_verb(&installation, &traffic, |installation, role| installation.client(role)).await;
    installation.start_second();
    up(&installation.second_client("host")).await;
    let shared = each_verb(&installation, &traffic, |installation, role| installation.client_of_both(role)).await;
    let floor = floor::of(&installation);
    let mut figures = Map::new();
    for ((name, one), (_, two)) in alone.into_iter().zip(shared) {
        let mut figure = json!({
            "us": tenths(one.daemon_us),
            "module_us": tenths(one.module_us),
            "socket_us": tenths(one.daemon_us - one.module_us),
            "per_s": one.per_s.round(),
            "us_two_daemons": tenths(two.daemon_us),
            "per_s_two_daemons": two.per_s.round(),
            "software_us": tenths(software(name)),
        });
        if let Some(floor) = floor.get(name) {
            figure["module_floor_us"] = tenths(floor.as_f64().unwrap()).into();
        }
        figures.insert(name.to_owned(), figure);
    }
    Value::Object(figures)
}

struct Figure {
    /// CPU of all threads of all daemons, and of their module threads, per call.
    daemon_us: f64,
    module_us: f64,
    per_s: f64,
}

async fn each_verb(
    installation: &Installation,
    traffic: &Traffic,
    client: impl Fn(&Installation, &str) -> Client,
) -> Vec<(&'static str, Figure)> {
    let (host, switch) = (client(installation, "host"), client(installation, "switch"));
    let t = traffic;
    let mut figures = Vec::new();
    macro_rules! verb {
        ($name:literal, $items:literal, $request:expr) => {
            if wanted($name) {
                figures.push(($name, measure(installation, $items, $request).await));
            }
        };
    }
    verb!("pan_index", 1, |_| host.pan_index(std::slice::from_ref(&t.pan)));
    verb!("tokenize", 1, |_| host.tokenize(&t.pan, b"row"));
    verb!("detokenize", 1, |_| host.reveal(&t.envelopes[..1]));
    verb!("detokenize_in_16", 16, |_| host.reveal(&t.envelopes));
    verb!("pvv_verify", 1, |_| host.check_card(t.pin_check()));
    verb!("cvv_verify", 1, |_| host.check_card(t.code_check()));
    verb!("arqc_strict", 1, |n| host.check_card(t.strict.read(n)));
    verb!("arqc_strict_cached", 1, |_| host.check_card(t.strict.read(0)));
    verb!("arqc_fast", 1, |n| host.check_card(t.fast.read(n)));
    verb!("pin_translate", 1, |_| switch.edge(t.edge(false, true)));
    verb!("mac_cmac_300", 1, |_| switch.mac(t.mac_key(), &MESSAGE));
    verb!("edge_mac_and_pin", 1, |_| switch.edge(t.edge(true, true)));
    figures
}

/// `LANES` in flight; `items` is what one request carries out.
async fn measure<T, F: Future<Output = Result<T, HsmError>>>(
    installation: &Installation,
    items: usize,
    request: impl Fn(usize) -> F,
) -> Figure {
    let each = REQUESTS / LANES / items.min(4);
    // warm-up: connections, key blocks and open operations are not measured
    futures::future::join_all((0..LANES).map(&request)).await.into_iter().for_each(|warmed| drop(warmed.unwrap()));
    let mut best = Figure { daemon_us: f64::MAX, module_us: f64::MAX, per_s: 0.0 };
    for round in 0..ROUNDS {
        let lane = async |number: usize| {
            for turn in 0..each {
                request((round * each + turn) * LANES + number).await.unwrap();
            }
        };
        let before = Spent::of(&installation.pids());
        let begun = Instant::now();
        futures::future::join_all((0..LANES).map(lane)).await;
        let took = begun.elapsed().as_secs_f64();
        let spent = Spent::of(&installation.pids()).since(before);
        let done = (each * LANES * items) as f64;
        best.per_s = best.per_s.max(done / took);
        if spent.all_us / done < best.daemon_us {
            (best.daemon_us, best.module_us) = (spent.all_us / done, spent.module_us / done);
        }
    }
    best
}

/// CPU of the same arithmetic in software.
fn software(verb: &str) -> f64 {
    let work: &dyn Fn() = match verb {
        "pan_index" => &|| {
            black_box(outside::hmac(black_box(&[1; 32]), PAN.as_bytes()));
        },
        "tokenize" => &|| {
            black_box(outside::hmac(&[1; 32], PAN.as_bytes()));
            black_box(outside::seal(&[2; 32], b"row", PAN.as_bytes()));
        },
        "detokenize" | "detokenize_in_16" => &|| {
            black_box(outside::seal(&[2; 32], b"row", PAN.as_bytes()));
        },
        "pvv_verify" | "pin_translate" => &|| {
            black_box(outside::pin_block(black_box(&[5; 16]), "1234", PAN));
            black_box(outside::pin_block(black_box(&[6; 16]), "1234", PAN));
        },
        "cvv_verify" => &|| {
            black_box(outside::retail_mac(black_box(&[3; 16]), &[5; 16]));
        },
        "arqc_strict" | "arqc_strict_cached" | "arqc_fast" => &|| {
            let card = outside::session_key(black_box(&[3; 16]), 1);
            let session = outside::session_key(&card, 1);
            black_box(outside::retail_mac(&session, &[5; 48]));
            black_box(outside::retail_mac(&session, &[5; 16]));
        },
        "mac_cmac_300" => &|| {
            black_box(outside::cmac(black_box(&[4; 16]), &MESSAGE));
        },
        _ => &|| {
            black_box(outside::cmac(black_box(&[4; 16]), &MESSAGE));
            black_box(outside::pin_block(black_box(&[5; 16]), "1234", PAN));
            black_box(outside::pin_block(black_box(&[6; 16]), "1234", PAN));
        },
    };
    least_us(work)
}

/// Whether a verb is to be measured: those that were named, or all. cargo adds `--bench`.
fn wanted(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| argument != "--bench").peekable();
    named.peek().is_none() || named.any(|argument| argument == name)
}

fn tenths(us: f64) -> f64 {
    (us * 10.0).round() / 10.0
}
