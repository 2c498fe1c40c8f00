//! Keys are rotated, one every few seconds, while callers go on: PINs from terminal to verdict, MACs of terminals and of a zone
//! whose partner changes its key too, envelopes, seals, data keys. Every answer is compared with the known right one; some
//! requests are forged.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecs::value::{Mac, Pan, PinBlock};
use hsm::*;
use serde_json::{Value, json};

use crate::installation::{Installation, up};
use crate::outside;
use crate::traffic::{PAN, card_order};

const LANES: u64 = 16;
/// The keys to rotate, one at a time in this order.
const EVERY: Duration = Duration::from_secs(5);
const ROUND: [&str; 10] = [
    "zpk/host",
    "storage",
    "zpk/host",
    "zak/partner",
    "vault",
    "zpk/host",
    "data-kek",
    "zak/partner",
    "audit",
    "vault",
];
/// Seconds until a new generation is current; the daemons look for it once a second, and reopen one after the other.
const LEAD_S: u64 = 3;
const MESSAGE: &[u8; 24] = b"0200 a message in blocks";

/// Results of calls, by kind of request.
#[derive(Default)]
struct Tally {
    answers: BTreeMap<&'static str, u64>,
    false_declines: BTreeMap<&'static str, u64>,
    false_approvals: BTreeMap<&'static str, u64>,
    without_answer: BTreeMap<String, u64>,
}

/// The keys in use, and the clients that use them. The blocks change when the switch reads its file again, the partner's key when
/// the partner changes to the new generation.
struct RotatedKeys {
    host: Client,
    switch: Client,
    pan: Pan,
    pvv: Pvv,
    right: String,
    wrong: String,
    tpk: Vec<u8>,
    tak: Vec<u8>,
    blocks: Mutex<(KeyBlock, KeyBlock)>,
    partner: Mutex<Partner>,
    pending: DataKey,
    tally: Mutex<Tally>,
    over: AtomicBool,
    calls: AtomicU64,
}

/// The partner of a zone: makes MACs under one key, and takes them under the one before as well.
struct Partner {
    uses: Vec<u8>,
    takes: Vec<Vec<u8>>,
}

enum CallResult {
    /// As expected.
    Right,
    /// A right PIN or MAC, or an envelope or a seal of ours, that was not recognised.
    FalseDecline,
    /// A forged one that was.
    FalseApproval,
}

/// State that one caller keeps between calls.
struct CallerState {
    envelope: (PanEnvelope, Vec<u8>),
    head: Vec<u8>,
    seal: AuditSeal,
}

/// Rotates so many times under load.
pub async fn rotations(times: u32) -> Value {
    let mut installation = Installation::prepared(|config| config);
    let first = zone_mac_key(1);
    load_zone_mac_key(&installation, &first, &[]);
    installation.start();
    installation.start_second();
    for daemon in [installation.client("host"), installation.second_client("host")] {
        up(&daemon).await;
    }
    let keys = Arc::new(RotatedKeys::prepare(&installation, first).await);
    // a PVV of four digits takes one PIN in ten thousand that is not the card's
    assert!(matches!(keys.pin(&keys.wrong, PinOutcome::Wrong).await, Ok(CallResult::Right)), "start again");
    let lanes: Vec<_> = (0..LANES).map(|lane| tokio::spawn(lane_of(Arc::clone(&keys), lane))).collect();
    let begun = Instant::now();
    let mut done: BTreeMap<&str, u8> = BTreeMap::new();
    let mut retired = 0;
    for number in 0..times {
        let name = ROUND[number as usize % ROUND.len()];
        let next = Instant::now() + EVERY;
        let generation = done.get(name).copied().unwrap_or(1) + 1;
        rotate(&installation, &keys, name, generation).await;
        done.insert(name, generation);
        retired += u32::from(retire(&installation, name, generation));
        tokio::time::sleep(next.saturating_duration_since(Instant::now())).await;
    }
    // the last generation has to become current as well
    tokio::time::sleep(Duration::from_secs(LEAD_S + 2)).await;
    keys.over.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await.unwrap();
    }
    let openings = installation.client("host").health().await.unwrap().initialisations;
    let tally = keys.tally.lock().unwrap();
    let sum = |counts: &BTreeMap<&'static str, u64>| counts.values().sum::<u64>();
    json!({
        "seconds": begun.elapsed().as_secs(),
        "rotations": times,
        "newest_generation": done,
        "retired": retired,
        "openings_of_the_first": openings,
        "answers": sum(&tally.answers),
        "answers_by_kind": tally.answers,
        "false_declines": sum(&tally.false_declines),
        "false_declines_by_kind": tally.false_declines,
        "false_approvals": sum(&tally.false_approvals),
        "without_answer": tally.without_answer,
    })
}

async fn rotate(installation: &Installation, keys: &RotatedKeys, name: &str, generation: u8) {
    let lead = LEAD_S.to_string();
    let into_use = Duration::from_secs(LEAD_S) + Duration::from_millis(500);
    match name {
        "zak/partner" => {
            let key = zone_mac_key(generation);
            load_zone_mac_key(installation, &key, &["--next", "--lead-s", &lead]);
            // the partner accepts both generations at once, and changes to the new one at a time of its own
            keys.partner.lock().unwrap().takes.insert(0, key.clone());
            tokio::time::sleep(into_use).await;
            let mut partner = keys.partner.lock().unwrap();
            partner.uses = key;
            partner.takes.truncate(2);
        }
        "storage" | "data-kek" => {
            installation.verb(&["rotate", name, "--lead-s", &lead]);
            tokio::time::sleep(into_use).await;
            installation.verb(&["rewrap"]);
            *keys.blocks.lock().unwrap() = blocks(installation);
        }
        _ => drop(installation.verb(&["rotate", name, "--lead-s", &lead])),
    }
}

/// Retires the first of three generations of a key; the audit key's are kept, because seals are.
fn retire(installation: &Installation, name: &str, generation: u8) -> bool {
    let goes = generation >= 3 && name != "audit";
    if goes {
        installation.verb(&["retire", name, &(generation - 2).to_string()]);
    }
    goes
}

async fn lane_of(keys: Arc<RotatedKeys>, lane: u64) {
    let mut kept = keys.keep(lane).await;
    let mut number = lane;
    while !keys.over.load(Ordering::Relaxed) {
        let (kind, met) = keys.call(&mut kept, number).await;
        keys.count(kind, met);
        number += 1;
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
}

impl RotatedKeys {
    async fn prepare(installation: &Installation, first: Vec<u8>) -> Self {
        let (host, switch, operator) = (
            installation.client_of_both("host"),
            installation.client_of_both("switch"),
            installation.client("operator"),
        );
        let transport = outside::transport_key(&installation.folder.join("keys"));
        let orders = r#"[{"terminal":"T0000001","merchant":"SWYD00000000001","mcc":"5411","mac":"aes-cmac"}]"#;
        let path = installation.folder.join("orders.json");
        std::fs::write(&path, orders).unwrap();
        installation.verb(&["terminals", "--orders", path.to_str().unwrap()]);
        let delivery: DeliveryFile = serde_json::from_str(&installation.read("deliveries/terminals.json")).unwrap();
        let terminal = outside::open(&transport, "terminals", &delivery.items[0].0);
        let pan = Pan::from_digits(PAN.as_bytes()).unwrap();
        let card = operator.personalise_card(card_order(&pan)).await.unwrap();
        let item = outside::open(&transport, "cards", &card.delivery.0);
        let right = item["pin"].as_str().unwrap().to_owned();
        let wrong = if right == "0000" { "1111".to_owned() } else { "0000".to_owned() };
        Self {
            pending: switch.data_key("switch-pending").await.unwrap(),
            host,
            switch,
            pan,
            pvv: card.pvv,
            right,
            wrong,
            tpk: outside::unhex(terminal["tpk"].as_str().unwrap()),
            tak: outside::unhex(terminal["tak"].as_str().unwrap()),
            blocks: Mutex::new(blocks(installation)),
            partner: Mutex::new(Partner { takes: vec![first.clone()], uses: first }),
            tally: Mutex::default(),
            over: AtomicBool::new(false),
            calls: AtomicU64::new(0),
        }
    }

    async fn keep(&self, lane: u64) -> CallerState {
        let row = lane.to_be_bytes().to_vec();
        let envelope = self.host.tokenize(&self.pan, &row).await.unwrap().1;
        let seal = self.host.seal(&row).await.unwrap();
        CallerState { envelope: (envelope, row.clone()), head: row, seal }
    }

    async fn call(&self, kept: &mut CallerState, number: u64) -> (&'static str, Result<CallResult, HsmError>) {
        match number % 8 {
            0 => ("right PIN", self.pin(&self.right, PinOutcome::Ok).await),
            1 => ("wrong PIN", self.pin(&self.wrong, PinOutcome::Wrong).await),
            2 => ("terminal's MAC", self.terminal_mac(false).await),
            3 => ("forged terminal's MAC", self.terminal_mac(true).await),
            4 => ("envelope", self.envelope(kept).await),
            5 => ("seal", self.seal(kept).await),
            6 => ("zone's MAC", self.zone_mac_in().await),
            _ if number % 16 == 7 => ("MAC for a zone", self.zone_mac_out().await),
            _ => ("data key", self.data_key().await),
        }
    }

    fn count(&self, kind: &'static str, met: Result<CallResult, HsmError>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut tally = self.tally.lock().unwrap();
        match met {
            Ok(met) => {
                *tally.answers.entry(kind).or_default() += 1;
                match met {
                    CallResult::Right => {}
                    CallResult::FalseDecline => *tally.false_declines.entry(kind).or_default() += 1,
                    CallResult::FalseApproval => *tally.false_approvals.entry(kind).or_default() += 1,
                }
            }
            Err(error) => *tally.without_answer.entry(format!("{kind}: {error}")).or_default() += 1,
        }
    }

    async fn pin(&self, pin: &str, expected: PinOutcome) -> Result<CallResult, HsmError> {
        let from = PinKey::Terminal(self.blocks.lock().unwrap().0.clone());
        let translation = PinTranslation {
            from,
            from_format: PinFormat::Iso0,
            block: PinBlock::new(&outside::pin_block(&self.tpk, pin, PAN)).unwrap(),
            pan: self.pan.clone(),
            to: PinKey::Zone(KeyName::zone_pin("host").unwrap()),
            to_format: PinFormat::Iso0,
        };
        let verdict = self.switch.edge(EdgeCheck { mac: None, pin: Some(translation) }).await?;
        let Some(TranslationOutcome::Translated(block)) = verdict.pin else { return Ok(CallResult::FalseDecline) };
        let reference = PinReference::Pvv { pvv: self.pvv.clone(), pvki: 6 };
        let check = CardCheck {
            presented: self.pan.clone(),
            funding: None,
            issuer_keys: KeySet::new("400012").unwrap(),
            code: None,
            pin: Some(PinCheck { block, zone_key: KeyName::zone_pin("host").unwrap(), reference }),
            chip: None,
        };
        Ok(match self.host.check_card(check).await?.pin {
            Some(outcome) if outcome == expected => CallResult::Right,
            Some(PinOutcome::Ok) => CallResult::FalseApproval,
            // a wrong PIN that is called a broken block is a false decline too: it would raise the alarm of wrong keys
            _ => CallResult::FalseDecline,
        })
    }

    async fn terminal_mac(&self, is_forged: bool) -> Result<CallResult, HsmError> {
        let key = MacKey::Terminal(self.blocks.lock().unwrap().1.clone());
        let mac = *outside::cmac(&self.tak, MESSAGE).first_chunk().unwrap();
        self.checked(key, mac, is_forged).await
    }

    async fn zone_mac_in(&self) -> Result<CallResult, HsmError> {
        let mac = outside::retail_mac(&self.partner.lock().unwrap().uses, MESSAGE);
        self.checked(zone(), mac, false).await
    }

    async fn checked(&self, key: MacKey, mut mac: [u8; 8], is_forged: bool) -> Result<CallResult, HsmError> {
        mac[5] ^= u8::from(is_forged);
        let check = MacCheck { key, data: MESSAGE.as_slice().into(), mac: Mac(mac) };
        Ok(match (self.switch.edge(EdgeCheck { mac: Some(check), pin: None }).await?.mac, is_forged) {
            (Some(MacOutcome::Ok), false) | (Some(MacOutcome::Wrong), true) => CallResult::Right,
            (_, false) => CallResult::FalseDecline,
            (_, true) => CallResult::FalseApproval,
        })
    }

    async fn zone_mac_out(&self) -> Result<CallResult, HsmError> {
        let made = self.switch.mac(zone(), MESSAGE).await?.0;
        let takes = self.partner.lock().unwrap().takes.clone();
        Ok(right_if(takes.iter().any(|key| outside::retail_mac(key, MESSAGE) == made)))
    }

    /// An envelope is opened, moved to the newest generation, and opened by the next call.
    async fn envelope(&self, kept: &mut CallerState) -> Result<CallResult, HsmError> {
        let opened = self.host.reveal(std::slice::from_ref(&kept.envelope)).await?;
        if opened != [Some(self.pan.clone())] {
            return Ok(CallResult::FalseDecline);
        }
        match self.host.reseal(std::slice::from_ref(&kept.envelope)).await?.pop().flatten() {
            Some(moved) => {
                kept.envelope.0 = moved;
                Ok(CallResult::Right)
            }
            None => Ok(CallResult::FalseDecline),
        }
    }

    /// The seal of the head before is checked, and the next head sealed.
    async fn seal(&self, kept: &mut CallerState) -> Result<CallResult, HsmError> {
        let outcome = self.host.check_seal(&kept.head, &kept.seal).await?;
        let head = self.calls.load(Ordering::Relaxed).to_be_bytes().to_vec();
        kept.seal = self.host.seal(&head).await?;
        kept.head = head;
        Ok(right_if(outcome == MacOutcome::Ok))
    }

    async fn data_key(&self) -> Result<CallResult, HsmError> {
        Ok(right_if(self.switch.data_key("switch-pending").await?.expose() == self.pending.expose()))
    }
}

fn right_if(holds: bool) -> CallResult {
    if holds { CallResult::Right } else { CallResult::FalseDecline }
}

fn zone() -> MacKey {
    MacKey::Named(KeyName::new("zak/partner").unwrap())
}

/// The partner's key of this generation: halves differ, parity is odd.
fn zone_mac_key(generation: u8) -> Vec<u8> {
    (0..16_u8).map(|n| odd(n.wrapping_mul(14) ^ generation.wrapping_mul(2) ^ 0xC4)).collect()
}

fn odd(byte: u8) -> u8 {
    byte & 0xFE | u8::from((byte & 0xFE).count_ones().is_multiple_of(2))
}

fn load_zone_mac_key(installation: &Installation, key: &[u8], more: &[&str]) {
    let one: Vec<u8> = (0..16_u8).map(|n| odd(n * 11 + 3)).collect();
    let other: Vec<u8> = key.iter().zip(&one).map(|(byte, mask)| odd(byte ^ mask)).collect();
    let parts = [("anna", one), ("ben", other)].map(|(who, part)| {
        let path = installation.folder.join(format!("zak-{who}"));
        std::fs::write(&path, part.iter().map(|byte| format!("{byte:02X}")).collect::<String>()).unwrap();
        format!("--component={who}={}", path.display())
    });
    let mut arguments = vec!["load", "zak/partner", &parts[0], &parts[1]];
    arguments.extend(more);
    installation.verb(&arguments);
}

/// The terminal's blocks as the switch's file has them now: TPK and TAK.
fn blocks(installation: &Installation) -> (KeyBlock, KeyBlock) {
    let rows: Vec<TerminalKeyRow> = serde_json::from_str(&installation.read("terminals.keys.json")).unwrap();
    let block = |text: &str| KeyBlock::from_bytes(&outside::unhex(text)).unwrap();
    (block(&rows[0].tpk_block), block(&rows[0].tak_block))
}
