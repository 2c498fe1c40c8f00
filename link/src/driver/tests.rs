//! The driver over real loopback sockets.

use super::*;
use crate::transport::Plain;
use codecs::frame::Frame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::Encoder;

const LINK: &str = "peer";

struct Served {
    address: SocketAddr,
    reports: mpsc::Receiver<ConnectionReport<&'static str>>,
    /// Kept, because dropping them would close the connections.
    outboxes: Vec<Outbox>,
    stop: Stop,
}

fn wire(framing: &str, frame_timeout_ms: u64) -> Wire {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
    Wire {
        name: LINK.into(),
        dialect: codecs::dialect::load(&folder, "iso87-ascii").expect("the dialect is shipped"),
        framing: Framing::named(framing).expect("a known framing"),
        max_frame_bytes: 512,
        frame_timeout: Duration::from_millis(frame_timeout_ms),
        in_flight: None,
        first_frame_within: None,
        max_idle: None,
    }
}

async fn serve(wire: Wire) -> Served {
    serve_for(wire, |reports| reports).await
}

async fn serve_for<O: Owner<&'static str>>(
    wire: Wire,
    owner: impl FnOnce(mpsc::Sender<ConnectionReport<&'static str>>) -> O,
) -> Served {
    serve_over(Plain, wire, 4, owner).await
}

async fn serve_over<O: Owner<&'static str>>(
    transport: impl Transport,
    wire: Wire,
    per_source: usize,
    owner: impl FnOnce(mpsc::Sender<ConnectionReport<&'static str>>) -> O,
) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (sender, reports) = mpsc::channel(64);
    let stop = Stop::new(CancellationToken::new());
    let most = Most { connections: 4, per_source, reserved: 0 };
    let admitted = (most, Sources::default());
    tokio::spawn(listen(listener, LINK, wire, transport, admitted, owner(sender), stop.clone()));
    Served { address, reports, outboxes: Vec::new(), stop }
}

/// An owner whose connections wait for the answers to the messages that were read.
#[derive(Clone)]
struct Finishing(mpsc::Sender<ConnectionReport<&'static str>>);

impl Owner<&'static str> for Finishing {
    const DRAINS: bool = true;

    fn reports(&self) -> mpsc::Sender<ConnectionReport<&'static str>> {
        self.0.clone()
    }

    fn unreadable(&self, error: &DecodeError, readable: Option<&Message>) -> Unreadable {
        assert!(readable.is_none(), "an owner that cannot go on: {error}");
        Unreadable::Drop
    }
}

impl Served {
    async fn next(&mut self) -> ConnectionEvent {
        timeout(Duration::from_secs(5), self.reports.recv()).await.expect("in time").expect("a report").happening
    }

    async fn message(&mut self) -> Box<Message> {
        loop {
            match self.next().await {
                ConnectionEvent::Message(_, message, _) => return message,
                ConnectionEvent::Up(outbox) => self.outboxes.push(outbox),
                ConnectionEvent::Down(closed) => panic!("closed: {closed:?}"),
            }
        }
    }

    async fn closed(&mut self) -> Closed {
        loop {
            match self.next().await {
                ConnectionEvent::Down(closed) => return closed,
                ConnectionEvent::Up(outbox) => self.outboxes.push(outbox),
                ConnectionEvent::Message(_, message, _) => panic!("read as {message:?}"),
            }
        }
    }
}

fn echo(wire: &Wire, stan: u32) -> Bytes {
    let mut builder = Builder::new(&wire.dialect, codecs::Mti::of(b"0800"));
    builder.put::<de::Stan>(value::Stan(stan)).put::<de::NetworkManagementCode>(value::Number(301));
    builder.encode().expect("valid")
}

fn framed(wire: &Wire, header: &'static [u8], body: Bytes) -> BytesMut {
    let mut out = BytesMut::new();
    let frame = Frame::Message(Framed { header: Bytes::from_static(header), body });
    wire.framing.codec(4096).encode(frame, &mut out).expect("fits");
    out
}

fn stan_of(message: &Message) -> u32 {
    message.require::<de::Stan>().expect("a STAN").0
}

#[tokio::test]
async fn a_frame_cut_at_any_byte_is_the_same_message() {
    let wire = wire("bin2", 5_000);
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.set_nodelay(true).expect("an open socket");
    let two: Vec<u8> = [framed(&wire, b"", echo(&wire, 1)), framed(&wire, b"", echo(&wire, 2))].concat();
    for cut in 1..two.len() {
        client.write_all(&two[..cut]).await.expect("writes");
        tokio::task::yield_now().await;
        client.write_all(&two[cut..]).await.expect("writes");
        for stan in [1, 2] {
            assert_eq!(stan_of(&*served.message().await), stan, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_tpdu_comes_with_the_message_and_answers_go_back_whole() {
    let wire = wire("nac", 5_000);
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(&framed(&wire, b"\x60\x00\x01\x00\x02", echo(&wire, 7))).await.expect("writes");
    let ConnectionEvent::Up(outbox) = served.next().await else { panic!("first comes Up") };
    let ConnectionEvent::Message(header, message, _) = served.next().await else { panic!("then the message") };
    assert_eq!(&header[..], b"\x60\x00\x01\x00\x02");
    let framed = Framed { header, body: message.bytes().clone() };
    outbox.send(framed.answer(message.bytes().clone()).into()).await.expect("the connection lives");
    let mut answer = vec![0; 2 + 5];
    client.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer[2..], b"\x60\x00\x02\x00\x01");
}

#[tokio::test]
async fn half_a_frame_closes_only_its_own_connection() {
    let wire = wire("bin2", 50);
    let mut served = serve(wire.clone()).await;
    let mut honest = TcpStream::connect(served.address).await.expect("accepted");
    let mut slow = TcpStream::connect(served.address).await.expect("accepted");
    slow.write_all(&framed(&wire, b"", echo(&wire, 1))[..5]).await.expect("writes");
    assert_eq!(served.closed().await, Closed::HalfFrame);
    assert_eq!(slow.read(&mut [0; 1]).await.expect("closed, not reset"), 0);
    honest.write_all(&framed(&wire, b"", echo(&wire, 2))).await.expect("writes");
    assert_eq!(stan_of(&*served.message().await), 2);
}

#[tokio::test]
async fn whole_frames_in_a_row_never_trip_the_frame_deadline() {
    let wire = wire("bin2", 80);
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    let frame = framed(&wire, b"", echo(&wire, 3));
    // each write ends in the middle of the next frame, so that the buffer is never empty
    let stream: Vec<u8> = frame.repeat(20);
    let half = frame.len() / 2;
    client.write_all(&stream[..half]).await.expect("writes");
    for chunk in stream[half..].chunks(frame.len()) {
        sleep(Duration::from_millis(15)).await;
        client.write_all(chunk).await.expect("writes");
    }
    for _ in 0..20 {
        assert_eq!(stan_of(&*served.message().await), 3);
    }
}

#[tokio::test]
async fn an_oversized_length_closes_before_anything_is_kept_for_it() {
    let mut served = serve(wire("bin2", 5_000)).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(b"\xFF\xFF").await.expect("writes");
    assert_eq!(served.closed().await, Closed::Framing);
}

#[tokio::test]
async fn an_undecodable_request_is_answered_30_and_the_connection_lives() {
    let wire = wire("bin2", 5_000);
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    let mut broken = echo(&wire, 42).to_vec();
    broken.truncate(broken.len() - 1);
    client.write_all(&framed(&wire, b"", broken.into())).await.expect("writes");
    let length = client.read_u16().await.expect("an answer");
    let mut body = vec![0; length.into()];
    client.read_exact(&mut body).await.expect("an answer");
    let answer = Message::decode(&wire.dialect, body.into()).expect("valid");
    assert_eq!(answer.mti().as_str(), "0810");
    assert_eq!(stan_of(&answer), 42);
    assert_eq!(answer.require::<de::ResponseCode>(), Ok(value::ResponseCode::FORMAT_ERROR));
    client.write_all(&framed(&wire, b"", echo(&wire, 43))).await.expect("writes");
    assert_eq!(stan_of(&*served.message().await), 43);
}

#[tokio::test]
async fn a_connection_with_as_much_under_way_as_may_be_is_not_read() {
    let wire = Wire { in_flight: Some(2), ..wire("bin2", 5_000) };
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    for stan in 1..=3 {
        client.write_all(&framed(&wire, b"", echo(&wire, stan))).await.expect("writes");
    }
    let mut places = Vec::new();
    while places.len() < 2 {
        match served.next().await {
            ConnectionEvent::Message(_, _, place) => places.push(place),
            ConnectionEvent::Up(outbox) => served.outboxes.push(outbox),
            ConnectionEvent::Down(closed) => panic!("closed: {closed:?}"),
        }
    }
    let third = timeout(Duration::from_millis(50), served.reports.recv()).await;
    assert!(third.is_err(), "{third:?}");
    let clone = places[0].clone();
    drop(places.remove(0));
    assert!(timeout(Duration::from_millis(50), served.reports.recv()).await.is_err(), "a clone holds the place");
    drop(clone);
    assert_eq!(stan_of(&*served.message().await), 3);
}

#[tokio::test]
async fn answers_leave_while_a_message_waits_for_its_place() {
    let wire = Wire { in_flight: Some(1), ..wire("bin2", 5_000) };
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    let two = [framed(&wire, b"", echo(&wire, 1)), framed(&wire, b"", echo(&wire, 2))].concat();
    client.write_all(&two).await.expect("writes");
    let ConnectionEvent::Up(outbox) = served.next().await else { panic!("first comes Up") };
    let ConnectionEvent::Message(_, _, place) = served.next().await else { panic!("then the message") };
    outbox.send(Framed::bare(Bytes::from_static(b"0810")).into()).await.expect("room");
    let mut frame = [0; 6];
    let read = timeout(Duration::from_secs(5), client.read_exact(&mut frame)).await;
    read.expect("while the second waits").expect("an answer");
    drop(place);
    assert_eq!(stan_of(&*served.message().await), 2);
}

#[tokio::test]
async fn a_finishing_connection_that_is_read_no_more_answers_what_was_read() {
    for told in [Closed::ByPeer, Closed::Framing, Closed::ByUs] {
        let wire = Wire { in_flight: Some(2), ..wire("bin2", 5_000) };
        let mut served = serve_for(wire.clone(), Finishing).await;
        let mut client = TcpStream::connect(served.address).await.expect("accepted");
        client.write_all(&framed(&wire, b"", echo(&wire, 1))).await.expect("writes");
        let ConnectionEvent::Up(outbox) = served.next().await else { panic!("first comes Up") };
        let ConnectionEvent::Message(_, _, place) = served.next().await else { panic!("then the message") };
        match told {
            Closed::ByPeer => client.shutdown().await.expect("an open socket"),
            Closed::Framing => client.write_all(b"\xFF\xFF").await.expect("writes"),
            _ => served.stop.opening.cancel(),
        }
        let still = timeout(Duration::from_millis(50), served.reports.recv()).await;
        assert!(still.is_err(), "it waits for what is under way: {still:?}");
        outbox.send(Framed::bare(Bytes::from_static(b"0810")).into()).await.expect("the connection lives");
        drop(place);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("closed, not reset");
        assert_eq!(rest, b"\x00\x040810", "{told:?}");
        assert_eq!(served.closed().await, told);
    }
}

#[tokio::test]
async fn the_end_of_serving_waits_for_nothing() {
    let wire = Wire { in_flight: Some(2), ..wire("bin2", 5_000) };
    let mut served = serve_for(wire.clone(), Finishing).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(&framed(&wire, b"", echo(&wire, 1))).await.expect("writes");
    let ConnectionEvent::Up(_outbox) = served.next().await else { panic!("first comes Up") };
    let ConnectionEvent::Message(_, _, _place) = served.next().await else { panic!("then the message") };
    served.stop.opening.cancel();
    served.stop.serving.cancel();
    assert_eq!(served.closed().await, Closed::ByUs);
}

#[tokio::test]
async fn the_owner_says_what_becomes_of_garbage_and_its_panic_ends_that_connection_alone() {
    let wire = wire("bin2", 5_000);
    let mut served = serve_for(wire.clone(), Finishing).await;
    let mut other = TcpStream::connect(served.address).await.expect("accepted");
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(&framed(&wire, b"", Bytes::from_static(b"no message at all"))).await.expect("writes");
    client.write_all(&framed(&wire, b"", echo(&wire, 8))).await.expect("writes");
    assert_eq!(stan_of(&*served.message().await), 8, "passed over, and the connection lives");
    let whole = echo(&wire, 9);
    client.write_all(&framed(&wire, b"", whole.slice(..whole.len() - 1))).await.expect("writes");
    assert_eq!(served.closed().await, Closed::Panic);
    other.write_all(&framed(&wire, b"", echo(&wire, 10))).await.expect("writes");
    assert_eq!(stan_of(&*served.message().await), 10);
}

#[tokio::test]
async fn a_keep_alive_is_answered_with_one() {
    let served = serve(wire("bin2", 5_000)).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(&[0; 6]).await.expect("writes");
    let mut three = [1; 6];
    timeout(Duration::from_secs(5), client.read_exact(&mut three)).await.expect("in time").expect("three empty frames");
    assert_eq!(three, [0; 6]);
}

#[tokio::test]
async fn garbage_closes_its_connection() {
    let wire = wire("bin2", 5_000);
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(&framed(&wire, b"", Bytes::from_static(b"no message at all"))).await.expect("writes");
    assert_eq!(served.closed().await, Closed::Garbage);
}

/// The request that it answers ends by its time-out; those of others on the connection go on.
#[tokio::test]
async fn an_answer_that_cannot_be_decoded_is_dropped() {
    let wire = wire("bin2", 5_000);
    let mut served = serve(wire.clone()).await;
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(&framed(&wire, b"", Bytes::from_static(b"0810"))).await.expect("writes");
    client.write_all(&framed(&wire, b"", echo(&wire, 44))).await.expect("writes");
    assert_eq!(stan_of(&*served.message().await), 44);
}

#[tokio::test]
async fn a_link_takes_so_many_connections_and_no_more() {
    let served = serve(wire("bin2", 5_000)).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(TcpStream::connect(served.address).await.expect("accepted"));
    }
    sleep(Duration::from_millis(50)).await;
    let mut fifth = TcpStream::connect(served.address).await.expect("the kernel accepts");
    assert_eq!(fifth.read(&mut [0; 1]).await.unwrap_or(0), 0);
    served.stop.serving.cancel();
}

#[tokio::test]
async fn a_link_that_opens_nothing_more_still_serves() {
    let mut served = serve(wire("bin2", 1000)).await;
    let mut peer = TcpStream::connect(served.address).await.expect("accepted");
    let ConnectionEvent::Up(outbox) = served.next().await else { panic!("not up") };
    served.stop.opening.cancel();
    for attempt in 0.. {
        match TcpStream::connect(served.address).await {
            Err(_) => break,
            Ok(_) => assert!(attempt < 200, "connections are still accepted"),
        }
        sleep(Duration::from_millis(5)).await;
    }
    outbox.send(Framed::bare(Bytes::from_static(b"0810")).into()).await.expect("room");
    let mut frame = [0; 6];
    peer.read_exact(&mut frame).await.expect("what stands goes on");
    assert_eq!(&frame, b"\x00\x040810");
    drop(outbox);
    assert!(matches!(served.next().await, ConnectionEvent::Down(Closed::ByUs)));
}

#[tokio::test]
async fn the_dialler_comes_back_and_the_owner_can_close() {
    let wire = wire("bin2", 5_000);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (sender, mut reports) = mpsc::channel(8);
    let backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(20));
    tokio::spawn(dial(address, LINK, wire, Plain, backoff, sender, Stop::new(CancellationToken::new())));
    let (peer, _) = listener.accept().await.expect("it dials");
    drop(peer);
    let (mut second, _) = listener.accept().await.expect("it dials again");
    let mut outboxes = Vec::new();
    while outboxes.len() < 2 {
        let report = timeout(Duration::from_secs(5), reports.recv()).await.expect("in time").expect("a report");
        if let ConnectionEvent::Up(outbox) = report.happening {
            outboxes.push(outbox);
        }
    }
    drop(outboxes);
    assert_eq!(second.read(&mut [0; 1]).await.expect("closed, not reset"), 0);
}

/// A layer over the socket: one byte as a handshake, then every byte inverted.
#[derive(Clone)]
struct Inverted;

struct InvertedHalf<S>(S);

impl Transport for Inverted {
    type Reading = InvertedHalf<OwnedReadHalf>;
    type Writing = InvertedHalf<OwnedWriteHalf>;

    async fn open(&self, mut socket: TcpStream, side: Side) -> io::Result<(Self::Reading, Self::Writing)> {
        match side {
            Side::Dialled => socket.write_u8(b'?').await?,
            Side::Accepted if socket.read_u8().await? == b'?' => {}
            Side::Accepted => return Err(io::ErrorKind::InvalidData.into()),
        }
        let (reading, writing) = socket.into_split();
        Ok((InvertedHalf(reading), InvertedHalf(writing)))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for InvertedHalf<R> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.0).poll_read(task, into);
        into.filled_mut()[before..].iter_mut().for_each(|byte| *byte = !*byte);
        read
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for InvertedHalf<W> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        Pin::new(&mut self.0).poll_write(task, &inverted)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}

#[tokio::test]
async fn a_layer_over_the_socket_serves_both_sides_and_nothing_of_it_reaches_the_frames() {
    let wire = wire("bin2", 5_000);
    let mut served = serve_over(Inverted, wire.clone(), 4, |reports| reports).await;
    let (sender, mut reports) = mpsc::channel(8);
    let backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60));
    let stop = Stop::new(CancellationToken::new());
    tokio::spawn(dial(served.address, LINK, wire.clone(), Inverted, backoff, sender, stop));
    let report = timeout(Duration::from_secs(5), reports.recv()).await.expect("in time").expect("a report");
    let ConnectionEvent::Up(outbox) = report.happening else { panic!("first comes Up") };
    outbox.send(Framed::bare(echo(&wire, 7)).into()).await.expect("the connection lives");
    assert_eq!(stan_of(&*served.message().await), 7);

    let mut stranger = TcpStream::connect(served.address).await.expect("the kernel accepts");
    stranger.write_all(&framed(&wire, b"", echo(&wire, 8))).await.expect("writes");
    assert_eq!(stranger.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    let told = timeout(Duration::from_millis(50), served.reports.recv()).await;
    assert!(told.is_err(), "nobody hears of a connection without a handshake: {told:?}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let quiet = Duration::from_millis(150);
    let wire = Wire { first_frame_within: Some(quiet), max_idle: Some(3 * quiet), ..wire("bin2", 5_000) };
    let mut served = serve(wire.clone()).await;
    let begin = Instant::now();
    let mut silent = TcpStream::connect(served.address).await.expect("accepted");
    assert_eq!(silent.read(&mut [0; 8]).await.expect("closed in good order"), 0);
    assert!(begin.elapsed() >= quiet && served.closed().await == Closed::Silent);
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    client.write_all(&framed(&wire, b"", echo(&wire, 1))).await.expect("writes");
    assert_eq!(stan_of(&*served.message().await), 1);
    let begin = Instant::now();
    assert_eq!(client.read(&mut [0; 8]).await.expect("closed in good order"), 0);
    assert!(begin.elapsed() >= 3 * quiet && served.closed().await == Closed::Silent);
}

#[tokio::test]
async fn an_address_has_its_share_of_the_connections_and_no_more() {
    let mut served = serve_over(Plain, wire("bin2", 5_000), 3, |reports| reports).await;
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(TcpStream::connect(served.address).await.expect("accepted"));
        let ConnectionEvent::Up(outbox) = served.next().await else { panic!("up") };
        served.outboxes.push(outbox);
    }
    let mut fourth = TcpStream::connect(served.address).await.expect("by the kernel");
    assert_eq!(fourth.read(&mut [0; 8]).await.unwrap_or(0), 0, "one of its address too many");
    drop(taken.pop());
    assert_eq!(served.closed().await, Closed::ByPeer);
    let mut client = TcpStream::connect(served.address).await.expect("accepted");
    let wire = wire("bin2", 5_000);
    let served_again = async {
        loop {
            if client.write_all(&framed(&wire, b"", echo(&wire, 7))).await.is_ok()
                && let Ok(Some(ConnectionReport { happening: ConnectionEvent::Up(_), .. })) =
                    timeout(Duration::from_millis(100), served.reports.recv()).await
            {
                return;
            }
            client = TcpStream::connect(served.address).await.expect("accepted");
        }
    };
    timeout(Duration::from_secs(3), served_again).await.expect("its place is free");
}

/// Otherwise the answers fill the outbox, and the connection is closed with those that are in it.
#[tokio::test]
async fn a_peer_that_sends_and_does_not_read_is_not_read_and_loses_nothing() {
    // more bytes than the kernel keeps for a peer that does not read
    const SENT: u32 = 150_000;
    let wire = Wire { in_flight: Some(16), ..wire("bin2", 5_000) };
    let mut served = serve(wire.clone()).await;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let (reading, mut writing) = socket.connect(served.address).await.expect("accepted").into_split();
    let mut reading = tokio::io::BufReader::new(reading);
    let ConnectionEvent::Up(outbox) = served.next().await else { panic!("first comes Up") };
    let answering = tokio::spawn(async move {
        while let Some(ConnectionReport { happening: ConnectionEvent::Message(header, message, place), .. }) =
            served.reports.recv().await
        {
            let framed = Framed { header, body: message.bytes().clone() };
            outbox.try_send(Outgoing { framed, place }).expect("room for the answers to what was read");
        }
    });
    let sending = {
        let wire = wire.clone();
        tokio::spawn(async move {
            for stan in 0..SENT {
                writing.write_all(&framed(&wire, b"", echo(&wire, stan % 999_999))).await.expect("writes");
            }
            writing
        })
    };
    // less than the time after which a peer counts as not reading
    sleep(Duration::from_secs(1)).await;
    let length = framed(&wire, b"", echo(&wire, 1)).len();
    let mut answer = vec![0; length];
    for _ in 1..=SENT {
        reading.read_exact(&mut answer).await.expect("every answer");
    }
    drop(sending.await.expect("all was sent"));
    answering.await.expect("the outbox was never full");
}

#[tokio::test]
async fn while_strangers_fill_a_listener_those_who_have_signed_on_get_in() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (sender, mut reports) = mpsc::channel(64);
    let (most, sources) = (Most { connections: 3, per_source: 3, reserved: 1 }, Sources::default());
    let stop = Stop::new(CancellationToken::new());
    let admitted = (most, sources.clone());
    tokio::spawn(listen(listener, LINK, wire("bin2", 5_000), Plain, admitted, sender, stop.clone()));
    let from = async |source: [u8; 4]| {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).expect("an address of this machine");
        socket.connect(address).await.expect("by the kernel")
    };
    let mut up = async || match timeout(Duration::from_millis(200), reports.recv()).await {
        Ok(Some(ConnectionReport { connection, happening: ConnectionEvent::Up(outbox), .. })) => {
            Some((connection, outbox))
        }
        _ => None,
    };
    let honest = from([127, 0, 0, 2]).await;
    let (connection, outbox) = up().await.expect("there is room");
    sources.signed_on(connection);
    let stranger = from([127, 0, 0, 3]).await;
    let second = up().await.expect("there is room for two");
    let refused = from([127, 0, 0, 4]).await;
    assert!(up().await.is_none(), "the last place is not for strangers");
    let again = from([127, 0, 0, 2]).await;
    assert!(up().await.is_some(), "it is for those who have signed on before");
    drop((honest, stranger, refused, again, outbox, second));
}

#[tokio::test]
async fn all_listeners_together_have_no_more_connections_than_the_program_may() {
    let (sender, mut reports) = mpsc::channel(64);
    let sources = Sources::of(1);
    let stop = Stop::new(CancellationToken::new());
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        addresses.push(listener.local_addr().expect("bound"));
        let admitted = (Most { connections: 4, per_source: 4, reserved: 0 }, sources.clone());
        tokio::spawn(listen(listener, LINK, wire("bin2", 5_000), Plain, admitted, sender.clone(), stop.clone()));
    }
    let first = TcpStream::connect(addresses[0]).await.expect("by the kernel");
    let up = timeout(Duration::from_secs(5), reports.recv()).await.expect("in time").expect("a report");
    assert!(matches!(up.happening, ConnectionEvent::Up(_)));
    let mut second = TcpStream::connect(addresses[1]).await.expect("by the kernel");
    let read = timeout(Duration::from_secs(5), second.read(&mut [0])).await.expect("closed at once");
    assert!(matches!(read, Ok(0) | Err(_)), "nothing is ever said to it");
    drop((first, up));
}
