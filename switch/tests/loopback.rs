//! The whole program over loopback sockets: an acquirer on one side, a host on the other, an operator, and a disk.
//! The acquirer's link needs no HSM verb, so the pending log's key is all that hsmd would have to give.

#![expect(clippy::disallowed_methods, reason = "the test is its own shell: clock, tasks and sockets")]

use bytes::{Bytes, BytesMut};
use codecs::frame::{Frame, Framed, Framing};
use codecs::value::*;
use codecs::{Builder, Dialect, Message, Mti, de};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use switch::config::{Addresses, Config};
use switch::data_key::DataKey;
use switch::shell::{Bound, run_with_key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::sync::CancellationToken;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).expect("random bytes");
        let path = std::env::temp_dir().join(format!("switch-{name}-{:016x}", u64::from_be_bytes(unique)));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        std::fs::write(path.join("terminals.json"), "[]").expect("a file for the test");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A switch that can be killed, or asked to end.
struct Switch {
    bound: Bound,
    task: JoinHandle<anyhow::Result<()>>,
    end: CancellationToken,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn dialect(name: &str) -> Arc<Dialect> {
    codecs::dialect::load(&root().join("config/dialects"), name).expect("the dialect is shipped")
}

fn shipped() -> Config {
    let text = std::fs::read_to_string(root().join("config/switch.toml")).expect("the shipped file");
    let roles = link::role::Roles::load(&root().join("config/links.toml")).expect("the shipped file");
    Config::parse(&text, "switch.toml", roles).expect("valid")
}

async fn start(folder: &Folder, host: SocketAddr) -> Switch {
    start_with(folder, host, 300).await
}

async fn start_with(folder: &Folder, host: SocketAddr, answer_timeout_ms: u64) -> Switch {
    start_for(folder, vec![host], answer_timeout_ms).await
}

/// With a host that listens at several addresses.
async fn start_for(folder: &Folder, host: Vec<SocketAddr>, answer_timeout_ms: u64) -> Switch {
    start_changed(folder, host, answer_timeout_ms, |_| {}).await
}

async fn start_changed(
    folder: &Folder,
    host: Vec<SocketAddr>,
    answer_timeout_ms: u64,
    change: impl FnOnce(&mut Config),
) -> Switch {
    let mut config = shipped();
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    (config.status_address, config.admin_address) = (any, any);
    config.listeners.iter_mut().for_each(|listener| listener.address = any);
    config.dialects_dir = root().join("config/dialects");
    config.state_dir = folder.0.join("state");
    config.admin_socket = None;
    config.hsm_socket = folder.0.join("no-hsmd.sock").into();
    config.terminal_keys = folder.0.join("terminals.json");
    config.destinations[0].address = Addresses(host);
    config.destinations[0].connections = 1;
    config.destinations[0].answer_timeout_ms = answer_timeout_ms;
    // no issuer listens there: its link stays down
    config.destinations[1].address = Addresses(vec!["127.0.0.1:9".parse().expect("an address")]);
    config.owed.first_retry_ms = 100;
    config.pending_log.reserve_bytes = 1 << 20;
    change(&mut config);
    let (report, bound) = oneshot::channel();
    let end = CancellationToken::new();
    let task = tokio::spawn(run_with_key(config, DataKey::new([3; 32]), report, end.clone().cancelled_owned()));
    match tokio::time::timeout(Duration::from_secs(10), bound).await.expect("in time") {
        Ok(bound) => Switch { bound, task, end },
        Err(_) => panic!("it ended: {:?}", task.await),
    }
}

impl Switch {
    fn acquirer(&self) -> SocketAddr {
        self.bound.listeners[1].1
    }

    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// One side of a connection: whole messages in and out.
struct Peer {
    stream: TcpStream,
    framing: Framing,
    dialect: Arc<Dialect>,
    incoming: BytesMut,
}

impl Peer {
    fn new(stream: TcpStream, dialect_name: &str) -> Self {
        let framing = Framing::named("bin2").expect("known");
        Self { stream, framing, dialect: dialect(dialect_name), incoming: BytesMut::new() }
    }

    async fn send(&mut self, message: &Builder) {
        let mut out = BytesMut::new();
        let body: Bytes = message.encode().expect("valid");
        self.framing.codec(4096).encode(Frame::Message(Framed::bare(body)), &mut out).expect("fits");
        self.stream.write_all(&out).await.expect("the switch reads");
    }

    async fn receive(&mut self) -> Message {
        tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                if let Some(Frame::Message(framed)) =
                    self.framing.codec(4096).decode(&mut self.incoming).expect("frames")
                {
                    return Message::decode(&self.dialect, framed.body).expect("readable");
                }
                assert_ne!(self.stream.read_buf(&mut self.incoming).await.expect("open"), 0, "closed");
            }
        })
        .await
        .expect("in time")
    }

    /// The next message that is no network message; network messages are answered.
    async fn business(&mut self) -> Message {
        loop {
            let message = self.receive().await;
            if message.mti().as_str() != "0800" {
                return message;
            }
            self.answer(&message, |_| {}).await;
        }
    }

    async fn answer(&mut self, request: &Message, more: impl FnOnce(&mut Builder)) {
        let mut answer = Builder::answer_to(request);
        answer.copy::<de::TransmissionTime>(request).copy::<de::Stan>(request).copy::<de::Amount>(request);
        answer.put::<de::ResponseCode>(ResponseCode::APPROVED);
        more(&mut answer);
        self.send(&answer).await;
    }
}

async fn sign_on(switch: &Switch) -> Peer {
    let stream = TcpStream::connect(switch.acquirer()).await.expect("accepted");
    let mut peer = Peer::new(stream, "iso87-ascii");
    let mut message = Builder::new(&peer.dialect, Mti::of(b"0800"));
    message.put::<de::Stan>(Stan(1)).put::<de::NetworkManagementCode>(Number(1));
    peer.send(&message).await;
    assert_eq!(peer.receive().await.require::<de::ResponseCode>(), Ok(ResponseCode::APPROVED));
    peer
}

async fn host_of(listener: &TcpListener) -> Peer {
    let (stream, _) = listener.accept().await.expect("the switch dials");
    let mut host = Peer::new(stream, "switchyard-host");
    let sign_on = host.receive().await;
    assert_eq!(sign_on.require::<de::NetworkManagementCode>(), Ok(Number(1)));
    host.answer(&sign_on, |_| {}).await;
    host
}

fn purchase(stan: u32, minor: i64) -> Builder {
    let mut message = Builder::new(&dialect("iso87-ascii"), Mti::of(b"0200"));
    message.put::<de::Pan>(Pan::from_digits(b"4000120000000002").expect("a PAN"));
    message.put::<de::ProcessingCode>(ProcessingCode::PURCHASE).put::<de::Amount>(Minor(minor));
    message.put::<de::Stan>(Stan(stan)).put::<de::Currency>(Currency::EUR);
    message.put::<de::LocalTime>(LocalTime::new(1, 2, 3).expect("a time"));
    message.put::<de::LocalDate>(MonthDay::new(11, 20).expect("a date"));
    message.put::<de::Acquirer>(InstitutionId::new("510099").expect("digits"));
    message.put::<de::TerminalId>(TerminalId::new("F0000001").expect("eight"));
    message.put::<de::MerchantId>(MerchantId::new("FACQ00000000001").expect("fifteen"));
    message
}

async fn http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answers");
    answer
}

/// A command of an operator.
async fn command(folder: &Folder, path: &str) -> String {
    command_at(&folder.0, path).await
}

async fn command_at(folder: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(folder.join("state/admin.sock")).await.expect("listening");
    let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answers");
    answer
}

async fn until(address: SocketAddr, request: &str, wanted: &str) {
    for _ in 0..200 {
        if http(address, request).await.contains(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{request} never said {wanted}: {}", http(address, request).await);
}

#[tokio::test]
async fn a_purchase_a_time_out_and_a_kill_over_real_sockets() {
    let folder = Folder::new("story");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let switch = start(&folder, address).await;
    let mut host = host_of(&listener).await;
    let mut acquirer = sign_on(&switch).await;
    until(switch.bound.status, "GET /readyz", "200 OK").await;

    acquirer.send(&purchase(2, 1000)).await;
    let request = host.business().await;
    host.answer(&request, |answer| _ = answer.put::<de::ApprovalCode>(ApprovalCode::new("ABC123").expect("six"))).await;
    let answer = acquirer.receive().await;
    assert_eq!(answer.require::<de::ResponseCode>(), Ok(ResponseCode::APPROVED));
    assert_eq!(answer.require::<de::Stan>(), Ok(Stan(2)));

    acquirer.send(&purchase(3, 2000)).await;
    let lost = host.business().await;
    let answer = acquirer.receive().await;
    assert_eq!(answer.require::<de::ResponseCode>(), Ok(ResponseCode::ISSUER_INOPERATIVE));
    let reversal = host.business().await;
    assert_eq!(reversal.mti().as_str(), "0420");
    assert_eq!(reversal.require::<de::OriginalData>().map(|o| o.stan), lost.require::<de::Stan>());
    assert!(http(switch.bound.admin, "GET /owed").await.contains("\"count\":1"));

    acquirer.send(&purchase(4, 3000)).await;
    let under_way = host.business().await;
    assert_eq!(under_way.require::<de::Amount>(), Ok(Minor(3000)));
    switch.kill().await;

    let switch = start(&folder, address).await;
    let mut host = host_of(&listener).await;
    let mut amounts = Vec::new();
    for _ in 0..2 {
        let owed = host.business().await;
        let minor = owed.require::<de::Amount>().expect("an amount").0;
        // the first was sent before the kill; the second was queued by the restart
        assert_eq!(owed.mti().as_str(), if minor == 2000 { "0421" } else { "0420" });
        amounts.push(minor);
        host.answer(&owed, |_| {}).await;
    }
    amounts.sort_unstable();
    assert_eq!(amounts, [2000, 3000], "the time-out's and the one the kill made");
    until(switch.bound.admin, "GET /owed", "\"count\":0").await;
    let mut acquirer = sign_on(&switch).await;
    acquirer.send(&purchase(2, 1000)).await;
    let again = acquirer.receive().await;
    assert_eq!(again.require::<de::ApprovalCode>().map(|c| c.to_string()), Ok("ABC123".into()));
    switch.kill().await;
    for entry in std::fs::read_dir(folder.0.join("state/pending")).expect("the log") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a segment");
        assert!(!bytes.windows(16).any(|window| window == b"4000120000000002"), "a PAN in clear on the disk");
    }
}

#[tokio::test]
async fn asked_to_end_it_answers_what_is_under_way_and_keeps_what_is_owed() {
    let folder = Folder::new("end");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let switch = start_with(&folder, address, 2_000).await;
    let mut host = host_of(&listener).await;
    let mut acquirer = sign_on(&switch).await;
    until(switch.bound.status, "GET /readyz", "200 OK").await;
    acquirer.send(&purchase(2, 1000)).await;
    let answered = host.business().await;
    acquirer.send(&purchase(3, 2000)).await;
    let lost = host.business().await;

    switch.end.cancel();
    until(switch.bound.status, "GET /readyz", "503").await;
    for attempt in 0.. {
        match TcpStream::connect(switch.acquirer()).await {
            Err(_) => break,
            Ok(_) => assert!(attempt < 100, "connections are still accepted"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    acquirer.send(&purchase(4, 3000)).await;
    let turned_away = acquirer.receive().await;
    assert_eq!(turned_away.require::<de::Stan>(), Ok(Stan(4)));
    assert_eq!(turned_away.require::<de::ResponseCode>(), Ok(ResponseCode::ISSUER_INOPERATIVE));
    host.answer(&answered, |_| {}).await;
    let answer = acquirer.receive().await;
    assert_eq!(
        (answer.require::<de::Stan>(), answer.require::<de::ResponseCode>()),
        (Ok(Stan(2)), Ok(ResponseCode::APPROVED))
    );
    let undecided = acquirer.receive().await;
    assert_eq!(
        (undecided.require::<de::Stan>(), undecided.require::<de::ResponseCode>()),
        (Ok(Stan(3)), Ok(ResponseCode::ISSUER_INOPERATIVE))
    );
    let ended = tokio::time::timeout(Duration::from_secs(10), switch.task).await.expect("in time");
    ended.expect("no panic").expect("in good order");

    let switch = start(&folder, address).await;
    let mut host = host_of(&listener).await;
    let owed = host.business().await;
    assert_eq!(owed.mti().as_str(), "0421");
    assert_eq!(owed.require::<de::OriginalData>().map(|o| o.stan), lost.require::<de::Stan>());
    switch.kill().await;
}

#[tokio::test]
async fn with_too_little_room_on_the_disk_a_purchase_is_turned_away_and_a_reversal_is_taken() {
    let folder = Folder::new("disk-low");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = vec![listener.local_addr().expect("bound")];
    // more than any disk has
    let switch = start_changed(&folder, address, 300, |config| config.pending_log.min_free_bytes = 1 << 60).await;
    let mut host = host_of(&listener).await;
    let mut acquirer = sign_on(&switch).await;
    assert!(http(switch.bound.status, "GET /readyz").await.contains("503"));
    acquirer.send(&purchase(2, 1000)).await;
    assert_eq!(acquirer.receive().await.require::<de::ResponseCode>(), Ok(ResponseCode::ISSUER_INOPERATIVE));
    let mut reversal = purchase(2, 1000);
    reversal.set_mti(Mti::of(b"0420"));
    acquirer.send(&reversal).await;
    assert_eq!(acquirer.receive().await.require::<de::ResponseCode>(), Ok(ResponseCode::APPROVED));
    assert_eq!(host.business().await.mti().as_str(), "0420");
    switch.kill().await;
}

#[tokio::test]
async fn operators_see_links_cut_over_and_sign_off() {
    let folder = Folder::new("operators");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let switch = start(&folder, listener.local_addr().expect("bound")).await;
    let mut host = host_of(&listener).await;
    let admin = switch.bound.admin;
    until(admin, "GET /links", "\"state\":\"up\"").await;
    let links = http(admin, "GET /links").await;
    assert!(links.contains("issuer-510051") && links.contains("\"state\":\"down\""), "{links}");

    // over the network nobody is an operator, whoever may connect
    for path in ["/cut-over", "/sign-off?link=host", "/sign-on?link=host"] {
        let refused = http(admin, &format!("POST {path}")).await;
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("admin_socket"), "{refused}");
    }
    let far_ahead = command(&folder, "/cut-over?date=2099-12-31").await;
    assert!(far_ahead.starts_with("HTTP/1.1 409") && far_ahead.contains("force"), "{far_ahead}");
    let path = folder.0.clone();
    let tomorrow = tokio::spawn(async move { command_at(&path, "/cut-over?date=2099-12-31&force=true").await });
    let announcement = host.receive().await;
    assert_eq!(announcement.require::<de::SettlementDate>(), Ok(MonthDay::new(12, 31).expect("a date")));
    host.answer(&announcement, |_| {}).await;
    let reply = tomorrow.await.expect("no panic");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("\"business_date\":\"2099-12-31\""), "{reply}");
    assert!(command(&folder, "/cut-over?date=2020-01-01").await.starts_with("HTTP/1.1 409"));
    assert!(command(&folder, "/cut-over?date=31.12.2026").await.starts_with("HTTP/1.1 400"));

    assert!(command(&folder, "/sign-off?link=nobody").await.starts_with("HTTP/1.1 409"));
    assert!(command(&folder, "/sign-off?link=host").await.starts_with("HTTP/1.1 200"));
    assert_eq!(host.receive().await.require::<de::NetworkManagementCode>(), Ok(Number(2)));
    until(switch.bound.status, "GET /readyz", "503").await;
    assert!(command(&folder, "/sign-on?link=host").await.starts_with("HTTP/1.1 200"));
    let again = host.receive().await;
    assert_eq!(again.require::<de::NetworkManagementCode>(), Ok(Number(1)));
    host.answer(&again, |_| {}).await;
    until(switch.bound.status, "GET /readyz", "200 OK").await;
    let metrics = http(switch.bound.status, "GET /metrics").await;
    assert!(metrics.contains("# HELP switch_link_up") && metrics.contains("switch_cut_overs_total 1"));
    switch.kill().await;
}

#[tokio::test]
async fn a_second_switch_on_the_same_state_is_refused() {
    let folder = Folder::new("two");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let path = folder.0.join("state/lock");
    std::fs::create_dir_all(folder.0.join("state")).expect("a folder");
    let other = std::fs::File::create(&path).expect("a lock file");
    other.try_lock().expect("nobody else");
    let mut config = shipped();
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    (config.status_address, config.admin_address) = (any, any);
    config.dialects_dir = root().join("config/dialects");
    config.state_dir = folder.0.join("state");
    config.terminal_keys = folder.0.join("terminals.json");
    config.destinations[0].address = Addresses(vec![listener.local_addr().expect("bound")]);
    let (report, _bound) = oneshot::channel();
    let ended = run_with_key(config, DataKey::new([3; 32]), report, std::future::pending()).await;
    assert!(ended.expect_err("refused").to_string().contains("another switch"));
}

#[tokio::test]
async fn a_destination_is_dialled_at_each_of_its_addresses_and_serves_while_one_is_left() {
    let folder = Folder::new("addresses");
    let (one, other) = (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
    let (one, other) = (one.expect("a free port"), other.expect("a free port"));
    let addresses = [&one, &other].map(|listener| listener.local_addr().expect("bound"));
    let switch = start_for(&folder, addresses.to_vec(), 2_000).await;
    let (mut first_host, mut other_host) = (host_of(&one).await, host_of(&other).await);
    let connections = |count: u32| format!(r#""name":"host","kind":"destination","state":"up","connections":{count},"#);
    until(switch.bound.admin, "GET /links", &connections(2)).await;
    until(switch.bound.status, "GET /readyz", "200 OK").await;
    let mut acquirer = sign_on(&switch).await;
    acquirer.send(&purchase(1, 100)).await;
    acquirer.send(&purchase(2, 200)).await;
    let (first, second) = (first_host.business().await, other_host.business().await);
    let mut amounts = [&first, &second].map(|m| m.require::<de::Amount>().expect("an amount").0);
    amounts.sort_unstable();
    assert_eq!(amounts, [100, 200], "one over each");
    first_host.answer(&first, |_| {}).await;
    other_host.answer(&second, |_| {}).await;
    for _ in 0..2 {
        assert_eq!(acquirer.receive().await.require::<de::ResponseCode>(), Ok(ResponseCode::APPROVED));
    }
    drop((one, first_host));
    until(switch.bound.admin, "GET /links", &connections(1)).await;
    for stan in 3..=4 {
        acquirer.send(&purchase(stan, 300)).await;
        let request = other_host.business().await;
        other_host.answer(&request, |_| {}).await;
        assert_eq!(acquirer.receive().await.require::<de::ResponseCode>(), Ok(ResponseCode::APPROVED));
    }
    switch.kill().await;
}
