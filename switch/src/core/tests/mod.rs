//! The core in virtual time: the tests are the peers, the HSM and the clock.

mod acquired;
mod advices;
mod cost;
mod day;
mod drain;
mod endings;
mod fingerprints;
mod hostile;
mod promises;
mod purchase;
mod refusals;
mod restart;
mod reversals;
mod seeds;
mod trace;
mod two_acquirers;

use super::*;
use crate::event::{
    Arrival, Ask, Command, ConnectionId, DestinationId, HsmAnswer, InFlightPermit, ListenerId, MacVerdict, PinVerdict,
    Reply, Ticket,
};
use crate::record::Record;
use bytes::Bytes;
use codecs::de::DataElement;
use codecs::originator::{KeyClass, KeyText};
use codecs::value::*;
use codecs::{Builder, Dialect, Message, Mti, de};
use fingerprints::KeptInMemory;
use hsm::{KeyBlock, MacKey, PinKey};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::OnceLock;

pub const TERMINALS: ListenerId = ListenerId(0);
pub const ACQUIRER: ListenerId = ListenerId(1);
pub const HOST: DestinationId = DestinationId(0);
pub const ISSUER: DestinationId = DestinationId(1);
pub const TERMINAL_LINE: ConnectionId = ConnectionId(10);
pub const ACQUIRER_LINE: ConnectionId = ConnectionId(20);
pub const HOST_LINE: ConnectionId = ConnectionId(30);
pub const ISSUER_LINE: ConnectionId = ConnectionId(40);
/// 2026-11-20 10:11:12 UTC.
pub const START_MS: i64 = 1_795_169_472_000;
pub const OUR_CARD: &str = "4000120000000002";
pub const FOREIGN_CARD: &str = "5100510000000006";
/// What the HSM "translates" every PIN block to.
pub const TRANSLATED: [u8; 8] = [0xEE; 8];
pub const MADE_MAC: Mac = Mac([0xAA; 8]);

/// The dialects of the shipped configuration: terminals, acquirer, host, issuer.
pub fn dialect(name: &str) -> Arc<Dialect> {
    static LOADED: OnceLock<Vec<Arc<Dialect>>> = OnceLock::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
    let names = ["iso87-binary", "iso87-ascii", "switchyard-host", "iso93-ascii"];
    let load = |name: &&str| codecs::dialect::load(&folder, name).expect("the dialect is shipped");
    let loaded = LOADED.get_or_init(|| names.iter().map(load).collect());
    Arc::clone(loaded.iter().find(|d| d.name == name).expect("one of the four"))
}

/// The dialect that a listener of the shipped configuration speaks.
pub fn listener_dialect(listener: ListenerId) -> Arc<Dialect> {
    dialect(if listener == TERMINALS { "iso87-binary" } else { "iso87-ascii" })
}

/// The dialect that a destination of the shipped configuration speaks.
pub fn destination_dialect(destination: DestinationId) -> Arc<Dialect> {
    dialect(if destination == HOST { "switchyard-host" } else { "iso93-ascii" })
}

pub fn config() -> Config {
    let shipped = include_str!("../../../../config/switch.toml");
    let roles = include_str!("../../../../config/links.toml");
    let roles = link::role::Roles::parse(roles, "links.toml").expect("the shipped file is valid");
    Config::parse(shipped, "switch.toml", roles).expect("the shipped file is valid")
}

fn key_block(usage: u8) -> KeyBlock {
    let mut bytes = vec![1, usage];
    bytes.resize(2 + 24, 0);
    KeyBlock::from_bytes(&bytes).expect("a block of the right length")
}

fn terminals() -> Terminals {
    let terminal = |n: u32| {
        let merchant = MerchantId::new(&format!("SWYD{n:011}")).expect("fifteen characters");
        let (pin_key, mac_key) = (PinKey::Terminal(key_block(1)), MacKey::Terminal(key_block(3)));
        let id = TerminalId::new(&format!("T{n:07}")).expect("eight characters");
        (id, crate::intake::Terminal { merchant, mcc: Number(5411), pin_key, mac_key })
    };
    Terminals::from_rows((1..=3).map(terminal))
}

/// The core, with everything around it played by the test.
pub struct World {
    pub core: Core,
    pub now: Now,
    /// Sent and not yet looked at, by destination.
    pub sent: HashMap<DestinationId, VecDeque<Message>>,
    /// Answers to originators, not yet looked at.
    pub answers: VecDeque<(ConnectionId, Message)>,
    /// The outboxes of destinations are full.
    pub nothing_leaves: bool,
    pub replies: Vec<Reply>,
    pub closed: Vec<ConnectionId>,
    /// The pending log.
    pub journal: Vec<Record>,
    pub fingerprints: KeptInMemory,
    /// The last record before the last [`Effect::Promise`].
    pub promised: Option<Record>,
    /// How many [`Effect::AfterSync`] the core gave.
    pub waited: u32,
    pub mac: MacVerdict,
    pub pin_format_error: bool,
    pub hsm_down: bool,
    /// The HSM keeps its questions until [`World::hsm_replies`].
    pub hsm_waits: bool,
    asked: Vec<(Ticket, Ask)>,
    /// All effects of the core since the first start.
    pub trace: trace::Trace,
}

impl World {
    /// Every link up and signed on.
    pub fn new() -> Self {
        Self::all_up(config())
    }

    /// As above, with another configuration.
    pub fn all_up(config: Config) -> Self {
        let mut world = Self::without_destinations(config, Vec::new());
        world.connect(HOST, HOST_LINE);
        world.connect(ISSUER, ISSUER_LINE);
        let sign_on = world.network_request(1);
        world.acquirer_sends(sign_on);
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        world
    }

    pub fn without_destinations(config: Config, records: Vec<Record>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the test supplies the clock")]
        let now = Now { mono: Instant::now(), wall_ms: START_MS };
        Self::at(now, config, records, KeptInMemory::default())
    }

    pub fn at(now: Now, config: Config, records: Vec<Record>, fingerprints: KeptInMemory) -> Self {
        let known = fingerprints.filter();
        Self::started(now, config, records, fingerprints, known)
    }

    /// `known` is the filter of what is in the fingerprints' files.
    pub fn started(
        now: Now,
        config: Config,
        records: Vec<Record>,
        mut fingerprints: KeptInMemory,
        known: Filter,
    ) -> Self {
        let dialects = config.destinations.iter().map(|d| dialect(&d.dialect)).collect();
        let data_key = DataKey::new([7; 32]);
        let setup = Setup { config, dialects, terminals: terminals(), data_key, known, seed: 1 };
        let mut core = Core::new(setup, now).expect("the shipped configuration");
        let mut journal = records.clone();
        for effect in core.restore(now, records) {
            match effect {
                Effect::Journal(record) => journal.push(record),
                Effect::Keep(kept) => fingerprints.keep(*kept),
                other => panic!("nothing but the journal before the links are up: {other:?}"),
            }
        }
        let mut world = Self {
            core,
            now,
            sent: HashMap::new(),
            answers: VecDeque::new(),
            nothing_leaves: false,
            replies: Vec::new(),
            closed: Vec::new(),
            journal,
            fingerprints,
            promised: None,
            waited: 0,
            mac: MacVerdict::Right,
            pin_format_error: false,
            hsm_down: false,
            hsm_waits: false,
            asked: Vec::new(),
            trace: trace::Trace::default(),
        };
        world.event(Event::OriginatorConnected(TERMINALS, TERMINAL_LINE));
        world.event(Event::OriginatorConnected(ACQUIRER, ACQUIRER_LINE));
        world
    }

    /// The same switch, killed and started again on its pending log.
    pub fn restart(self) -> Self {
        let config = self.core.config.clone();
        let mut world = Self::at(self.now, config, self.journal, self.fingerprints);
        world.trace.goes_on_from(self.trace);
        world.connect(HOST, HOST_LINE);
        world.connect(ISSUER, ISSUER_LINE);
        let sign_on = world.network_request(1);
        world.acquirer_sends(sign_on);
        world.answers.clear();
        world
    }

    pub fn event(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.core.handle(self.now, event, &mut effects);
        for effect in effects {
            self.trace.add(&effect);
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Journal(record) => self.journal.push(record),
            Effect::Promise => self.promised = self.journal.last().cloned(),
            Effect::AfterSync => self.waited += 1,
            Effect::Send { destination, key: Some(key), .. } if self.nothing_leaves => {
                self.event(Event::NotSent(destination, key));
            }
            Effect::Send { destination, body, .. } => {
                let dialect = destination_dialect(destination);
                let message = Message::decode(&dialect, body).expect("the switch sends what can be read");
                self.sent.entry(destination).or_default().push_back(message);
            }
            Effect::Answer { connection, header, body, .. } => {
                let name = if connection.0 < ACQUIRER_LINE.0 { "iso87-binary" } else { "iso87-ascii" };
                if name == "iso87-binary" {
                    assert_eq!(&header[..], b"\x60\x00\x02\x00\x01", "the TPDU is turned");
                }
                let message = Message::decode(&dialect(name), body).expect("the switch sends what can be read");
                self.answers.push_back((connection, message));
            }
            Effect::Keep(kept) => self.fingerprints.keep(*kept),
            Effect::ForgetTo(hour) => self.fingerprints.forget_to(hour),
            Effect::Find(ticket, question) => {
                let found = self.fingerprints.find(&question);
                self.event(Event::Found(ticket, found));
            }
            Effect::AskHsm(ticket, ask) if self.hsm_waits => self.asked.push((ticket, ask)),
            Effect::AskHsm(ticket, ask) => {
                let answer = self.hsm(ask);
                self.event(Event::HsmAnswered(ticket, answer));
            }
            Effect::SignedOn { .. } => {}
            Effect::Close { connection } => self.closed.push(connection),
            Effect::Reply(_, reply) => self.replies.push(reply),
        }
    }

    /// The HSM answers the question of this place among those that it keeps.
    pub fn hsm_replies(&mut self, place: usize) {
        let (ticket, ask) = self.asked.remove(place);
        let answer = self.hsm(ask);
        self.event(Event::HsmAnswered(ticket, answer));
    }

    fn hsm(&self, ask: Ask) -> HsmAnswer {
        if self.hsm_down {
            return HsmAnswer::Failed;
        }
        match ask {
            Ask::Mac { .. } => HsmAnswer::Mac(MADE_MAC),
            Ask::Edge(check) => HsmAnswer::Edge {
                mac: if check.mac.is_some() { self.mac } else { MacVerdict::NotAsked },
                pin: match check.pin {
                    None => PinVerdict::NotAsked,
                    Some(_) if self.pin_format_error => PinVerdict::FormatError,
                    Some(_) => PinVerdict::Translated(PinBlock::new(&TRANSLATED).expect("eight bytes")),
                },
            },
        }
    }

    /// Time passes; the switch wakes whenever it asked to be woken.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            let wake = self.core.next_wake().max(self.now.mono);
            let to = wake.min(end);
            let step = to - self.now.mono;
            self.now = Now { mono: to, wall_ms: self.now.wall_ms + step.as_millis() as i64 };
            self.event(Event::Tick);
            if wake >= end {
                return;
            }
            if step.is_zero() {
                // one tick handles both of two deadlines at one instant
                self.now.mono += Duration::from_nanos(1);
            }
        }
    }

    pub fn connect(&mut self, destination: DestinationId, connection: ConnectionId) {
        self.event(Event::DestinationConnected(destination, connection));
        let sign_on = self.next_sent(destination);
        self.answer_network(destination, connection, &sign_on);
        assert!(self.core.parts.destinations.is_up(destination));
    }

    pub fn answer_network(&mut self, destination: DestinationId, connection: ConnectionId, request: &Message) {
        let mut answer = Builder::answer_to(request);
        answer.copy::<de::TransmissionTime>(request).copy::<de::Stan>(request);
        match destination {
            HOST => answer.put::<de::ResponseCode>(ResponseCode::APPROVED),
            _ => answer.put::<de::v93::ActionCode>(Number(800)),
        };
        self.answer_from(destination, connection, answer);
    }

    pub fn next_sent(&mut self, destination: DestinationId) -> Message {
        self.sent.entry(destination).or_default().pop_front().expect("something was sent")
    }

    /// The next message that is no network message.
    pub fn next_business(&mut self, destination: DestinationId) -> Message {
        let sent = self.sent.entry(destination).or_default();
        sent.retain(|message| message.mti().class() != codecs::mti::Class::Network);
        sent.pop_front().expect("something was sent")
    }

    pub fn nothing_sent(&mut self, destination: DestinationId) -> bool {
        self.sent.entry(destination).or_default().is_empty()
    }

    pub fn next_answer(&mut self) -> Message {
        self.answers.pop_front().expect("an originator was answered").1
    }

    pub fn answer_code(&mut self) -> ResponseCode {
        self.next_answer().require::<de::ResponseCode>().expect("an answer has a code")
    }

    pub fn terminal_sends(&mut self, message: Builder) {
        self.arrive(TERMINALS, TERMINAL_LINE, b"\x60\x00\x01\x00\x02", message);
    }

    pub fn acquirer_sends(&mut self, message: Builder) {
        self.arrive(ACQUIRER, ACQUIRER_LINE, b"", message);
    }

    fn arrive(&mut self, listener: ListenerId, connection: ConnectionId, header: &'static [u8], message: Builder) {
        let dialect = listener_dialect(listener);
        let bytes = message.encode().expect("the test sends what can be read");
        let message = Message::decode(&dialect, bytes).expect("the test sends what can be read");
        let header = Bytes::from_static(header);
        self.event(Event::FromOriginator(Box::new(Arrival {
            listener,
            connection,
            header,
            message,
            place: InFlightPermit::default(),
        })));
    }

    pub fn answer_from(&mut self, destination: DestinationId, connection: ConnectionId, answer: Builder) {
        let dialect = destination_dialect(destination);
        let message = Message::decode(&dialect, answer.encode().expect("valid")).expect("valid");
        self.event(Event::FromDestination(destination, connection, Box::new(message)));
    }

    /// The host answers a request, with an approval code and a life-cycle id if it approves.
    pub fn host_answers(&mut self, request: &Message, code: ResponseCode) {
        let mut answer = host_answer(request, code);
        if code.is_approval() {
            answer.put::<de::ApprovalCode>(ApprovalCode::new("A1B2C3").expect("six"));
            answer.put::<de::LifeCycleId>(Opaque::text("SWYHOST00000001"));
        }
        self.answer_from(HOST, HOST_LINE, answer);
    }

    pub fn issuer_answers(&mut self, request: &Message, action: u32) {
        let mut answer = Builder::answer_to(request);
        answer.copy::<de::TransmissionTime>(request).copy::<de::Stan>(request).copy::<de::Amount>(request);
        answer.put::<de::v93::ActionCode>(Number(action));
        if action == 0 {
            answer.put::<de::ApprovalCode>(ApprovalCode::new("F00D42").expect("six"));
        }
        self.answer_from(ISSUER, ISSUER_LINE, answer);
    }

    pub fn network_request(&self, code: u32) -> Builder {
        let mut message = Builder::new(&dialect("iso87-ascii"), Mti::of(b"0800"));
        message.put::<de::TransmissionTime>(crate::now::transmission_time(START_MS));
        message.put::<de::Stan>(Stan(900_000 + code)).put::<de::NetworkManagementCode>(Number(code));
        message
    }

    /// `/owed`, as an operator sees it.
    pub fn owed(&mut self) -> serde_json::Value {
        self.event(Event::Operator(Ticket(1), Command::Owed));
        match self.replies.pop() {
            Some(Reply::Done(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    pub fn owed_count(&mut self) -> u64 {
        self.owed()["count"].as_u64().expect("a count")
    }
}

pub fn host_answer(request: &Message, code: ResponseCode) -> Builder {
    let mut answer = Builder::answer_to(request);
    answer.copy::<de::TransmissionTime>(request).copy::<de::Stan>(request).copy::<de::Amount>(request);
    answer.copy::<de::ProcessingCode>(request).put::<de::ResponseCode>(code);
    answer
}

fn time(hour: u8, minute: u8, second: u8) -> LocalTime {
    LocalTime::new(hour, minute, second).expect("a time")
}

fn money(message: &mut Builder, mti_stan: u32, minor: i64) {
    message.put::<de::ProcessingCode>(ProcessingCode::PURCHASE).put::<de::Amount>(Minor(minor));
    message.put::<de::Stan>(Stan(mti_stan)).put::<de::Currency>(Currency::EUR);
    message.put::<de::LocalTime>(time(11, 11, 12)).put::<de::LocalDate>(MonthDay::new(11, 20).expect("a date"));
    message.put::<de::ConditionCode>(Number(0)).put::<de::PosEntryMode>(PosEntryMode { entry: 5, pin: 1 });
}

/// A chip purchase with PIN at our terminal T0000001.
pub fn terminal_request(mti: &[u8; 4], stan: u32, card: &str, minor: i64) -> Builder {
    let mut message = Builder::new(&dialect("iso87-binary"), Mti::of(mti));
    money(&mut message, stan, minor);
    let track = format!("{card}=30122010000012300000");
    message.put::<de::Track2>(Track2::from_chars(track.as_bytes()).expect("a track"));
    message.put::<de::PinBlock>(PinBlock::new(&[0x11; 8]).expect("eight bytes"));
    message.put::<de::Icc>(Opaque::new(vec![0x9F, 0x36, 2, 0, 1, 0x5A, 1, 0x77]));
    at_terminal(&mut message);
    message.reserve_mac();
    message
}

pub fn at_terminal(message: &mut Builder) {
    message.put::<de::TerminalId>(TerminalId::new("T0000001").expect("eight"));
    message.put::<de::MerchantId>(MerchantId::new("SWYD00000000001").expect("fifteen"));
}

/// A terminal's reversal: DE11, 12, 13, 41, 42, 3 and 4 of the original, no card.
pub fn terminal_reversal(stan: u32, minor: i64) -> Builder {
    let mut message = Builder::new(&dialect("iso87-binary"), Mti::of(b"0400"));
    money(&mut message, stan, minor);
    at_terminal(&mut message);
    message.reserve_mac();
    message
}

/// A keyed purchase with one of our cards at a foreign acquirer's merchant.
pub fn acquirer_request(mti: &[u8; 4], stan: u32, minor: i64) -> Builder {
    let mut message = Builder::new(&dialect("iso87-ascii"), Mti::of(mti));
    money(&mut message, stan, minor);
    message.put::<de::Pan>(Pan::from_digits(OUR_CARD.as_bytes()).expect("a PAN"));
    message.put::<de::Expiry>(Expiry::new(30, 12).expect("a date"));
    message.put::<de::AdditionalData>(Opaque::text("9203123"));
    message.put::<de::TransmissionTime>(crate::now::transmission_time(START_MS));
    message.put::<de::Acquirer>(InstitutionId::new("510099").expect("digits"));
    message.put::<de::Rrn>(Rrn::new("632410000077").expect("twelve"));
    message.put::<de::TerminalId>(TerminalId::new("F0000001").expect("eight"));
    message.put::<de::MerchantId>(MerchantId::new("FACQ00000000001").expect("fifteen"));
    message
}

/// The acquirer's reversal of the purchase with `original` as STAN.
pub fn acquirer_reversal(mti: &[u8; 4], stan: u32, original: u32, minor: i64) -> Builder {
    let mut message = acquirer_request(mti, stan, minor);
    message.put::<de::ResponseCode>(ResponseCode::CUSTOMER_CANCELLED);
    message.put::<de::OriginalData>(OriginalData {
        mti: Mti::of(b"0200"),
        stan: Stan(original),
        transmitted: Some(crate::now::transmission_time(START_MS)),
        acquirer: InstitutionId::new("510099"),
        forwarder: None,
    });
    message
}

pub fn text<E: DataElement>(message: &Message) -> String {
    let field = message.field(E::NUMBER);
    field.map_or_else(String::new, |field| String::from_utf8_lossy(&field.content()).into_owned())
}

/// The originator key of a request as a message names it that refers to it: with the request's class.
pub fn named(request: &Message) -> String {
    let key = text::<de::OriginatorKey>(request);
    KeyText { key: &key, class: KeyClass::of(request.mti().class()) }.to_string()
}

pub fn code(message: &Message) -> ResponseCode {
    message.require::<de::ResponseCode>().expect("a code")
}
