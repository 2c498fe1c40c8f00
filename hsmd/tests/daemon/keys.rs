//! The life of keys: components, generations, backup, the record.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use hsm::*;

use crate::installation::{Installation, health_until, up};
use crate::{FPAN, card_order, edge, outside, pan, read, same, terminals};

fn write(installation: &Installation, file: &str, text: &str) -> String {
    let path = installation.folder.join(file);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn refused(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.try_verb(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
}

#[test]
fn a_key_of_components_takes_different_custodians_and_sound_components() {
    let installation = Installation::prepared(same);
    // components of a key whose check value the standard way is known: 0123456789ABCDEF FEDCBA9876543210
    let one = write(&installation, "one", "1F1F1F1F1F1F1F1F0E0E0E0E0E0E0E0E");
    let other = write(&installation, "other", "1F3D5B7997B5D3F1F1D3B597795B3D1F");
    let twin = write(&installation, "twin", "1f1f1f1f1f1f1f1f0e0e0e0e0e0e0e0e\n");
    let even = write(&installation, "even", "1F1F1F1F1F1F1F1F0E0E0E0E0E0E0E0F");
    let by = |who: &str, file: &str| format!("--component={who}={file}");
    let load = |name: &'static str, components: [String; 2], more: &[&str]| {
        let mut arguments = vec!["load", name];
        arguments.extend(components.iter().map(String::as_str));
        arguments.extend(more);
        refused(&installation, &arguments)
    };
    let said = refused(&installation, &["load", "zpk/partner", &by("anna", &one)]);
    assert!(said.contains("two or three components"), "one alone: {said}");
    let said = load("zpk/partner", [by("anna", &one), by("anna", &other)], &[]);
    assert!(said.contains("one component only"), "{said}");
    let said = load("zpk/partner", [by("anna", &one), by("ben", &twin)], &[]);
    assert!(said.contains("same component"), "{said}");
    let said = load("zpk/partner", [by("anna", &one), by("ben", &even)], &[]);
    assert!(said.contains("odd parity"), "{said}");
    let said = load("zpk/host", [by("anna", &one), by("ben", &other)], &[]);
    assert!(said.contains("never replaced"), "{said}");
    let said = load("zpk/partner", [by("anna", &one), by("ben", &other)], &["--check-value", "000000"]);
    assert!(said.contains("mistyped"), "{said}");
    let said = installation.verb(&["load", "zpk/partner", &by("anna", &one), &by("ben", &other)]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    // each component's, and the key's: 0123456789ABCDEF FEDCBA9876543210 encrypts zeros to 08D7B4…
    assert!(lines.iter().all(|line| line.split_whitespace().last().unwrap().len() == 6), "{said}");
    assert!(lines[2].starts_with("zpk/partner ") && lines[2].ends_with("08D7B4"), "{said}");
    let record = installation.verb(&["record"]);
    assert!(record.contains("component of zpk/partner") && record.contains("combined from components"), "{record}");
    assert!(installation.verb(&["list"]).contains("zpk/partner"));
}

#[test]
fn an_altered_record_is_not_accepted() {
    let installation = Installation::prepared(same);
    let record = installation.verb(&["record"]);
    assert!(record.lines().count() > 15 && record.lines().last().unwrap().starts_with("head "), "{record}");
    let text = installation.read("keys/ceremonies.ndjson");
    std::fs::write(installation.folder.join("keys/ceremonies.ndjson"), text.replacen("pan-index", "pan-indox", 1))
        .unwrap();
    assert!(refused(&installation, &["record"]).contains("altered"));
}

#[tokio::test]
async fn a_backup_brings_everything_back() {
    let mut installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    let (index, envelope) = host.tokenize(&pan(FPAN), b"row").await.unwrap();
    let backup = installation.folder.join("backup");
    // while the daemon serves
    installation.verb(&["backup", backup.to_str().unwrap()]);
    assert!(refused(&installation, &["restore", backup.to_str().unwrap()]).contains("is ever overwritten"));
    installation.kill();
    for lost in ["tokens", "keys/data-keys.json", "keys/ceremonies.ndjson"] {
        let path = installation.folder.join(lost);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    let manifest = backup.join("data-keys.json");
    let text = std::fs::read(&manifest).unwrap();
    std::fs::write(&manifest, [&text[..], b" "].concat()).unwrap();
    assert!(refused(&installation, &["restore", backup.to_str().unwrap()]).contains("not what was backed up"));
    std::fs::write(&manifest, text).unwrap();
    installation.verb(&["restore", backup.to_str().unwrap()]);
    installation.start();
    up(&host).await;
    assert_eq!(host.pan_index(&[pan(FPAN)]).await.unwrap(), [index]);
    assert_eq!(host.reveal(&[(envelope, b"row".to_vec())]).await.unwrap(), [Some(pan(FPAN))]);
}

#[tokio::test]
async fn the_vault_key_is_rotated_and_old_envelopes_move_over() {
    vault_is_rotated(&Installation::raised(same)).await;
}

pub async fn vault_is_rotated(installation: &Installation) {
    let host = installation.client("host");
    up(&host).await;
    let old = (host.tokenize(&pan(FPAN), b"row").await.unwrap().1, b"row".to_vec());
    assert_eq!(old.0.generation(), 1);
    assert!(refused(installation, &["retire", "vault", "1"]).contains("older than the one in use"));
    installation.verb(&["rotate", "vault", "--lead-s", "2"]);
    let began = std::time::Instant::now();
    let new = loop {
        let envelope = host.tokenize(&pan(FPAN), b"row").await.unwrap().1;
        if envelope.generation() == 2 {
            break (envelope, b"row".to_vec());
        }
        assert!(began.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(began.elapsed() > Duration::from_millis(500), "it is not used before every daemon has it");
    assert_eq!(host.reveal(&[old.clone(), new]).await.unwrap(), [Some(pan(FPAN)), Some(pan(FPAN))]);
    let moved = host.reseal(&[old.clone(), (old.0.clone(), b"other row".to_vec())]).await.unwrap();
    let [Some(moved), None] = &moved[..] else { panic!("{moved:?}") };
    assert_eq!(moved.generation(), 2);
    installation.verb(&["retire", "vault", "1"]);
    let before = host.health().await.unwrap().initialisations;
    health_until(&host, |health| health.initialisations > before || health.initialisations >= 3).await;
    assert_eq!(host.reveal(&[(moved.clone(), b"row".to_vec())]).await.unwrap(), [Some(pan(FPAN))]);
    assert!(matches!(host.reveal(&[old]).await, Err(HsmError::KeyMissing(_))));
    // a ceremony does not make a retired generation again
    assert!(!installation.verb(&["ceremony", "--non-interactive"]).lines().any(|line| !line.ends_with("is there")));
    let listed = installation.verb(&["list"]);
    let vault: Vec<&str> = listed.lines().filter(|line| line.starts_with("vault ")).collect();
    assert!(matches!(vault[..], [line] if line.contains(" 2 ") && line.contains("in use")), "{listed}");
}

/// PINs travel from terminal to verdict over two daemons while the key between them is rotated again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zone_key_is_rotated_under_load_without_one_false_verdict() {
    let mut installation = Installation::raised(same);
    installation.start_second();
    let (switch, host) = (installation.client_of_both("switch"), installation.client_of_both("host"));
    up(&installation.client("host")).await;
    up(&installation.second_client("host")).await;
    let terminal = Arc::new(terminals(&installation).swap_remove(0));
    let transport = outside::transport_key(&installation.folder.join("keys"));
    let card = installation.client("operator").personalise_card(card_order(FPAN)).await.unwrap();
    let item = outside::open(&transport, "cards", &card.delivery.0);
    let right = item["pin"].as_str().unwrap().to_owned();
    let (over, judged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let lanes = (0..8).map(|_| {
        let (switch, host, terminal, card) = (switch.clone(), host.clone(), Arc::clone(&terminal), card.clone());
        let (over, judged, right) = (Arc::clone(&over), Arc::clone(&judged), right.clone());
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let mac = codecs::value::Mac(*outside::cmac(&terminal.tak, b"0200 message").first_chunk().unwrap());
                let verdict = switch.edge(edge(&terminal, mac, &right, FPAN)).await.unwrap();
                let Some(TranslationOutcome::Translated(block)) = verdict.pin else { panic!("{verdict:?}") };
                let mut check = read(FPAN);
                let reference = PinReference::Pvv { pvv: card.pvv.clone(), pvki: card.pvki };
                check.pin = Some(PinCheck { block, zone_key: KeyName::zone_pin("host").unwrap(), reference });
                assert_eq!(host.check_card(check).await.unwrap().pin, Some(PinOutcome::Ok));
                judged.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    let lanes: Vec<_> = lanes.collect();
    for number in 2..=4 {
        installation.verb(&["rotate", "zpk/host", "--lead-s", "4"]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        if number == 4 {
            installation.verb(&["retire", "zpk/host", "1"]);
            installation.verb(&["retire", "zpk/host", "2"]);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await.unwrap();
    }
    assert!(judged.load(Ordering::Relaxed) > 100);
    let listed = installation.verb(&["list"]);
    let zone: Vec<&str> = listed.lines().filter(|line| line.starts_with("zpk/host ")).collect();
    assert!(matches!(zone[..], [third, fourth] if third.contains("accepted") && fourth.contains("in use")), "{listed}");
}
