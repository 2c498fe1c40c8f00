//! What a verb costs: through the client with many requests in flight, inside the module alone, and the same arithmetic in
//! software as the yardstick. Prints one JSON object; `scripts/bench hsm` runs it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]
#[allow(dead_code, reason = "shared with the daemon's tests, which use all of it")]
#[path = "../tests/daemon/outside.rs"]
mod outside;
#[allow(dead_code, reason = "shared with the daemon's tests, which use all of it")]
#[path = "../tests/daemon/stand.rs"]
mod stand;

use std::future::Future;
use std::hint::black_box;
use std::time::Instant;

use codecs::value::{Pan, PinBlock};
use hsm::*;
use serde_json::json;
use stand::{Stand, up};

/// Requests in flight, and requests of each verb.
const LANES: usize = 64;
const REQUESTS: usize = 12_800;
const SOFTWARE_ROUNDS: u32 = 20_000;

const PAN: &str = "4000120000000002";
/// A message as long as a chip purchase with its MAC.
const MESSAGE: [u8; 300] = [7; 300];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{}", runtime.block_on(figures()));
}

async fn figures() -> serde_json::Value {
    let stand = Stand::raised(|config| config);
    let (host, switch) = (stand.client("host"), stand.client("switch"));
    up(&host).await;
    let terminal = terminal(&stand);
    let pan = Pan::from_digits(PAN.as_bytes()).unwrap();

    let pan_index = each(|| host.pan_index(std::slice::from_ref(&pan))).await;
    let tokenize = each(|| host.tokenize(&pan, b"row")).await;
    let check_card = each(|| host.check_card(chip_read(&pan))).await;
    let edge = each(|| switch.edge(edge_check(&terminal, &pan))).await;
    let mac = each(|| switch.mac(MacKey::Terminal(terminal.tak.clone()), &MESSAGE)).await;

    let metrics = stand.metrics();
    let verb = |name: &str, us: f64, software_us: f64| json!({ "us": tenths(us), "module_us": tenths(module_us(&metrics, name)), "software_us": tenths(software_us) });
    json!({
        "pan_index": verb("pan_index", pan_index, software(|| {
            black_box(outside::hmac(black_box(&[1; 32]), PAN.as_bytes()));
        })),
        "tokenize": verb("tokenize", tokenize, software(|| {
            black_box(outside::hmac(&[1; 32], PAN.as_bytes()));
            black_box(outside::seal(&[2; 32], b"row", PAN.as_bytes()));
        })),
        "check_card_arqc": verb("check_card", check_card, software(|| {
            let card = outside::session_key(black_box(&[3; 16]), 1);
            let session = outside::session_key(&card, 1);
            black_box(outside::retail_mac(&session, &[5; 48]));
        })),
        "edge_mac_and_pin": verb("edge", edge, software(|| {
            black_box(outside::cmac(black_box(&[4; 16]), &MESSAGE));
            black_box(outside::pin_block(black_box(&[5; 16]), "1234", PAN));
            black_box(outside::pin_block(black_box(&[6; 16]), "1234", PAN));
        })),
        "mac": verb("mac", mac, software(|| {
            black_box(outside::cmac(black_box(&[4; 16]), &MESSAGE));
        })),
    })
}

/// Microseconds a request, `LANES` in flight.
async fn each<T, F: Future<Output = Result<T, HsmError>>>(request: impl Fn() -> F) -> f64 {
    let begun = Instant::now();
    let lane = async || {
        for _ in 0..REQUESTS / LANES {
            request().await.unwrap();
        }
    };
    futures::future::join_all((0..LANES).map(|_| lane())).await;
    begun.elapsed().as_secs_f64() * 1e6 / REQUESTS as f64
}

fn software(work: impl Fn()) -> f64 {
    let begun = Instant::now();
    for _ in 0..SOFTWARE_ROUNDS {
        work();
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(SOFTWARE_ROUNDS)
}

/// Mean time inside the module, from the daemon's own histogram.
fn module_us(metrics: &str, verb: &str) -> f64 {
    let value = |suffix: &str| -> f64 {
        let name = format!("hsm_operation_seconds_{suffix}{{verb=\"{verb}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    };
    value("sum") * 1e6 / value("count")
}

fn tenths(us: f64) -> f64 {
    (us * 10.0).round() / 10.0
}

struct Terminal {
    tpk: KeyBlock,
    tak: KeyBlock,
    tpk_clear: Vec<u8>,
    tak_clear: Vec<u8>,
}

fn terminal(stand: &Stand) -> Terminal {
    let order = r#"[{"terminal":"T0000001","merchant":"SWYD00000000001","mcc":"5411","mac":"aes-cmac"}]"#;
    let path = stand.folder.join("orders.json");
    std::fs::write(&path, order).unwrap();
    stand.verb(&["terminals", "--orders", path.to_str().unwrap()]);
    let rows: Vec<TerminalKeyRow> = serde_json::from_str(&stand.read("terminals.keys.json")).unwrap();
    let delivery: DeliveryFile = serde_json::from_str(&stand.read("deliveries/terminals.json")).unwrap();
    let item = outside::open(&outside::transport_key(&stand.folder.join("keys")), "terminals", &delivery.items[0].0);
    let block = |text: &str| KeyBlock::from_bytes(&outside::unhex(text)).unwrap();
    let clear = |name: &str| outside::unhex(item[name].as_str().unwrap());
    Terminal {
        tpk: block(&rows[0].tpk_block),
        tak: block(&rows[0].tak_block),
        tpk_clear: clear("tpk"),
        tak_clear: clear("tak"),
    }
}

/// A purchase at the edge: right MAC, PIN to be translated.
fn edge_check(terminal: &Terminal, pan: &Pan) -> EdgeCheck {
    let mac = codecs::value::Mac(*outside::cmac(&terminal.tak_clear, &MESSAGE).first_chunk().unwrap());
    EdgeCheck {
        mac: Some(MacCheck { key: MacKey::Terminal(terminal.tak.clone()), data: MESSAGE.as_slice().into(), mac }),
        pin: Some(PinTranslation {
            from: PinKey::Terminal(terminal.tpk.clone()),
            from_format: PinFormat::Iso0,
            block: PinBlock::new(&outside::pin_block(&terminal.tpk_clear, "1234", PAN)).unwrap(),
            pan: pan.clone(),
            to: PinKey::Zone(KeyName::zone_pin("host").unwrap()),
            to_format: PinFormat::Iso0,
        }),
    }
}

/// A chip read whose cryptogram is wrong: derivation and check, no ARPC.
fn chip_read(pan: &Pan) -> CardCheck {
    let data = CryptogramData {
        amount: [0; 6],
        other_amount: [0; 6],
        country: [2, 0x80],
        tvr: [0; 5],
        currency: [9, 0x78],
        date: [0x26, 1, 1],
        kind: 0,
        unpredictable: [0; 4],
        aip: [0; 2],
        atc: [0, 1],
        iad: outside::unhex("06011203A00000"),
    };
    let keys = KeySet::new("400012").unwrap();
    CardCheck {
        presented: pan.clone(),
        funding: None,
        issuer_keys: keys.clone(),
        code: None,
        pin: None,
        chip: Some(ChipCheck { keys, psn: 1, cryptogram: [5; 8], data, approve_csu: [0; 4] }),
    }
}
