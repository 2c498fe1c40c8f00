//! The host over TCP, without an HSM: what it answers, what it refuses as unreadable, and that neither disturbs another
//! connection.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise, and is no part of the pure half"
)]

#[path = "../lane/database.rs"]
#[allow(dead_code, reason = "what the lanes' tests ask of their accounts")]
mod database;
#[path = "../sample/mod.rs"]
#[allow(dead_code, reason = "each of its users wants another part of it")]
mod sample;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codecs::frame::{Frame, FrameCodec, Framed, Framing};
use codecs::value::{
    Count, Currency, InstitutionId, LocalTime, MerchantId, Minor, MonthDay, Number, Opaque, ProcessingCode,
    ResponseCode, SignedTotal, Stan, TerminalId, Total, TransmissionTime,
};
use codecs::{Builder, Dialect, Message, Mti, de};
use futures::{SinkExt, StreamExt};
use ledger::journal::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::codec::Framed as Stream;
use tokio_util::sync::CancellationToken;

/// A host on port 0 whose HSM is absent.
struct Served {
    address: SocketAddr,
    dialect: Arc<Dialect>,
    db: database::Database,
    running: host::run::Running,
    stop: tokio_util::sync::DropGuard,
}

async fn serve() -> Served {
    serve_with(|_| {}).await
}

async fn serve_with(change: impl FnOnce(&mut host::Config)) -> Served {
    serve_on(database::fresh().await, change).await
}

async fn serve_on(mut db: database::Database, change: impl FnOnce(&mut host::Config)) -> Served {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    (db.config.listen_address, db.config.status_address) = (anywhere, anywhere);
    db.config.dialects_dir = root.join("config/dialects");
    db.config.hsm_socket = "/nonexistent/hsm.sock".into();
    db.config.anchors_file = None;
    change(&mut db.config);
    let dialect = codecs::dialect::load(&db.config.dialects_dir, &db.config.dialect).unwrap();
    let stop = CancellationToken::new();
    let running = host::run::start(db.config.clone(), stop.clone()).await.unwrap();
    Served { address: running.address, dialect, db, running, stop: stop.drop_guard() }
}

struct TestConnection {
    stream: Stream<TcpStream, FrameCodec>,
    dialect: Arc<Dialect>,
}

impl Served {
    async fn connect(&self) -> TestConnection {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let codec = Framing::named("bin2").unwrap().codec(8192);
        TestConnection { stream: Stream::new(stream, codec), dialect: Arc::clone(&self.dialect) }
    }

    fn message(&self, mti: &[u8; 4], stan: u32) -> Builder {
        let mut builder = Builder::new(&self.dialect, Mti::of(mti));
        let date = MonthDay::new(11, 20).unwrap();
        builder
            .put::<de::Stan>(Stan(stan))
            .put::<de::TransmissionTime>(TransmissionTime { date, time: LocalTime::new(10, 15, 0).unwrap() });
        builder
    }

    fn echo(&self, stan: u32) -> Builder {
        let mut message = self.message(b"0800", stan);
        message.put::<de::NetworkManagementCode>(Number(301));
        message
    }

    /// A reversal that names no card, of an unknown original.
    fn reversal(&self, stan: u32) -> Builder {
        let key = format!("terminals|T0000001|SWYD00000000001|{stan:06}|101500|1120");
        let date = MonthDay::new(11, 20).unwrap();
        let mut builder = self.message(b"0420", stan);
        builder
            .put::<de::ProcessingCode>(ProcessingCode::PURCHASE)
            .put::<de::Amount>(Minor(1_250))
            .put::<de::Currency>(Currency::EUR)
            .put::<de::LocalTime>(LocalTime::new(10, 15, 0).unwrap())
            .put::<de::LocalDate>(date)
            .put::<de::SettlementDate>(date)
            .put::<de::Acquirer>(InstitutionId::new("400012").unwrap())
            .put::<de::TerminalId>(TerminalId::new("T0000001").unwrap())
            .put::<de::MerchantId>(MerchantId::new("SWYD00000000001").unwrap())
            .put::<de::OriginatorKey>(Opaque::text(&key));
        builder
    }

    async fn rows(&self) -> i64 {
        self.db.client.query_one("SELECT count(*) FROM auth", &[]).await.unwrap().get(0)
    }
}

impl TestConnection {
    async fn send(&mut self, bytes: Bytes) {
        self.stream.send(Frame::Message(Framed::bare(bytes))).await.unwrap();
    }

    async fn answer(&mut self) -> Message {
        let frame = tokio::time::timeout(Duration::from_secs(10), self.stream.next()).await.unwrap().unwrap().unwrap();
        let Frame::Message(framed) = frame else { panic!("a keep-alive is no answer") };
        Message::decode(&self.dialect, framed.body).unwrap()
    }

    async fn ask(&mut self, message: &Builder) -> (String, ResponseCode) {
        self.send(message.encode().unwrap()).await;
        let answer = self.answer().await;
        (answer.mti().as_str().to_owned(), answer.require::<de::ResponseCode>().unwrap())
    }
}

/// The last month of the journal that there is.
async fn last_month(db: &database::Database) -> String {
    let last = "SELECT max(relname::text) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'auth\\_20%'";
    db.client.query_one(last, &[]).await.unwrap().get(0)
}

/// Takes away the last month, as if the host had just come near it. Returns its name.
async fn forget_last_month(db: &database::Database) -> String {
    let month = last_month(db).await;
    let posting = month.replace("auth", "posting");
    db.client.batch_execute(&format!("DROP TABLE {month}; DROP TABLE {posting}")).await.unwrap();
    month
}

fn answered(mti: &str, code: &[u8; 2]) -> (String, ResponseCode) {
    (mti.to_owned(), ResponseCode(*code))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_makes_the_months_of_the_journal_before_they_come() {
    let db = database::fresh().await;
    let month = forget_last_month(&db).await;
    assert_ne!(last_month(&db).await, month, "it is gone");
    let host = serve_on(db, |_| {}).await;
    assert_eq!(last_month(&host.db).await, month, "at its start");
    forget_last_month(&host.db).await;
    let made = async {
        while last_month(&host.db).await != month {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), made).await.expect("and as it serves on");
}

#[tokio::test]
async fn network_messages_are_answered_and_a_cut_over_opens_the_day() {
    let host = serve().await;
    let mut connection = host.connect().await;
    for code in [1, 301, 2] {
        let mut message = host.message(b"0800", code);
        message.put::<de::NetworkManagementCode>(Number(code));
        assert_eq!(connection.ask(&message).await, answered("0810", b"00"), "{code}");
    }
    let mut cut_over = host.message(b"0800", 9);
    cut_over.put::<de::NetworkManagementCode>(Number(201)).put::<de::SettlementDate>(MonthDay::new(11, 21).unwrap());
    assert_eq!(connection.ask(&cut_over).await, answered("0810", b"00"));
    assert_eq!(connection.ask(&cut_over).await, answered("0810", b"00"), "announced again");
    let days =
        host.db.client.query("SELECT date::text, state::text FROM business_day ORDER BY date", &[]).await.unwrap();
    let days: Vec<(String, String)> = days.iter().map(|row| (row.get::<_, String>(0), row.get(1))).collect();
    assert_eq!(days.last().map(|(date, state)| (&date[5..], state.as_str())), Some(("11-21", "open")));
    assert!(days.iter().any(|(date, state)| date == "2026-11-20" && state == "closing"), "{days:?}");
}

/// A 0500 of T0000001 for 20 November; `change` makes it another's, or a wrong one.
fn totals(host: &Served, link: &str, change: impl FnOnce(&mut Builder) -> &mut Builder) -> Builder {
    let mut builder = host.message(b"0500", 30);
    builder
        .put::<de::SettlementDate>(MonthDay::new(11, 20).unwrap())
        .put::<de::Acquirer>(InstitutionId::new("400012").unwrap())
        .put::<de::TerminalId>(TerminalId::new("T0000001").unwrap())
        .put::<de::MerchantId>(MerchantId::new("SWYD00000000001").unwrap())
        .put::<de::OriginatorKey>(Opaque::text(&format!("{link}|T0000001|SWYD00000000001|000030|101500|1120")));
    change(&mut builder);
    builder
}

/// A host with two merchants of one terminal each.
async fn serve_with_terminals() -> Served {
    let db = database::fresh().await;
    db.client
        .batch_execute(
            "INSERT INTO merchant (merchant_id, name, mcc, city, country, iban) VALUES
               ('SWYD00000000001', 'One', '5411', 'Bonn', '276', ''), ('SWYD00000000002', 'Two', '5411', 'Bonn', '276', '');
             INSERT INTO terminal (terminal_id, merchant_id) VALUES
               ('T0000001', 'SWYD00000000001'), ('T0000002', 'SWYD00000000002')",
        )
        .await
        .unwrap();
    serve_on(db, |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_told_to_whom_they_belong_and_to_nobody_else() {
    let host = serve_with_terminals().await;
    let mut connection = host.connect().await;
    let institution = |id: &str| InstitutionId::new(id).unwrap();
    type Change<'a> = &'a dyn Fn(&mut Builder) -> &mut Builder;
    let cases: [(&str, Change<'_>, &[u8; 2], &str); 14] = [
        ("terminals", &|m| m, b"00", "the terminal itself"),
        ("terminals", &|m| m.put::<de::SettlementInstitution>(institution("400012")), b"00", "with us"),
        ("terminals", &|m| m.put::<de::SettlementInstitution>(institution("510099")), b"31", "with another"),
        (
            "terminals",
            &|m| m.put::<de::MerchantId>(MerchantId::new("SWYD00000000002").unwrap()),
            b"03",
            "at another's shop",
        ),
        ("terminals", &|m| m.put::<de::TerminalId>(TerminalId::new("T0000009").unwrap()), b"03", "no terminal"),
        ("terminals", &|m| m.remove::<de::TerminalId>(), b"03", "no terminal told"),
        ("nowhere", &|m| m, b"30", "a link that the host does not know"),
        ("terminals", &|m| m.remove::<de::OriginatorKey>(), b"30", "no link"),
        ("acquirer-ascii", &|m| m, b"00", "a foreign acquirer gets its own, whatever terminal it names"),
        ("acquirer-ascii", &|m| m.put::<de::SettlementInstitution>(institution("510099")), b"00", "by its own id"),
        ("acquirer-ascii", &|m| m.put::<de::SettlementInstitution>(institution("999999")), b"31", "a third party"),
        ("terminals", &|m| m.remove::<de::SettlementDate>(), b"30", "for no day"),
        ("terminals", &|m| m.put::<de::SettlementDate>(MonthDay::new(11, 21).unwrap()), b"30", "not begun"),
        (
            "terminals",
            &|m| m.put::<de::DebitsAmount>(Total(100)).put::<de::NetSettlement>(SignedTotal(100)),
            b"30",
            "net",
        ),
    ];
    for (link, change, code, meaning) in cases {
        assert_eq!(connection.ask(&totals(&host, link, change)).await, answered("0510", code), "{meaning}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_acquirer_that_names_our_terminal_learns_nothing_of_it() {
    let host = serve_with_terminals().await;
    host.db.account(1001, 100_000).await;
    let sale =
        sample::prepared(sample::request(sample::OUR_SHOP, 1, Kind::Purchase, 1_250), database::bucket(1001), 1001);
    host.db.lanes.submit(sale, Instant::now()).await.unwrap();
    let mut connection = host.connect().await;
    for (link, sales) in [("terminals", 1), ("acquirer-ascii", 0)] {
        connection.send(totals(&host, link, |m| m).encode().unwrap()).await;
        let answer = connection.answer().await;
        assert_eq!(answer.get::<de::DebitsCount>().unwrap(), Some(Count(sales)), "{link}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_that_take_long_keep_nothing_else_waiting() {
    let host = serve_with_terminals().await;
    let (mut asking, mut other) = (host.connect().await, host.connect().await);
    // no total is read until this transaction ends
    host.db.client.batch_execute("BEGIN; LOCK TABLE day_total IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for _ in 0..8 {
        asking.send(totals(&host, "terminals", |m| m).encode().unwrap()).await;
    }
    // not from pg_stat_activity, which does not change within the transaction that holds the lock
    let counting = "SELECT count(*) FROM pg_locks WHERE relation = 'day_total'::regclass AND NOT granted";
    let both = async {
        while host.db.number(counting).await < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("two totals wait for the lock");
    let mut cut_over = host.message(b"0800", 9);
    cut_over.put::<de::NetworkManagementCode>(Number(201)).put::<de::SettlementDate>(MonthDay::new(11, 21).unwrap());
    assert_eq!(other.ask(&cut_over).await, answered("0810", b"00"));
    host.db.client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(asking.answer().await.require::<de::ResponseCode>().unwrap(), ResponseCode::APPROVED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_needs_no_hsm_and_its_repeat_is_acknowledged_again() {
    let host = serve().await;
    let mut connection = host.connect().await;
    assert_eq!(connection.ask(&host.reversal(17)).await, answered("0430", b"00"));
    assert_eq!(connection.ask(&host.reversal(17)).await, answered("0430", b"00"));
    assert_eq!(host.rows().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_hsm_a_card_is_neither_approved_nor_declined() {
    let host = serve().await;
    let mut connection = host.connect().await;
    let mut purchase = host.reversal(18);
    let fields = purchase.encode().unwrap();
    let fields = Message::decode(&host.dialect, fields).unwrap();
    purchase = Builder::new(&host.dialect, Mti::of(b"0200"));
    purchase
        .copy_all(&fields)
        .put::<de::Pan>(codecs::value::Pan::from_digits(b"4000120000000002").unwrap())
        .put::<de::PosEntryMode>(codecs::value::PosEntryMode { entry: 1, pin: 2 });
    assert_eq!(connection.ask(&purchase).await, answered("0210", b"96"));
    assert_eq!(host.rows().await, 0, "its repeat is judged anew");
}

/// Four digits of which the last three are a currency that is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_chip_that_signed_no_currency_is_answered_with_a_format_error() {
    let host = serve().await;
    let mut connection = host.connect().await;
    let mut purchase = Builder::new(&host.dialect, Mti::of(b"0200"));
    purchase
        .copy_all(&Message::decode(&host.dialect, host.reversal(26).encode().unwrap()).unwrap())
        .put::<de::Pan>(codecs::value::Pan::from_digits(b"4000120000000002").unwrap())
        .put::<de::PosEntryMode>(codecs::value::PosEntryMode { entry: 5, pin: 1 });
    let chip = |currency: &str| {
        let tags = format!(
            "9F26081122334455667788 9F2701809F100706010A03A0B0009F3704000000019F3602000195050000000000\
             9A032611209C01009F02060000000012505F2A02{currency}82023900 9F1A0202809F0306000000000000"
        );
        let digits: Vec<u8> = tags.bytes().filter(|byte| *byte != b' ').collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect::<Vec<u8>>()
    };
    purchase.put::<de::Icc>(Opaque::new(chip("0978")));
    assert_eq!(connection.ask(&purchase).await, answered("0210", b"96"), "it is read, and there is no HSM to check it");
    for currency in ["1978", "09A8"] {
        purchase.put::<de::Icc>(Opaque::new(chip(currency)));
        assert_eq!(connection.ask(&purchase).await, answered("0210", b"30"), "{currency}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_in_part_is_answered_with_a_format_error() {
    let host = serve().await;
    let mut connection = host.connect().await;
    let whole = host.reversal(19).encode().unwrap();
    connection.send(whole.slice(..whole.len() - 3)).await;
    let answer = connection.answer().await;
    assert_eq!(answer.require::<de::ResponseCode>().unwrap(), ResponseCode::FORMAT_ERROR);
    assert_eq!(answer.require::<de::Stan>().unwrap(), Stan(19), "what could be read comes back");
    let mut keyless = host.reversal(20);
    keyless.remove::<de::OriginatorKey>();
    assert_eq!(connection.ask(&keyless).await, answered("0430", b"30"));
    assert_eq!(connection.ask(&host.message(b"0300", 23)).await, answered("0310", b"12"), "a class that is not served");
    assert_eq!(host.rows().await, 0);
}

/// The switch has told the sender 00 already: what an advice or reversal reports has happened, whatever it looks like.
#[tokio::test(flavor = "multi_thread")]
async fn an_advice_or_reversal_that_cannot_be_taken_as_it_is_is_kept_and_acknowledged() {
    let host = serve().await;
    let mut connection = host.connect().await;
    let mut stranger = host.reversal(21);
    stranger.put::<de::OriginatorKey>(Opaque::text("nowhere|T|M|000021|101500|1120"));
    let mut sale = Builder::new(&host.dialect, Mti::of(b"0220"));
    sale.copy_all(&Message::decode(&host.dialect, stranger.encode().unwrap()).unwrap());
    assert_eq!(connection.ask(&sale).await, answered("0230", b"00"), "a link that is not in the configuration");
    assert_eq!(connection.ask(&stranger).await, answered("0430", b"00"), "its reversal, which is no repeat of it");
    assert_eq!(connection.ask(&stranger).await, answered("0430", b"00"), "and the reversal's repeat");
    let mut undated = host.reversal(22);
    undated.remove::<de::SettlementDate>();
    assert_eq!(connection.ask(&undated).await, answered("0430", b"00"), "no business date");
    let mut timeless = host.reversal(23);
    timeless.put::<de::OriginatorKey>(Opaque::text("terminals|T0000001|SWYD00000000001|000023||"));
    assert_eq!(connection.ask(&timeless).await, answered("0430", b"00"), "no local time");
    let mut cash = Builder::new(&host.dialect, Mti::of(b"0220"));
    cash.copy_all(&Message::decode(&host.dialect, host.reversal(24).encode().unwrap()).unwrap());
    cash.put::<de::ProcessingCode>(ProcessingCode::CASH);
    assert_eq!(connection.ask(&cash).await, answered("0230", b"00"), "a kind that is not served");
    let rows = host
        .db
        .client
        .query("SELECT stan, kind::text, approved_minor, exception FROM auth ORDER BY stan, auth_id", &[]);
    let rows: Vec<(i32, String, i64, Option<String>)> =
        rows.await.unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    let kept = |stan, kind: &str, exception: Option<&str>| (stan, kind.to_owned(), 0, exception.map(str::to_owned));
    assert_eq!(
        rows,
        [
            kept(21, "not-served", Some("not-served")),
            kept(21, "reversal", None),
            kept(22, "reversal", None),
            kept(23, "reversal", None),
            kept(24, "not-served", Some("not-served")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_is_closed_and_the_others_go_on() {
    let host = serve().await;
    let mut other = host.connect().await;
    let mut broken = TcpStream::connect(host.address).await.unwrap();
    // a length of 65,535: over the limit, refused before anything is allocated for it
    broken.write_all(&[0xFF, 0xFF, b'0', b'2']).await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), broken.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "nothing is said to it; it ended with {ended:?}");
    let mut half = TcpStream::connect(host.address).await.unwrap();
    half.write_all(&[0x00, 0x40, b'0']).await.unwrap();
    drop(half);
    assert_eq!(other.ask(&host.reversal(24)).await, answered("0430", b"00"));
}

/// Reads until the other side closes; returns the bytes read.
async fn said_until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await;
    // a reset ends the connection as well
    let _ = ended.expect("closed in time");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_is_waited_for_only_so_long_and_the_others_go_on() {
    let host = serve_with(|config| config.frame_timeout_ms = 100).await;
    let mut other = host.connect().await;
    let mut half = TcpStream::connect(host.address).await.unwrap();
    half.write_all(&[0x00, 0x40, b'0']).await.unwrap();
    assert!(said_until_closed(&mut half).await.is_empty());
    assert_eq!(other.ask(&host.reversal(25)).await, answered("0430", b"00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_no_answers_loses_its_connection_and_the_others_go_on() {
    let host = serve().await;
    let mut other = host.connect().await;
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    // a small receive buffer, so that answers back up
    deaf.set_recv_buffer_size(4096).unwrap();
    let mut deaf = deaf.connect(host.address).await.unwrap();
    let asked = host.echo(1).encode().unwrap();
    let mut frame = u16::try_from(asked.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(&asked);
    let many = frame.repeat(500);
    let lost = async { while deaf.write_all(&many).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), lost).await.expect("the connection is closed");
    assert_eq!(other.ask(&host.reversal(26)).await, answered("0430", b"00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_may_be_are_refused_and_those_that_stand_go_on() {
    let host = serve_with(|config| config.max_connections = 2).await;
    let mut standing = [host.connect().await, host.connect().await];
    for connection in &mut standing {
        assert_eq!(connection.ask(&host.echo(1)).await, answered("0810", b"00"));
    }
    let mut third = TcpStream::connect(host.address).await.unwrap();
    assert!(said_until_closed(&mut third).await.is_empty());
    for (connection, stan) in standing.iter_mut().zip([27, 28]) {
        assert_eq!(connection.ask(&host.reversal(stan)).await, answered("0430", b"00"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_passed_over_and_the_peer_s_last_requests_are_answered() {
    let host = serve().await;
    let mut connection = host.connect().await;
    connection.send(Bytes::from_static(b"no message at all")).await;
    connection.send(host.message(b"0810", 29).encode().unwrap()).await;
    connection.send(host.reversal(29).encode().unwrap()).await;
    connection.stream.get_mut().shutdown().await.unwrap();
    assert_eq!(connection.answer().await.require::<de::Stan>().unwrap(), Stan(29));
    let end = tokio::time::timeout(Duration::from_secs(10), connection.stream.next()).await.unwrap();
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_are_under_way_on_one_connection() {
    let host = serve().await;
    let mut connection = host.connect().await;
    for stan in 100..400 {
        connection.stream.feed(Frame::Message(Framed::bare(host.reversal(stan).encode().unwrap()))).await.unwrap();
    }
    connection.stream.flush().await.unwrap();
    let mut answered = Vec::new();
    for _ in 100..400 {
        answered.push(connection.answer().await.require::<de::Stan>().unwrap().0);
    }
    answered.sort_unstable();
    assert_eq!(answered, (100..400).collect::<Vec<_>>(), "each is answered once");
    assert_eq!(host.rows().await, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_answers_what_it_has_begun_and_begins_nothing_more() {
    let host = serve().await;
    let mut connection = host.connect().await;
    let mut answered = 0;
    for stan in 100..1_100 {
        connection.stream.feed(Frame::Message(Framed::bare(host.reversal(stan).encode().unwrap()))).await.unwrap();
    }
    connection.stream.flush().await.unwrap();
    connection.answer().await;
    host.stop.disarm().cancel();
    while let Some(frame) = tokio::time::timeout(Duration::from_secs(10), connection.stream.next()).await.unwrap() {
        assert!(matches!(frame, Ok(Frame::Message(_))), "{frame:?}");
        answered += 1;
    }
    drop(connection);
    tokio::time::timeout(Duration::from_secs(10), host.running.ended()).await.unwrap();
    let rows: i64 = host.db.client.query_one("SELECT count(*) FROM auth", &[]).await.unwrap().get(0);
    assert_eq!(rows, answered + 1, "what is in the journal was answered, and nothing else");
}
