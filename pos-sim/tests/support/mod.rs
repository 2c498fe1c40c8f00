//! A stand-in for everything behind the listeners: it answers over real TCP and approves by a rule that a test gives.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use bytes::{Bytes, BytesMut};
use codecs::frame::{Frame, Framing};
use codecs::value::{ApprovalCode, Mac, MonthDay, Opaque, ResponseCode, Rrn};
use codecs::{Builder, Dialect, Message, de, mac};
use futures::{SinkExt, StreamExt};
use pos_sim::crypto::AesKey;
use pos_sim::crypto::key::{hex, unhex};
use pos_sim::crypto::mac::aes_cmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::codec::Framed;

pub const BUSINESS_DATE: MonthDay = MonthDay { month: 11, day: 20 };
pub const TAK: &str = "000102030405060708090A0B0C0D0E0F";
pub const TPK: &str = "0123456789ABCDEFFEDCBA9876543210";

pub const ZONE_KEY: &str = "89ABCDEF0123456776543210FEDCBA98";

pub fn dialect(name: &str) -> Arc<Dialect> {
    codecs::dialect::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/dialects")), name).unwrap()
}

/// Reaction of the stand-in to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    Answer(ResponseCode),
    /// Approves, but the code of the answer is wrong.
    BadMac,
    NoAnswer,
    /// Closes the connection.
    Hang,
    /// Answers after so many milliseconds.
    Late(u64),
}

type Rule = Box<dyn FnMut(&Message) -> Reaction + Send>;

pub struct StandIn {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Message>>>,
}

impl StandIn {
    /// Listens in a dialect and framing; with `key` it makes and checks codes as a terminal listener does.
    pub async fn start(dialect: Arc<Dialect>, framing: &str, key: Option<AesKey>, rule: Rule) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (seen_by_task, rule, framing) =
            (Arc::clone(&seen), Arc::new(Mutex::new(rule)), Framing::named(framing).unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (dialect, seen, rule) = (Arc::clone(&dialect), Arc::clone(&seen_by_task), Arc::clone(&rule));
                let (key, codec) = (key.clone(), framing.codec(60_000));
                tokio::spawn(async move {
                    let (mut sink, mut frames) = Framed::new(stream, codec).split();
                    while let Some(Ok(Frame::Message(framed))) = frames.next().await {
                        let request = Message::decode(&dialect, framed.body.clone()).unwrap();
                        if let Some(key) = &key {
                            let (covered, code) = mac::covered(&request).unwrap().expect("every message has a code");
                            assert_eq!(code.0, aes_cmac(key, covered)[..8]);
                        }
                        seen.lock().unwrap().push(request.clone());
                        let reaction = (rule.lock().unwrap())(&request);
                        let (code, key) = match reaction {
                            Reaction::Answer(code) => (code, key.clone()),
                            Reaction::BadMac => (ResponseCode::APPROVED, Some(AesKey::new(vec![9; 16]).unwrap())),
                            Reaction::NoAnswer => continue,
                            Reaction::Hang => break,
                            Reaction::Late(ms) => {
                                tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
                                (ResponseCode::APPROVED, key.clone())
                            }
                        };
                        let body = answer(&request, code, key.as_ref());
                        sink.send(Frame::Message(framed.answer(body))).await.unwrap();
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub fn seen(&self) -> Vec<Message> {
        self.seen.lock().unwrap().clone()
    }

    pub fn mtis(&self) -> Vec<String> {
        self.seen().iter().map(|message| message.mti().as_str().to_owned()).collect()
    }
}

fn answer(request: &Message, code: ResponseCode, key: Option<&AesKey>) -> Bytes {
    let mut b = Builder::answer_to(request);
    b.copy::<de::ProcessingCode>(request)
        .copy::<de::Amount>(request)
        .copy::<de::TransmissionTime>(request)
        .copy::<de::Stan>(request)
        .copy::<de::LocalTime>(request)
        .copy::<de::LocalDate>(request)
        .copy::<de::TerminalId>(request)
        .copy::<de::MerchantId>(request)
        .copy::<de::Currency>(request)
        .copy::<de::NetworkManagementCode>(request)
        .put::<de::SettlementDate>(BUSINESS_DATE)
        .put::<de::ResponseCode>(code);
    match request.get::<de::Rrn>().unwrap() {
        Some(rrn) => b.put::<de::Rrn>(rrn),
        None => b.put::<de::Rrn>(Rrn::new("632400000001").unwrap()),
    };
    if code.is_approval() {
        b.put::<de::ApprovalCode>(ApprovalCode::new("A00001").unwrap());
        b.put::<de::LifeCycleId>(Opaque::text("SWY000000000001"));
    }
    let Some(key) = key else { return b.encode().unwrap() };
    b.reserve_mac();
    let mut encoded = BytesMut::new();
    b.encode_into(&mut encoded).unwrap();
    let code = aes_cmac(key, mac::covered_of_encoded(&encoded, request.dialect()));
    mac::set(&mut encoded, request.dialect(), Mac(code[..8].try_into().unwrap()));
    encoded.freeze()
}

/// A folder of its own for a test, removed with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pos-sim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.file(name), text).unwrap();
        self.file(name)
    }

    /// The parsed lines of a terminal log in this folder.
    pub fn log(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The two components of the transport key, and the key.
pub const COMPONENT_1: &str = "1111111111111111222222222222222233333333333333334444444444444444";
pub const COMPONENT_2: &str = "A5A5A5A5A5A5A5A55A5A5A5A5A5A5A5AC3C3C3C3C3C3C3C33C3C3C3C3C3C3C3C";

pub fn transport_key() -> AesKey {
    let bytes = |text| unhex(text).unwrap();
    AesKey::new(bytes(COMPONENT_1).iter().zip(bytes(COMPONENT_2)).map(|(a, b)| a ^ b).collect()).unwrap()
}

/// A delivery file as the issuer's security module makes it.
pub fn sealed(kind: &str, items: &[Value]) -> Value {
    let key: Vec<u8> =
        unhex(COMPONENT_1).unwrap().iter().zip(unhex(COMPONENT_2).unwrap()).map(|(a, b)| a ^ b).collect();
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    let seal = |(number, item): (usize, &Value)| {
        let nonce = [u8::try_from(number).unwrap(); 12];
        let plain = item.to_string();
        let payload = Payload { msg: plain.as_bytes(), aad: kind.as_bytes() };
        let sealed = cipher.encrypt(Nonce::from_slice(&nonce), payload).unwrap();
        format!("{}{}", hex(&nonce), hex(&sealed))
    };
    let items: Vec<String> = items.iter().enumerate().map(seal).collect();
    json!({"kind": kind, "transport_kcv": transport_key().check_value_cmac(), "items": items})
}

pub fn card(note: &str, number: u32) -> Value {
    let mut digits = format!("400012{number:09}");
    digits.push(char::from(codecs::value::luhn_digit(digits.as_bytes())));
    json!({
        "pan": digits, "expiry": "2912", "psn": 1, "service_code": "201", "pin": "4711", "cvv": "123", "icvv": "456",
        "cvv2": "789", "udk_ac": "404142434445464748494A4B4C4D4E4F", "note": note, "balance_minor": 100_000, "currency": 978,
    })
}

pub fn wallet(note: &str) -> Value {
    json!({"dpan": "4000129000000013", "expiry": "2912", "psn": 2, "udk_ac": "505152535455565758595A5B5C5D5E5F", "card_note": note})
}

pub fn terminal(id: &str) -> Value {
    json!({"terminal": id, "merchant": "SWYD00000000001", "mcc": "5999", "tpk": TPK, "tak": TAK, "mac": "aes-cmac"})
}

pub fn zone(name: &str) -> Value {
    json!({"name": name, "zpk": ZONE_KEY})
}

/// Components and deliveries for a small world.
pub fn deliver(folder: &Folder) {
    folder.write("component1", COMPONENT_1);
    folder.write("component2", COMPONENT_2);
    folder.write("cards.json", &sealed("cards", &[card("everyday", 1), card("second", 2)]).to_string());
    folder.write("wallets.json", &sealed("wallets", &[wallet("everyday")]).to_string());
    folder.write("terminals.json", &sealed("terminals", &[terminal("T0000001"), terminal("T0000002")]).to_string());
    folder.write("zones.json", &sealed("zones", &[zone("acquirer-ascii"), zone("issuer-510051")]).to_string());
    folder.write("terminal-orders.json", "[]");
}

/// A small world whose terminals and acquirer reach these addresses.
pub async fn world(
    folder: &Folder,
    terminals: SocketAddr,
    acquirer: SocketAddr,
    edits: &[(&str, &str)],
) -> pos_sim::world::World {
    deliver(folder);
    let mut text = include_str!("../../../config/pos-sim.toml").to_owned();
    let dialects = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/dialects");
    let path = |name: &str| folder.file(name).display().to_string();
    let all = [
        ("\"config/dialects\"", format!("\"{dialects}\"")),
        ("state/terminal-log.ndjson", path("terminal-log.ndjson")),
        ("state/keys/transport.component1", path("component1")),
        ("state/keys/transport.component2", path("component2")),
        ("state/deliveries", folder.0.display().to_string()),
        ("127.0.0.1:8583", terminals.to_string()),
        ("127.0.0.1:8584", acquirer.to_string()),
        ("127.0.0.1:8591", "127.0.0.1:0".to_owned()),
    ];
    let edits = edits.iter().map(|(from, to)| (*from, (*to).to_owned()));
    for (from, to) in all.into_iter().chain(edits) {
        assert!(text.contains(from), "{from} is not in the example");
        text = text.replace(from, &to);
    }
    let config = pos_sim::config::Config::parse(&text, Path::new("pos-sim.toml")).unwrap();
    pos_sim::world::World::open(&config).await.unwrap()
}
