//! New generations of keys that wrap, seal and authenticate, while daemons serve.
use std::time::{Duration, Instant};

use hsm::*;

use crate::installation::{Installation, up};
use crate::{FPAN, card_order, edge, outside, read, same, set, terminals};

fn name(text: &str) -> KeyName {
    KeyName::new(text).unwrap()
}

fn refused(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.try_verb(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
}

/// Repeats a check until it holds, for fifteen seconds at most.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(15), "still not {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Checks a condition that must hold until `lead_s` seconds after an act, as long as that time has not passed. Times are in whole
/// seconds.
fn before(begun: Instant, lead_s: u64, holds: bool) {
    assert!(holds || begun.elapsed() >= Duration::from_secs(lead_s - 1), "before its time");
}

/// A retired key is gone when the daemon has reopened its module.
async fn reopened(client: &Client, before: u64) {
    until("opened anew", || async { client.health().await.unwrap().initialisations > before }).await;
}

async fn openings(client: &Client) -> u64 {
    client.health().await.unwrap().initialisations
}

fn rows(installation: &Installation) -> Vec<(KeyBlock, KeyBlock)> {
    let rows: Vec<TerminalKeyRow> = serde_json::from_str(&installation.read("terminals.keys.json")).unwrap();
    let block = |text: &str| KeyBlock::from_bytes(&outside::unhex(text)).unwrap();
    rows.iter().map(|row| (block(&row.tpk_block), block(&row.tak_block))).collect()
}

#[tokio::test]
async fn storage_keys_are_rotated_and_terminals_move_over() {
    let installation = Installation::raised(same);
    let (switch, operator) = (installation.client("switch"), installation.client("operator"));
    up(&switch).await;
    let mut terminals = terminals(&installation);
    let message = b"0200 message";
    let mut expected = Vec::new();
    for terminal in &terminals {
        expected.push(switch.mac(MacKey::Terminal(terminal.tak_block.clone()), message).await.unwrap());
    }
    assert!(
        refused(&installation, &["rotate", "storage/mac-x919"]).contains("its next generation"),
        "they go together"
    );
    let begun = Instant::now();
    let said = installation.verb(&["rotate", "storage", "--lead-s", "3"]);
    assert_eq!(said.lines().filter(|line| line.contains(".g2 ")).count(), 5, "{said}");
    // once the new generation's time has come, envelopes and seals are made under it
    let order = |n: u8| TerminalOrder {
        terminal: format!("T900000{n}"),
        merchant: "SWYD00000000001".into(),
        mcc: "5411".into(),
        mac: MacAlgorithm::X919,
    };
    before(begun, 3, operator.terminal_keys(order(1)).await.unwrap().tpk.generation() == 1);
    until("wrapped under the second", || async {
        operator.terminal_keys(order(2)).await.unwrap().tak.generation() == 2
    })
    .await;
    // both open
    let under_new = operator.terminal_keys(order(3)).await.unwrap();
    switch.mac(MacKey::Terminal(under_new.tak), message).await.unwrap();
    for (terminal, mac) in terminals.iter().zip(&expected) {
        assert_eq!(switch.mac(MacKey::Terminal(terminal.tak_block.clone()), message).await.unwrap().0, mac.0);
    }

    // the switch's file moves over, and is not touched a second time
    assert!(refused(&installation, &["retire", "storage", "1"]).contains("rewrap first"));
    assert!(installation.verb(&["rewrap"]).contains("2 terminals, 0 data keys"));
    let moved = installation.read("terminals.keys.json");
    assert!(installation.verb(&["rewrap"]).contains("0 terminals, 0 data keys"));
    assert_eq!(installation.read("terminals.keys.json"), moved);
    let opened = openings(&switch).await;
    assert!(refused(&installation, &["retire", "storage/pin-des", "1"]).contains("together"));
    installation.verb(&["retire", "storage", "1"]);
    reopened(&switch, opened).await;
    for ((terminal, mac), (tpk, tak)) in terminals.iter_mut().zip(&expected).zip(rows(&installation)) {
        let old = std::mem::replace(&mut terminal.tak_block, tak);
        terminal.tpk_block = tpk;
        assert_eq!(terminal.tak_block.generation(), 2);
        assert_eq!(switch.mac(MacKey::Terminal(terminal.tak_block.clone()), message).await.unwrap().0, mac.0);
        let gone = switch.mac(MacKey::Terminal(old), message).await;
        assert!(matches!(gone, Err(HsmError::KeyMissing(_))), "{gone:?}");
    }
    let mac = codecs::value::Mac(*outside::cmac(&terminals[0].tak, message).first_chunk().unwrap());
    let verdict = switch.edge(edge(&terminals[0], mac, "1234", FPAN)).await.unwrap();
    assert!(matches!(verdict.pin, Some(TranslationOutcome::Translated(_))), "{verdict:?}");
    // an envelope of the destroyed first generation opens under no other, even with its number changed
    let mut bytes = terminals[0].tak_block.to_bytes();
    bytes[1] = 3;
    let third = switch.mac(MacKey::Terminal(KeyBlock::from_bytes(&bytes).unwrap()), message).await;
    assert!(matches!(third, Err(HsmError::KeyMissing(_))), "{third:?}");
    // a ceremony does not make the retired generation anew
    assert!(!installation.verb(&["ceremony", "--non-interactive"]).lines().any(|line| !line.ends_with("is there")));
}

/// A rewrapping that was killed continues at the next run, with rows under both generations.
#[tokio::test]
async fn a_rewrapping_goes_on_where_it_was_stopped() {
    let installation = Installation::raised(same);
    up(&installation.client("switch")).await;
    terminals(&installation);
    let before: Vec<TerminalKeyRow> = serde_json::from_str(&installation.read("terminals.keys.json")).unwrap();
    installation.verb(&["rotate", "storage", "--lead-s", "0"]);
    installation.verb(&["rewrap"]);
    let mut rows: Vec<TerminalKeyRow> = serde_json::from_str(&installation.read("terminals.keys.json")).unwrap();
    // the file as a rewrapping leaves it that was killed half-way, even within one terminal's row
    rows[1].tak_block.clone_from(&before[1].tak_block);
    std::fs::write(installation.folder.join("terminals.keys.json"), serde_json::to_vec(&rows).unwrap()).unwrap();
    assert!(installation.verb(&["rewrap"]).contains("1 terminals"));
    assert!(self::rows(&installation).iter().all(|(tpk, tak)| (tpk.generation(), tak.generation()) == (2, 2)));
    // an unreadable block stops it, and nothing is lost
    rows[0].tpk_block = "00".into();
    let text = serde_json::to_string(&rows).unwrap();
    std::fs::write(installation.folder.join("terminals.keys.json"), &text).unwrap();
    assert!(refused(&installation, &["rewrap"]).contains("no key blocks"));
    assert_eq!(installation.read("terminals.keys.json"), text);
}

#[tokio::test]
async fn data_keys_stay_the_same_under_a_new_kek() {
    let installation = Installation::raised(same);
    let (switch, host) = (installation.client("switch"), installation.client("host"));
    up(&switch).await;
    let pending = switch.data_key("switch-pending").await.unwrap();
    let spool = host.data_key("host-spool").await.unwrap();
    let begun = Instant::now();
    installation.verb(&["rotate", "data-kek", "--lead-s", "3"]);
    assert!(refused(&installation, &["retire", "data-kek", "1"]).contains("data keys are still under it"));
    let early = installation.verb(&["rewrap"]);
    before(begun, 3, early.contains("0 data keys"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(early.contains("2 data keys") || installation.verb(&["rewrap"]).contains("2 data keys"));
    // there is no moment at which a program would not get its key
    for _ in 0..40 {
        assert_eq!(switch.data_key("switch-pending").await.unwrap().expose(), pending.expose());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let opened = openings(&switch).await;
    installation.verb(&["retire", "data-kek", "1"]);
    reopened(&switch, opened).await;
    assert_eq!(switch.data_key("switch-pending").await.unwrap().expose(), pending.expose());
    assert_eq!(host.data_key("host-spool").await.unwrap().expose(), spool.expose());
    let file: serde_json::Value = serde_json::from_str(&installation.read("keys/data-keys.json")).unwrap();
    assert_eq!(file["data_keys"]["switch-pending"]["generation"], 2);
}

#[tokio::test]
async fn custodians_bring_a_new_transport_key() {
    let installation = Installation::raised(same);
    let operator = installation.client("operator");
    up(&operator).await;
    let old = outside::transport_key(&installation.folder.join("keys"));
    let old_value = operator.transport_kcv().await.unwrap();
    terminals(&installation);
    assert!(refused(&installation, &["rotate", "transport"]).contains("custodians"));
    let parts: Vec<Vec<u8>> = [11_u8, 13].map(|step| (0..32).map(|n: u8| n.wrapping_mul(step) ^ 0x5A).collect()).into();
    let mut arguments = vec!["load".to_owned(), "transport".into(), "--next".into(), "--lead-s".into(), "3".into()];
    for (who, part) in ["custodian-1", "custodian-2"].iter().zip(&parts) {
        let path = installation.folder.join(format!("new-{who}"));
        std::fs::write(&path, part.iter().map(|byte| format!("{byte:02X}")).collect::<String>()).unwrap();
        arguments.push(format!("--component={who}={}", path.display()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let begun = Instant::now();
    installation.verb(&arguments);
    let new: Vec<u8> = parts[0].iter().zip(&parts[1]).map(|(one, other)| one ^ other).collect();
    let new_value = outside::long_check_value(&new);
    before(begun, 3, operator.transport_kcv().await.unwrap() == old_value);
    until("sealed under the new one", || async { operator.transport_kcv().await.unwrap() == new_value }).await;
    let card = operator.personalise_card(card_order(FPAN)).await.unwrap();
    assert_eq!(outside::open(&new, "cards", &card.delivery.0)["pan"], FPAN);
    // new deliveries are in a file beside the old one, which still opens under the old key
    let orders = installation.folder.join("more.json");
    std::fs::write(&orders, r#"[{"terminal":"T0000009","merchant":"SWYD00000000001","mcc":"5411","mac":"x9.19"}]"#)
        .unwrap();
    installation.verb(&["terminals", "--orders", orders.to_str().unwrap()]);
    let delivery = |file: &str| -> DeliveryFile { serde_json::from_str(&installation.read(file)).unwrap() };
    let (first, second) =
        (delivery("deliveries/terminals.json"), delivery(&format!("deliveries/terminals-{new_value}.json")));
    assert_eq!((first.transport_kcv, first.items.len()), (old_value, 2));
    assert_eq!(outside::open(&old, "terminals", &first.items[0].0)["terminal"], "T0000001");
    assert_eq!((second.transport_kcv.as_str(), second.items.len()), (new_value.as_str(), 1));
    assert_eq!(outside::open(&new, "terminals", &second.items[0].0)["terminal"], "T0000009");
    // either pair of components is known to a ceremony, a third is not
    assert!(!installation.verb(&["ceremony", "--non-interactive"]).lines().any(|line| !line.ends_with("is there")));
    for (n, part) in parts.iter().enumerate() {
        let text: String = part.iter().map(|byte| format!("{byte:02X}")).collect();
        std::fs::write(installation.folder.join(format!("keys/transport.component{}", n + 1)), text).unwrap();
        let known = installation.try_verb(&["ceremony", "--non-interactive"]).status.success();
        assert_eq!(known, n == 1, "one component of each is neither");
    }
    let opened = openings(&operator).await;
    installation.verb(&["retire", "transport", "1"]);
    reopened(&operator, opened).await;
    assert_eq!(operator.transport_kcv().await.unwrap(), new_value);
}

#[tokio::test]
async fn a_seal_is_checked_under_the_generation_that_made_it() {
    let mut installation = Installation::raised(same);
    let host = installation.client("host");
    up(&host).await;
    let old = host.seal(b"head 1").await.unwrap();
    assert_eq!((old.generation(), old.as_bytes().len()), (1, 8));
    installation.verb(&["rotate", "audit", "--lead-s", "1"]);
    until("sealed under the second", || async { host.seal(b"head 2").await.unwrap().generation() == 2 }).await;
    let new = host.seal(b"head 2").await.unwrap();
    for (head, seal) in [(b"head 1", &old), (b"head 2", &new)] {
        assert_eq!(host.check_seal(head, seal).await.unwrap(), MacOutcome::Ok);
        let other: &[u8] = if head == b"head 1" { b"head 2" } else { b"head 1" };
        assert_eq!(host.check_seal(other, seal).await.unwrap(), MacOutcome::Wrong);
    }
    // a seal that names another generation than its own
    let renamed = AuditSeal::from_bytes(&new.as_bytes()[1..]).unwrap();
    assert_eq!(host.check_seal(b"head 2", &renamed).await.unwrap(), MacOutcome::Wrong);
    let unknown = AuditSeal::from_bytes(&[&[9][..], old.as_bytes()].concat()).unwrap();
    assert!(matches!(host.check_seal(b"head 1", &unknown).await, Err(HsmError::KeyMissing(_))));
    assert!(refused(&installation, &["retire", "audit", "1"]).contains("as long as the books are kept"));
    // a daemon that starts later probes and seals all the same
    installation.kill();
    installation.start();
    up(&host).await;
    assert_eq!(host.check_seal(b"head 1", &old).await.unwrap(), MacOutcome::Ok);
    assert_eq!(host.seal(b"head 2").await.unwrap(), new);
}

/// A partner changes its MAC key: incoming MACs are checked under both generations, outgoing ones are made under the new one once
/// its time has come.
#[tokio::test]
async fn a_zones_mac_key_changes_over() {
    let installation = Installation::raised(same);
    let switch = installation.client("switch");
    up(&switch).await;
    // halves differ, parity is odd: 16 bytes of each generation, and components for them
    let keys: [Vec<u8>; 3] = [0x10_u8, 0x40, 0x70].map(|base| {
        (0..16_u8).map(|n| (base + n * 2) & 0xFE).map(|b| b | u8::from(b.count_ones().is_multiple_of(2))).collect()
    });
    let load = |key: &[u8], more: &[&str]| {
        let odd = |b: u8| b & 0xFE | u8::from((b & 0xFE).count_ones().is_multiple_of(2));
        let one: Vec<u8> = (0..16_u8).map(|n| odd(n * 11 + 3)).collect();
        let other: Vec<u8> = key.iter().zip(&one).map(|(a, b)| odd(a ^ b)).collect();
        let mut arguments = vec!["load".to_owned(), "zak/partner".into()];
        for (who, part) in [("anna", &one), ("ben", &other)] {
            let path = installation.folder.join(format!("zak-{who}"));
            std::fs::write(&path, part.iter().map(|byte| format!("{byte:02X}")).collect::<String>()).unwrap();
            arguments.push(format!("--component={who}={}", path.display()));
        }
        arguments.extend(more.iter().map(|more| (*more).to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        installation.verb(&arguments)
    };
    load(&keys[0], &["--check-value", &outside::check_value(&keys[0])]);
    installation.hang_up();
    let message = [5; 24];
    let sent = || switch.mac(MacKey::Named(name("zak/partner")), &message);
    let taken = |key: &[u8]| {
        let mac = codecs::value::Mac(outside::retail_mac(key, &message));
        let check = MacCheck { key: MacKey::Named(name("zak/partner")), data: message.to_vec().into(), mac };
        let switch = switch.clone();
        async move { switch.edge(EdgeCheck { mac: Some(check), pin: None }).await.map(|verdict| verdict.mac) }
    };
    until("found", || async { taken(&keys[0]).await == Ok(Some(MacOutcome::Ok)) }).await;
    assert_eq!(taken(&keys[1]).await, Ok(Some(MacOutcome::Wrong)));

    let begun = Instant::now();
    load(&keys[1], &["--next", "--lead-s", "4"]);
    until("accepted", || async { taken(&keys[1]).await == Ok(Some(MacOutcome::Ok)) }).await;
    before(begun, 4, sent().await.unwrap().0 == outside::retail_mac(&keys[0], &message));
    assert_eq!(taken(&keys[0]).await, Ok(Some(MacOutcome::Ok)));
    until("made under the new one", || async { sent().await.unwrap().0 == outside::retail_mac(&keys[1], &message) })
        .await;
    assert_eq!(taken(&keys[0]).await, Ok(Some(MacOutcome::Ok)), "the partner may be late");
    assert_eq!(taken(&keys[2]).await, Ok(Some(MacOutcome::Wrong)));
    installation.verb(&["retire", "zak/partner", "1"]);
    until("refused", || async { taken(&keys[0]).await == Ok(Some(MacOutcome::Wrong)) }).await;
    assert_eq!(taken(&keys[1]).await, Ok(Some(MacOutcome::Ok)));
    let listed = installation.verb(&["list"]);
    let left: Vec<&str> = listed.lines().filter(|line| line.starts_with("zak/partner")).collect();
    assert_eq!(left.len(), 2, "the key and its companion, the first generation's gone: {listed}");
}

/// Card keys are not rotated: new cards name another key set, and cards in the field keep theirs.
#[tokio::test]
async fn cards_issued_anew_are_of_another_key_set() {
    let installation = Installation::raised(same);
    let (switch, host, operator) =
        (installation.client("switch"), installation.client("host"), installation.client("operator"));
    up(&operator).await;
    for key in ["cvk/400012", "pvk/400012", "imk-ac/400012"] {
        assert!(refused(&installation, &["rotate", key]).contains("new key set"), "{key}");
    }
    let terminal = terminals(&installation).swap_remove(0);
    let transport = outside::transport_key(&installation.folder.join("keys"));
    let mut issued = vec![(operator.personalise_card(card_order(FPAN)).await.unwrap(), "400012")];
    installation.reconfigure(|config| {
        config.replace(r#"card_key_sets = ["400012"]"#, r#"card_key_sets = ["400012", "400012-2027"]"#)
    });
    installation.verb(&["ceremony", "--non-interactive"]);
    installation.hang_up();
    let order = CardOrder { keys: set("400012-2027"), ..card_order(FPAN) };
    until("issued from the new set", || async { operator.personalise_card(order.clone()).await.is_ok() }).await;
    issued.push((operator.personalise_card(order.clone()).await.unwrap(), "400012-2027"));

    for (card, own) in &issued {
        let item = outside::open(&transport, "cards", &card.delivery.0);
        let udk = outside::unhex(item["udk_ac"].as_str().unwrap());
        let pin = item["pin"].as_str().unwrap();
        let mac = codecs::value::Mac(*outside::cmac(&terminal.tak, b"0200 message").first_chunk().unwrap());
        let verdict = switch.edge(edge(&terminal, mac, pin, FPAN)).await.unwrap();
        let Some(TranslationOutcome::Translated(block)) = verdict.pin else { panic!("{verdict:?}") };
        let mut chip = crate::chip_read(FPAN);
        let (data, cryptogram) = outside::cryptogram(&udk, 1);
        chip.chip = Some(ChipCheck { data, cryptogram, ..chip.chip.unwrap() });
        for tried in ["400012", "400012-2027"] {
            let is_own = tried == *own;
            let mut check = read(FPAN);
            check.issuer_keys = set(tried);
            let code = SecurityCode::new(item["cvv2"].as_str().unwrap().as_bytes().try_into().unwrap()).unwrap();
            let expiry = codecs::value::Expiry::new(30, 6).unwrap();
            check.code = Some(CodeCheck { read: CodeRead::Keyed, expiry, value: code });
            let coded = host.check_card(check).await.unwrap().code;
            let mut check = read(FPAN);
            check.issuer_keys = set(tried);
            let reference = PinReference::Pvv { pvv: card.pvv.clone(), pvki: card.pvki };
            check.pin = Some(PinCheck { block: block.clone(), zone_key: name("zpk/host"), reference });
            let pinned = host.check_card(check).await.unwrap().pin;
            chip.chip.as_mut().unwrap().keys = set(tried);
            let judged = host.check_card(chip.clone()).await.unwrap().chip;
            assert_eq!(matches!(judged, Some(ChipOutcome::Ok { .. })), is_own, "{own} under {tried}: {judged:?}");
            // three digits, and a PVV of four, may agree by chance: a right one must, a wrong one nearly never does
            assert!(coded == Some(CodeOutcome::Ok) || !is_own, "{own} under {tried}");
            assert!(pinned == Some(PinOutcome::Ok) || !is_own, "{own} under {tried}");
        }
    }
}
