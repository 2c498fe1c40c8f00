//! `hsmd` from the outside: a real daemon, a real SoftHSM token, the public client.
#![allow(clippy::unwrap_used, reason = "tests")]
mod exchange;
mod installation;
mod keyboard;
mod keys;
mod modules;
mod outside;
mod own_user;
mod rotation;
mod two_daemons;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use codecs::value::{Expiry, Mac, Pan, PinBlock};
use hsm::*;
use installation::{Installation, health_until, up};
use serde_json::Value;

const FPAN: &str = "4000120000000002";
const DPAN: &str = "4000129000000001";

fn pan(digits: &str) -> Pan {
    Pan::from_digits(digits.as_bytes()).unwrap()
}

fn same(config: String) -> String {
    config
}

fn set(owner: &str) -> KeySet {
    KeySet::new(owner).unwrap()
}

fn card_order(digits: &str) -> CardOrder {
    CardOrder {
        pan: pan(digits),
        expiry: Expiry::new(30, 6).unwrap(),
        psn: 1,
        service_code: *b"201",
        pvki: 6,
        keys: set("400012"),
        note: "test card".into(),
        balance_minor: 1,
        currency: 978,
    }
}

fn read(digits: &str) -> CardCheck {
    CardCheck { presented: pan(digits), funding: None, issuer_keys: set("400012"), code: None, pin: None, chip: None }
}

/// A terminal with its keys as its vendor injected them, and its blocks as the switch holds them.
struct Terminal {
    tpk: Vec<u8>,
    tak: Vec<u8>,
    tpk_block: KeyBlock,
    tak_block: KeyBlock,
}

fn terminals(installation: &Installation) -> Vec<Terminal> {
    let orders = r#"[{"terminal":"T0000001","merchant":"SWYD00000000001","mcc":"5411","mac":"aes-cmac"},
                     {"terminal":"T0000002","merchant":"SWYD00000000001","mcc":"5411","mac":"x9.19"}]"#;
    let path = installation.folder.join("orders.json");
    std::fs::write(&path, orders).unwrap();
    installation.verb(&["terminals", "--orders", path.to_str().unwrap()]);
    let rows: Vec<TerminalKeyRow> = serde_json::from_str(&installation.read("terminals.keys.json")).unwrap();
    let delivery: DeliveryFile = serde_json::from_str(&installation.read("deliveries/terminals.json")).unwrap();
    let transport = outside::transport_key(&installation.folder.join("keys"));
    let block = |text: &str| KeyBlock::from_bytes(&outside::unhex(text)).unwrap();
    let known = rows.iter().zip(&delivery.items).map(|(row, item)| {
        let item = outside::open(&transport, "terminals", &item.0);
        assert_eq!(item["terminal"], row.terminal);
        let key = |name: &str| outside::unhex(item[name].as_str().unwrap());
        Terminal {
            tpk: key("tpk"),
            tak: key("tak"),
            tpk_block: block(&row.tpk_block),
            tak_block: block(&row.tak_block),
        }
    });
    known.collect()
}

fn edge(terminal: &Terminal, mac: Mac, pin: &str, digits: &str) -> EdgeCheck {
    EdgeCheck {
        mac: Some(MacCheck {
            key: MacKey::Terminal(terminal.tak_block.clone()),
            data: b"0200 message".as_slice().into(),
            mac,
        }),
        pin: Some(PinTranslation {
            from: PinKey::Terminal(terminal.tpk_block.clone()),
            from_format: PinFormat::Iso0,
            block: PinBlock::new(&outside::pin_block(&terminal.tpk, pin, digits)).unwrap(),
            pan: pan(digits),
            to: PinKey::Zone(KeyName::zone_pin("host").unwrap()),
            to_format: PinFormat::Iso0,
        }),
    }
}

#[tokio::test]
async fn a_pin_travels_from_the_terminal_to_its_verdict() {
    pin_travels(&Installation::raised(same)).await;
}

async fn pin_travels(installation: &Installation) {
    let (switch, host, operator) =
        (installation.client("switch"), installation.client("host"), installation.client("operator"));
    up(&host).await;
    let terminals = terminals(installation);
    let transport = outside::transport_key(&installation.folder.join("keys"));
    let card = operator.personalise_card(card_order(FPAN)).await.unwrap();
    let item = outside::open(&transport, "cards", &card.delivery.0);
    let right = item["pin"].as_str().unwrap();
    let wrong = if right == "0000" { "1111" } else { "0000" };

    let cmac_terminal = &terminals[0];
    let mac = Mac(outside::cmac(&cmac_terminal.tak, b"0200 message")[..8].try_into().unwrap());
    for (entered, expected) in [(right, PinOutcome::Ok), (wrong, PinOutcome::Wrong)] {
        let verdict = switch.edge(edge(cmac_terminal, mac, entered, FPAN)).await.unwrap();
        assert_eq!(verdict.mac, Some(MacOutcome::Ok));
        let Some(TranslationOutcome::Translated(block)) = verdict.pin else { panic!("{verdict:?}") };
        let mut check = read(FPAN);
        let zone_key = KeyName::zone_pin("host").unwrap();
        check.pin =
            Some(PinCheck { block, zone_key, reference: PinReference::Pvv { pvv: card.pvv.clone(), pvki: card.pvki } });
        assert_eq!(host.check_card(check).await.unwrap().pin, Some(expected));
    }

    // a block for another PAN does not become a block for this one
    let mut other = edge(cmac_terminal, mac, right, "4000120000004442");
    other.pin.as_mut().unwrap().pan = pan(FPAN);
    assert_eq!(switch.edge(other).await.unwrap().pin, Some(TranslationOutcome::FormatError));
    // nor does it lose its account number
    let mut unbound = edge(cmac_terminal, mac, right, FPAN);
    unbound.pin.as_mut().unwrap().to_format = PinFormat::Iso1;
    assert!(matches!(switch.edge(unbound).await, Err(HsmError::Denied(_))));
    // the PIN of a message that is not authentic is not deciphered
    let verdict = switch.edge(edge(cmac_terminal, Mac([9; 8]), right, FPAN)).await.unwrap();
    assert_eq!(verdict, EdgeVerdict { mac: Some(MacOutcome::Wrong), pin: None });

    let x919 = &terminals[1];
    let mut padded = b"0200 message".to_vec();
    padded.resize(16, 0);
    let expected = outside::retail_mac(&x919.tak, &padded);
    let made = switch.mac(MacKey::Terminal(x919.tak_block.clone()), b"0200 message").await.unwrap();
    assert_eq!(made.0, expected);
}

#[tokio::test]
async fn a_chip_is_judged_and_answered() {
    chip_is_judged(&Installation::raised(same)).await;
}

async fn chip_is_judged(installation: &Installation) {
    let (host, operator) = (installation.client("host"), installation.client("operator"));
    up(&host).await;
    let transport = outside::transport_key(&installation.folder.join("keys"));
    let order = TokenOrder {
        dpan: pan(DPAN),
        expiry: Expiry::new(30, 6).unwrap(),
        psn: 0,
        keys: set("40001290"),
        card_note: "everyday card".into(),
    };
    let item = operator.personalise_token(order).await.unwrap();
    let item = outside::open(&transport, "wallets", &item.0);
    let udk = outside::unhex(item["udk_ac"].as_str().unwrap());
    let session = outside::session_key(&udk, 7);
    let (data, cryptogram) = outside::cryptogram(&udk, 7);
    let csu = [0x00, 0x82, 0x00, 0x00];
    let mut check = read(DPAN);
    check.chip = Some(ChipCheck { keys: set("40001290"), psn: 0, cryptogram, data, approve_csu: csu });
    let Some(ChipOutcome::Ok { approval }) = host.check_card(check.clone()).await.unwrap().chip else {
        panic!("not ok")
    };
    // the card's own check of the answer
    let arpc = outside::retail_mac(&session, &outside::pad_bit(&[&cryptogram[..], &csu].concat()));
    assert_eq!(approval, [&arpc[..4], &csu].concat());

    check.chip.as_mut().unwrap().data.amount[5] ^= 1;
    assert_eq!(host.check_card(check.clone()).await.unwrap().chip, Some(ChipOutcome::Wrong));
    // the BIN's master key is another one
    check.chip.as_mut().unwrap().data.amount[5] ^= 1;
    check.chip.as_mut().unwrap().keys = set("400012");
    assert_eq!(host.check_card(check.clone()).await.unwrap().chip, Some(ChipOutcome::Wrong));
    check.chip.as_mut().unwrap().keys = set("999999");
    assert_eq!(host.check_card(check).await.unwrap_err(), HsmError::KeyMissing("imk-ac/999999".into()));
}

#[tokio::test]
async fn pans_come_back_from_their_own_rows_only() {
    pans_come_back(&Installation::raised(same)).await;
}

async fn pans_come_back(installation: &Installation) {
    let host = installation.client("host");
    up(&host).await;
    let pans: Vec<Pan> = (0..40).map(|n| pan(&format!("40001219000000{n:05}"))).collect();
    let mut envelopes = Vec::new();
    for (row, pan) in pans.iter().enumerate() {
        let (index, envelope) = host.tokenize(pan, &row.to_be_bytes()).await.unwrap();
        assert_eq!(host.pan_index(std::slice::from_ref(pan)).await.unwrap(), [index]);
        envelopes.push((envelope, row.to_be_bytes().to_vec()));
    }
    let revealed = host.reveal(&envelopes).await.unwrap();
    assert_eq!(revealed, pans.iter().cloned().map(Some).collect::<Vec<_>>());
    envelopes[3].1 = envelopes[4].1.clone();
    let revealed = host.reveal(&envelopes).await.unwrap();
    assert_eq!((revealed[3].clone(), revealed[4].clone()), (None, Some(pans[4].clone())));
}

#[tokio::test]
async fn a_socket_offers_its_roles_verbs_only() {
    let installation = Installation::raised(same);
    let (switch, host, operator) =
        (installation.client("switch"), installation.client("host"), installation.client("operator"));
    up(&switch).await;
    let denied = |error: HsmError| assert!(matches!(error, HsmError::Denied(_)), "{error:?}");
    denied(switch.pan_index(&[pan(FPAN)]).await.unwrap_err());
    denied(switch.check_card(read(FPAN)).await.unwrap_err());
    denied(switch.mac(MacKey::Named(KeyName::audit()), b"head").await.unwrap_err());
    denied(host.mac(MacKey::Named(KeyName::audit()), b"head").await.unwrap_err());
    denied(switch.seal(b"head").await.unwrap_err());
    denied(host.personalise_card(card_order(FPAN)).await.unwrap_err());
    denied(host.mac(MacKey::Named(KeyName::zone_pin("host").unwrap()), b"head").await.unwrap_err());
    denied(operator.reveal(&[(host.tokenize(&pan(FPAN), b"").await.unwrap().1, Vec::new())]).await.unwrap_err());
    denied(host.data_key("switch-pending").await.unwrap_err());
    let key = switch.data_key("switch-pending").await.unwrap();
    assert_eq!(switch.data_key("switch-pending").await.unwrap().expose(), key.expose());
    assert_ne!(host.data_key("host-spool").await.unwrap().expose(), key.expose());
    let seal = host.seal(b"head").await.unwrap();
    assert_eq!(host.check_seal(b"head", &seal).await.unwrap(), MacOutcome::Ok);
    assert_eq!(host.check_seal(b"other head", &seal).await.unwrap(), MacOutcome::Wrong);
    let metrics = installation.metrics();
    assert!(metrics.contains("hsm_denied_total{role=\"switch\",verb=\"check_card\"} 1"), "{metrics}");
    assert!(metrics.contains("# HELP hsm_operations_total"));
    assert!(metrics.contains("hsm_operation_seconds_bucket{verb=\"tokenize\""));
}

#[tokio::test]
async fn a_killed_daemon_is_found_again() {
    let mut installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    let before = host.pan_index(&[pan(FPAN)]).await.unwrap();
    for _ in 0..3 {
        installation.kill();
        let waiting = tokio::spawn({
            let host = host.clone();
            async move { host.pan_index(&[pan(FPAN)]).await }
        });
        installation.start();
        assert_eq!(waiting.await.unwrap().unwrap(), before, "a harmless call outlives the daemon");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_closes_its_module_and_leaves_no_socket() {
    let mut installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    let indexes = host.pan_index(&[pan(FPAN)]).await.unwrap();
    assert_eq!(indexes.len(), 1);
    // the client stays connected: nobody waits for it
    assert!(installation.terminate().success());
    assert!(installation.read("hsmd.log").contains("module closed"));
    assert!(!installation.folder.join("run/hsm-host.sock").exists());
    installation.start();
    assert_eq!(host.pan_index(&[pan(FPAN)]).await.unwrap(), indexes, "the next daemon has the same keys");
}

#[tokio::test]
async fn a_daemon_that_stays_away_is_told_at_once() {
    let mut installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    installation.kill();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let begun = Instant::now();
    assert!(matches!(host.pan_index(&[pan(FPAN)]).await, Err(HsmError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    installation.start();
    up(&host).await;
}

#[tokio::test]
async fn a_pin_check_is_never_sent_twice() {
    let mut installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    // the daemon holds the request and dies with it
    installation.freeze();
    let mut check = read(FPAN);
    let zone_key = KeyName::zone_pin("host").unwrap();
    let block = PinBlock::new(&[0x77; 8]).unwrap();
    check.pin =
        Some(PinCheck { block, zone_key, reference: PinReference::Pvv { pvv: Pvv::new(*b"1234").unwrap(), pvki: 6 } });
    let asked = tokio::spawn({
        let host = host.clone();
        async move { host.check_card(check).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    installation.kill();
    installation.start();
    assert!(matches!(asked.await.unwrap(), Err(HsmError::Unavailable(_))));
    up(&host).await;
    assert!(
        !installation.metrics().contains("hsm_operations_total{verb=\"check_card\""),
        "it reached the second daemon"
    );
}

#[tokio::test]
async fn a_late_answer_is_not_waited_for() {
    let installation = Installation::raised(same);
    let patient = installation.client("host");
    up(&patient).await;
    let hasty = Client::new(&ClientConfig { timeout_ms: 100, ..installation.client_config("host") });
    up(&hasty).await;
    installation.freeze();
    let begun = Instant::now();
    let refused = hasty.pan_index(&[pan(FPAN)]).await;
    assert!(matches!(refused, Err(HsmError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_millis(1_000));
    // the late answer has no caller any more; the connection goes on
    installation.thaw();
    up(&hasty).await;
    patient.pan_index(&[pan(FPAN)]).await.unwrap();
}

/// A chip read whose cryptogram is wrong.
fn chip_read(digits: &str) -> CardCheck {
    let mut check = read(digits);
    check.chip = Some(ChipCheck {
        keys: set("400012"),
        psn: 1,
        cryptogram: [5; 8],
        data: CryptogramData {
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
        },
        approve_csu: [0; 4],
    });
    check
}

fn short_lived(config: String) -> String {
    assert!(config.contains("= 50000 "), "the example recycles after so many objects");
    config.replace("= 50000 ", "= 1000 ")
}

/// Sixteen callers ask for a hundred checks each; every one must be judged.
async fn many_chip_reads(host: &Client) {
    let lanes = (0..16).map(|_| {
        let (host, check) = (host.clone(), chip_read(FPAN));
        tokio::spawn(async move {
            for _ in 0..100 {
                assert_eq!(host.check_card(check.clone()).await.unwrap().chip, Some(ChipOutcome::Wrong));
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recycling_fails_no_request() {
    let installation = Installation::raised(short_lived);
    let host = installation.client("host");
    up(&host).await;
    many_chip_reads(&host).await;
    // 1600 checks made two objects each; the card's key stayed
    let health = host.health().await.unwrap();
    assert!(health.initialisations >= 3, "{health:?}");
    assert_eq!(health.state, ModuleState::Up);
}

/// Names and sizes of all files below a folder.
fn files(folder: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, u64> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| {
        if path.is_dir() { files(&path) } else { [(path.clone(), std::fs::metadata(path).unwrap().len())].into() }
    });
    below.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_a_session_are_never_written() {
    let installation = Installation::raised(same);
    let host = installation.client("host");
    let made = up(&host).await.objects_since_init;
    let before = files(&installation.folder.join("tokens"));
    many_chip_reads(&host).await;
    let terminals = terminals(&installation);
    let mac = Mac(outside::cmac(&terminals[0].tak, b"0200 message")[..8].try_into().unwrap());
    let verdict = installation.client("switch").edge(edge(&terminals[0], mac, "1234", FPAN)).await.unwrap();
    assert_eq!(verdict.mac, Some(MacOutcome::Ok));
    assert_eq!(files(&installation.folder.join("tokens")), before);
    assert!(installation.client("host").health().await.unwrap().objects_since_init > made + 1_000);
}

#[tokio::test]
async fn daemons_that_start_together_do_not_keep_each_other_from_the_token() {
    let mut installation = Installation::prepared(same);
    for _ in 0..5 {
        installation.start();
        installation.start_second();
        up(&installation.client("host")).await;
        up(&installation.second_client("host")).await;
        installation.kill();
        installation.kill_second();
    }
}

#[tokio::test]
async fn a_refused_pin_is_not_tried_again_until_it_changes() {
    let mut installation = Installation::prepared(same);
    let pin = installation.read("keys/token.user-pin");
    std::fs::write(installation.folder.join("keys/token.user-pin"), "wrong-pin\n").unwrap();
    installation.start();
    let host = installation.client("host");
    health_until(&host, |health| health.state == ModuleState::Down).await;
    assert!(matches!(host.pan_index(&[pan(FPAN)]).await, Err(HsmError::Unavailable(_))));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    std::fs::write(installation.folder.join("keys/token.user-pin"), pin).unwrap();
    up(&host).await;
    host.pan_index(&[pan(FPAN)]).await.unwrap();
    let log = installation.read("hsmd.log");
    assert!(log.contains("refuses the PIN"), "{log}");
}

#[tokio::test]
async fn a_module_that_is_missing_is_waited_for() {
    let mut installation = Installation::prepared(same);
    let here = installation.folder.join("module.so");
    let absent = format!("module         = \"{}\"", here.display());
    installation.reconfigure(|config| config.replace("module         = \"/usr/lib/softhsm/libsofthsm2.so\"", &absent));
    installation.start();
    let host = installation.client("host");
    health_until(&host, |health| health.state == ModuleState::Down).await;
    std::os::unix::fs::symlink("/usr/lib/softhsm/libsofthsm2.so", &here).unwrap();
    up(&host).await;
    host.pan_index(&[pan(FPAN)]).await.unwrap();
}

#[tokio::test]
async fn a_daemon_leaves_no_core_and_lets_nobody_of_its_user_look_in() {
    let installation = Installation::raised(same);
    up(&installation.client("host")).await;
    let [pid] = installation.pids()[..] else { panic!("one daemon") };
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let limits = of("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // the /proc files of a process that is not dumpable belong to root, whoever runs it
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{pid}/mem")).unwrap());
    assert_eq!(owner, 0);
    let locked = of("status").lines().find(|line| line.starts_with("VmLck")).unwrap().to_owned();
    let said = installation.read("hsmd.log");
    assert!(!locked.ends_with(" 0 kB") || said.contains("memory may be swapped"), "{locked}");
}

#[tokio::test]
async fn a_daemon_that_crashes_in_its_module_leaves_no_core_and_is_found_again() {
    let mut installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    let before = host.pan_index(&[pan(FPAN)]).await.unwrap();
    let ended = installation.crash();
    assert!(!ended.core_dumped(), "{ended:?}");
    installation.start();
    up(&host).await;
    assert_eq!(host.pan_index(&[pan(FPAN)]).await.unwrap(), before);
}

#[tokio::test]
async fn a_token_that_goes_away_and_comes_back_is_healed() {
    let installation = Installation::raised(same);
    let host = installation.client("host");
    let before = up(&host).await;
    let index = host.pan_index(&[pan(FPAN)]).await.unwrap();
    let (here, away) = (installation.folder.join("tokens"), installation.folder.join("tokens.away"));
    std::fs::rename(&here, &away).unwrap();
    health_until(&host, |health| health.state == ModuleState::Degraded).await;
    assert_eq!(host.pan_index(&[pan(FPAN)]).await.unwrap(), index, "session copies serve");
    std::fs::rename(&away, &here).unwrap();
    let after = up(&host).await;
    assert!(after.initialisations > before.initialisations);
    assert_eq!(host.pan_index(&[pan(FPAN)]).await.unwrap(), index);
}

#[tokio::test]
async fn keys_of_a_later_ceremony_are_found_on_hangup() {
    let installation = Installation::raised(same);
    let operator = installation.client("operator");
    up(&operator).await;
    let mut order = card_order(FPAN);
    order.keys = set("400099");
    let missing = operator.personalise_card(order.clone()).await.unwrap_err();
    assert_eq!(missing, HsmError::KeyMissing("pvk/400099".into()));
    installation.reconfigure(|config| {
        config.replace(r#"card_key_sets = ["400012"]"#, r#"card_key_sets = ["400012", "400099"]"#)
    });
    let said = installation.verb(&["ceremony", "--non-interactive"]);
    let new: Vec<&str> = said.lines().filter(|line| !line.ends_with("is there")).collect();
    assert_eq!(new.len(), 3, "{said}");
    installation.hang_up();
    health_until(&operator, |health| health.initialisations == 2).await;
    operator.personalise_card(order).await.unwrap();
}

#[tokio::test]
async fn only_the_users_of_a_socket_may_connect() {
    let other = nix::unistd::getuid().as_raw() + 1;
    let installation = Installation::raised(|config| {
        config.replace("[socket.switch]\nuids = []", &format!("[socket.switch]\nuids = [{other}]"))
    });
    up(&installation.client("host")).await;
    let refused = Client::new(&ClientConfig { timeout_ms: 300, ..installation.client_config("switch") });
    assert!(matches!(refused.health().await, Err(HsmError::Unavailable(_))));
    assert!(installation.read("hsmd.log").contains("user may not connect here"));
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    let socket = installation.folder.join("run/hsm-a-host.sock");
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SWYH\x02rest", b"SWYH\x01\xFF\xFF\xFF\xFF", b"SWYH\x01\x00\x00\x00\x01\x00"]
    {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        // the connection ends: at most the greeting is read, no answer, and no time-out
        let ended = stream.read_to_end(&mut answer);
        assert!(ended.is_ok() || ended.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
        assert!(answer.len() <= 6);
        host.pan_index(&[pan(FPAN)]).await.unwrap();
    }
    assert!(installation.metrics().contains("hsm_malformed_total{role=\"host\"} 4"));
}

#[test]
fn a_second_ceremony_changes_nothing() {
    let installation = Installation::prepared(same);
    let files = ["keys/ceremonies.ndjson", "keys/data-keys.json", "deliveries/zones.json", "keys/transport.component1"];
    let before: Vec<String> = files.iter().map(|file| installation.read(file)).collect();
    let said = installation.verb(&["ceremony", "--non-interactive"]);
    assert!(said.lines().count() >= 18 && said.lines().all(|line| line.ends_with("is there")), "{said}");
    let after: Vec<String> = files.iter().map(|file| installation.read(file)).collect();
    assert_eq!(before, after);
    let zones: Value = serde_json::from_str(&installation.read("deliveries/zones.json")).unwrap();
    let transport = outside::transport_key(&installation.folder.join("keys"));
    let names: Vec<Value> = zones["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| outside::open(&transport, "zones", item.as_str().unwrap())["name"].clone())
        .collect();
    assert_eq!(names, ["acquirer-ascii", "issuer-510051"]);
    // the check value lets the addressee see that it combined the right components
    let zero = {
        use cmac::{Cmac, Mac as _};
        let mut mac = <Cmac<aes::Aes256> as cmac::Mac>::new_from_slice(&transport).unwrap();
        mac.update(&[0; 16]);
        mac.finalize().into_bytes()
    };
    assert_eq!(outside::unhex(zones["transport_kcv"].as_str().unwrap()), zero[..3]);
}

#[test]
fn one_component_twice_is_refused() {
    let installation = Installation::prepared(|config| config);
    let second = installation.folder.join("keys/transport.component2");
    std::fs::copy(installation.folder.join("keys/transport.component1"), &second).unwrap();
    let output = installation.try_verb(&["ceremony", "--non-interactive"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("same component"), "{said}");
}

#[test]
fn nothing_secret_lies_on_the_disk() {
    let installation = Installation::prepared(same);
    let terminals = terminals(&installation);
    let transport = outside::transport_key(&installation.folder.join("keys"));
    let mut found = Vec::new();
    let secrets = [&transport, &terminals[0].tpk, &terminals[0].tak, &terminals[1].tak];
    let mut folders = vec![installation.folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            for secret in secrets {
                let hex: String = secret.iter().map(|b| format!("{b:02X}")).collect();
                let text = String::from_utf8_lossy(&content).to_uppercase();
                if text.contains(&hex) || content.windows(secret.len()).any(|w| w == secret.as_slice()) {
                    found.push(path.clone());
                }
            }
        }
    }
    assert_eq!(found, Vec::<std::path::PathBuf>::new());
}
