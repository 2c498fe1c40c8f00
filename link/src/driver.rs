//! The tasks that own the sockets. One task per connection reads, cuts frames, decodes (`reader`) and writes
//! (`writer`); nothing else uses the socket. Messages that arrive are reported over a bounded channel, so a slow owner
//! slows its peers down instead of filling memory. Frames to be sent wait in a bounded outbox, and a peer that does not
//! read loses its connection.
//!
//! The program that is served implements `Owner`: it chooses the channel for reports (one for all connections, or one
//! for each), the handling of a message that cannot be decoded, and whether a connection that is no longer read waits
//! for the answers to the messages that were read.
//!
//! A broken frame, an undecodable message or even a panic has an effect on its own connection only.
#![expect(clippy::disallowed_methods, reason = "this is the module with the clock and the tasks")]

mod reader;
mod sources;
mod writer;

use crate::backoff::Backoff;
use crate::linger;
use crate::transport::{Side, Transport};
use bytes::{Bytes, BytesMut};
use codecs::de::DataElement;
use codecs::frame::{Framed, Framing};
use codecs::{Builder, DecodeError, Dialect, Message, Version, de, value};
use futures::FutureExt;
use metrics::{Counter, counter, gauge};
use reader::Reader;
use socket2::{SockRef, TcpKeepalive};
pub use sources::Sources;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use writer::Writer;

/// Frames that may wait for a peer that reads slowly.
const OUTBOX_FRAMES: usize = 4096;
/// Empty frames that may wait to be answered.
const KEEP_ALIVES: usize = 64;
/// Frames taken into one write.
const FRAMES_PER_WRITE: usize = 64;
/// No further frames are taken while so much waits for the socket.
const WRITE_BUFFER_BYTES: usize = 64 << 10;
/// If a write makes no progress for so long, the peer counts as not reading.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);

/// One connection, unique within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    fn next() -> Self {
        Self(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed))
    }
}

/// The queue of frames to be sent over a connection; dropping it closes the connection once all are written.
pub type Outbox = mpsc::Sender<Outgoing>;

/// A frame to be sent; an answer together with the place of its message, which is free again when the frame is written. A
/// peer that sends and does not read is then not read either, before its answers fill the outbox.
#[derive(Debug)]
pub struct Outgoing {
    pub framed: Framed,
    pub place: InFlightPermit,
}

impl From<Framed> for Outgoing {
    fn from(framed: Framed) -> Self {
        Self { framed, place: InFlightPermit::default() }
    }
}

/// A permit for one message under way on its connection; free again when the last clone is dropped. While none is free,
/// the connection is not read, so that a peer that sends too much slows itself down.
#[derive(Debug, Clone, Default)]
pub struct InFlightPermit(#[expect(dead_code, reason = "held, not read")] Option<Arc<OwnedSemaphorePermit>>);

/// An event on a connection of the link tagged `link`.
#[derive(Debug)]
pub struct ConnectionReport<L> {
    pub link: L,
    pub connection: ConnectionId,
    pub happening: ConnectionEvent,
}

#[derive(Debug)]
pub enum ConnectionEvent {
    Up(Outbox),
    /// The header of a frame, its message, and the permit of that message.
    Message(Bytes, Box<Message>, InFlightPermit),
    Down(Closed),
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    ByPeer,
    /// The outbox was dropped, or the program ends.
    ByUs,
    /// The stream could not be cut into frames.
    Framing,
    /// A message of which not even the MTI could be read.
    Garbage,
    /// A frame stayed unfinished for too long.
    HalfFrame,
    /// No frame came for too long.
    Silent,
    /// The transport could not be opened.
    Handshake,
    /// The peer stopped reading.
    NotReading,
    Io,
    Panic,
}

impl Closed {
    fn label(self) -> &'static str {
        match self {
            Self::ByPeer => "by-peer",
            Self::ByUs => "by-us",
            Self::Framing => "framing",
            Self::Garbage => "garbage",
            Self::HalfFrame => "half-frame",
            Self::Silent => "silent",
            Self::Handshake => "handshake",
            Self::NotReading => "not-reading",
            Self::Io => "io",
            Self::Panic => "panic",
        }
    }
}

/// The program that the connections of a link are served for. A channel is an owner too: it gets the reports of all
/// connections.
pub trait Owner<L>: Clone + Send + Sync + 'static {
    /// Whether a connection that is no longer read (its peer closed its side, its stream is broken, or `Stop::opening`
    /// was cancelled) stays until each `InFlightPermit` is free: the owner then puts a place into the outbox with its answer.
    /// Otherwise such a connection ends at once.
    const DRAINS: bool = false;

    /// The channel for the reports of a new connection: the same for all, or one for each.
    fn reports(&self) -> mpsc::Sender<ConnectionReport<L>>;

    /// The handling of a message that cannot be decoded; `readable` has its elements before the fault, if the MTI is
    /// readable.
    fn unreadable(&self, _: &DecodeError, readable: Option<&Message>) -> Unreadable {
        match readable {
            // an answer, say: its request ends by its time-out, and those of others under way go on
            Some(readable) => format_error_answer(readable).map_or(Unreadable::Drop, Unreadable::Answer),
            None => Unreadable::Close,
        }
    }
}

impl<L: Send + 'static> Owner<L> for mpsc::Sender<ConnectionReport<L>> {
    fn reports(&self) -> Self {
        self.clone()
    }
}

/// The handling of a message that cannot be decoded.
#[derive(Debug)]
pub enum Unreadable {
    /// It is answered with this message.
    Answer(Bytes),
    /// It is ignored.
    Drop,
    /// Its connection is closed.
    Close,
}

/// The wire format of a link, and the limits of its connections.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The link's name, in logs and metrics.
    pub name: Arc<str>,
    pub dialect: Arc<Dialect>,
    pub framing: Framing,
    pub max_frame_bytes: usize,
    /// From a frame's first byte to its last.
    pub frame_timeout: Duration,
    /// Messages under way at once on one connection; `None` for no limit, where the owner is the one that sends
    /// requests.
    pub in_flight: Option<usize>,
    /// How long a connection may say nothing before its first frame; `None` for ever.
    pub first_frame_within: Option<Duration>,
    /// How long it may say nothing after a frame.
    pub max_idle: Option<Duration>,
}

/// How many connections a listener takes.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub connections: usize,
    /// From one address.
    pub per_source: usize,
    /// Of `connections`, for addresses that have signed on before ([`Sources::signed_on`]).
    pub reserved: usize,
}

/// Tokens that end the tasks of a link.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Cancelled: no connection is opened any more. Open ones go on, or are no longer read if their owner `DRAINS`.
    pub opening: CancellationToken,
    /// Cancelled: connections end at once.
    pub serving: CancellationToken,
}

impl Stop {
    /// Cancelling `serving` cancels `opening` too.
    pub fn new(serving: CancellationToken) -> Self {
        Self { opening: serving.child_token(), serving }
    }
}

/// Gives the driver's metrics their help texts.
pub fn describe_metrics() {
    metrics::describe_gauge!("link_connections", "Open connections by link");
    metrics::describe_counter!("link_messages_total", "Messages by link and direction (in, out)");
    metrics::describe_counter!("link_closed_total", "Connections that ended, by link and reason");
    metrics::describe_counter!(
        "link_undecodable_total",
        "Messages that could not be decoded, by link, element and kind of fault"
    );
    metrics::describe_counter!(
        "link_refused_total",
        "Connections refused because the link has as many as it may, in all (full) or from that address (source), or the program as many as it may (program)"
    );
}

/// Accepts connections until `stop`; each is served by a task of its own.
pub async fn listen<L: Copy + Send + Sync + 'static>(
    listener: TcpListener,
    link: L,
    wire: Wire,
    transport: impl Transport,
    (most, sources): (Most, Sources),
    owner: impl Owner<L>,
    stop: Stop,
) {
    let room = Arc::new(Semaphore::new(most.connections));
    let own = listener.local_addr().expect("a socket that listens has an address");
    loop {
        let accepted = tokio::select! {
            () = stop.opening.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // out of descriptors, most likely: the pending connection stays in the queue
                tracing::warn!(link = %wire.name, %error, "cannot accept");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(mut source) = sources.admit(own, peer.ip(), most.per_source) else {
            counter!("link_refused_total", "link" => wire.name.to_string(), "reason" => "source").increment(1);
            continue;
        };
        let reserved = room.available_permits() <= most.reserved && !sources.has_signed_on(peer.ip());
        let Some(place) = Arc::clone(&room).try_acquire_owned().ok().filter(|_| !reserved) else {
            counter!("link_refused_total", "link" => wire.name.to_string(), "reason" => "full").increment(1);
            continue;
        };
        let Some(of_all) = sources.place() else {
            counter!("link_refused_total", "link" => wire.name.to_string(), "reason" => "program").increment(1);
            continue;
        };
        let (wire, transport, owner, stop) = (wire.clone(), transport.clone(), owner.clone(), stop.clone());
        // here and not in the task: once this loop has ended, the owner has been asked for every connection's channel
        let reports = owner.reports();
        tokio::spawn(async move {
            let id = ConnectionId::next();
            source.has(id);
            connection((stream, peer, id), link, &wire, (&transport, Side::Accepted), (&owner, reports), &stop).await;
            drop((place, of_all, source));
        });
    }
}

/// Keeps one connection to `address` open until `stop`: connects, serves, and connects again after a back-off.
pub async fn dial<L: Copy + Send + Sync + 'static>(
    address: SocketAddr,
    link: L,
    wire: Wire,
    transport: impl Transport,
    mut backoff: Backoff,
    owner: impl Owner<L>,
    stop: Stop,
) {
    loop {
        let connected = tokio::select! {
            () = stop.opening.cancelled() => return,
            connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)) => connected,
        };
        match connected {
            Ok(Ok(stream)) => {
                let since = Instant::now();
                let (transport, owner) = ((&transport, Side::Dialled), (&owner, owner.reports()));
                connection((stream, address, ConnectionId::next()), link, &wire, transport, owner, &stop).await;
                // a peer that accepts and closes at once does not work yet
                if since.elapsed() > Duration::from_secs(1) {
                    backoff.reset();
                }
            }
            Ok(Err(error)) => tracing::debug!(link = %wire.name, %address, %error, "cannot connect"),
            Err(_) => tracing::debug!(link = %wire.name, %address, "cannot connect: no answer"),
        }
        tokio::select! {
            () = stop.opening.cancelled() => return,
            () = sleep(backoff.next(rand::random())) => {}
        }
    }
}

/// Serves one connection from its `Up` to its `Down`.
async fn connection<L: Copy, O: Owner<L>, T: Transport>(
    (socket, peer, connection): (TcpStream, SocketAddr, ConnectionId),
    link: L,
    wire: &Wire,
    (transport, side): (&T, Side),
    (owner, reports): (&O, mpsc::Sender<ConnectionReport<L>>),
    stop: &Stop,
) {
    let (outbox, inbox) = mpsc::channel(OUTBOX_FRAMES);
    let reporter = Reporter { link, connection, reports };
    if let Err(error) = tune(&socket) {
        tracing::warn!(link = %wire.name, %peer, %error, "cannot set socket options");
    }
    let opened = tokio::select! {
        () = stop.serving.cancelled() => return,
        opened = timeout(HANDSHAKE_TIMEOUT, transport.open(socket, side)) => opened,
    };
    let halves = match opened.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
        Ok(halves) => halves,
        Err(error) => {
            let reason = Closed::Handshake.label();
            counter!("link_closed_total", "link" => wire.name.to_string(), "reason" => reason).increment(1);
            tracing::warn!(link = %wire.name, connection = connection.0, %peer, %error, "the handshake failed");
            return;
        }
    };
    // this fails when the owner has ended: then the connection is not served
    if reporter.report(ConnectionEvent::Up(outbox.clone())).await.is_err() {
        return;
    }
    let open = gauge!("link_connections", "link" => wire.name.to_string());
    open.increment(1.0);
    tracing::info!(link = %wire.name, connection = connection.0, %peer, "connected");
    let answers = outbox.downgrade();
    // from here on the owner alone keeps the connection open
    drop(outbox);
    let codec = wire.framing.codec(wire.max_frame_bytes).of(&wire.dialect);
    let (keep_alives, asked) = mpsc::channel(KEEP_ALIVES);
    let mut writer = Writer {
        wire,
        codec: codec.clone(),
        inbox,
        keep_alives: asked,
        written: messages(wire, "out"),
        places: Vec::new(),
        out: BytesMut::new(),
    };
    let mut reader = Reader {
        wire,
        codec,
        owner,
        reporter: &reporter,
        answers,
        keep_alives,
        places: wire.in_flight.map(|most| Arc::new(Semaphore::new(most))),
        read: messages(wire, "in"),
    };
    let serving = AssertUnwindSafe(serve(halves, &mut reader, &mut writer, stop));
    let closed = serving.catch_unwind().await.unwrap_or(Closed::Panic);
    open.decrement(1.0);
    counter!("link_closed_total", "link" => wire.name.to_string(), "reason" => closed.label()).increment(1);
    match closed {
        Closed::ByPeer | Closed::ByUs => {
            tracing::info!(link = %wire.name, connection = connection.0, reason = closed.label(), "closed");
        }
        _ => tracing::warn!(link = %wire.name, connection = connection.0, %peer, reason = closed.label(), "closed"),
    }
    // this fails when the owner has ended
    let _ = reporter.report(ConnectionEvent::Down(closed)).await;
}

/// The counter of a connection's messages; made once, a message only adds to it.
fn messages(wire: &Wire, direction: &'static str) -> Counter {
    counter!("link_messages_total", "link" => wire.name.to_string(), "direction" => direction)
}

struct Reporter<L> {
    link: L,
    connection: ConnectionId,
    reports: mpsc::Sender<ConnectionReport<L>>,
}

impl<L: Copy> Reporter<L> {
    async fn report(&self, happening: ConnectionEvent) -> Result<(), Closed> {
        let report = ConnectionReport { link: self.link, connection: self.connection, happening };
        self.reports.send(report).await.map_err(|_| Closed::ByUs)
    }
}

/// A dead peer is noticed within about four seconds, and small frames are sent at once.
fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(2)).with_interval(Duration::from_secs(1)).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(Duration::from_secs(4)))
}

/// Serves the two halves of a connection; the last bytes written arrive before it is closed.
async fn serve<L: Copy, O: Owner<L>>(
    (mut reading, mut writing): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    reader: &mut Reader<'_, L, O>,
    writer: &mut Writer<'_>,
    stop: &Stop,
) -> Closed {
    match exchange((&mut reading, &mut writing), reader, writer, stop).await {
        Ok(why) => {
            linger::close(reading, writing).await;
            why
        }
        Err(why) => why,
    }
}

/// Reads and writes concurrently, in one task: answers are written while the reader waits for a place, or for its owner
/// to take a report. `Ok` when everything has been written, `Err` when the connection ends at once.
async fn exchange<L: Copy, O: Owner<L>>(
    (reading, writing): (&mut (impl AsyncRead + Unpin), &mut (impl AsyncWrite + Unpin)),
    reader: &mut Reader<'_, L, O>,
    writer: &mut Writer<'_>,
    stop: &Stop,
) -> Result<Closed, Closed> {
    let last = Notify::new();
    let mut write = pin!(writer.run(writing, &last));
    let why = {
        // dropped with this block, together with a message that waits for its place: that one was never reported
        let mut read = pin!(reader.run(reading));
        tokio::select! {
            () = stop.serving.cancelled() => return Err(Closed::ByUs),
            () = stop.opening.cancelled(), if O::DRAINS => Closed::ByUs,
            why = &mut read => why,
            written = &mut write => return written.map(|()| Closed::ByUs),
        }
    };
    if !O::DRAINS || why == Closed::Io {
        return Err(why);
    }
    let mut answered = pin!(reader.answered());
    let mut told = false;
    loop {
        tokio::select! {
            () = stop.serving.cancelled() => return Err(why),
            () = &mut answered, if !told => {
                told = true;
                last.notify_one();
            }
            written = &mut write => return written.map(|()| why),
        }
    }
}

/// The answer 30 (904 in 1993) to a request of which only the first elements could be read. `None` if it is no request
/// of the link's version: an answer would only confuse the peer more.
fn format_error_answer(readable: &Message) -> Option<Bytes> {
    let mti = readable.mti();
    if mti.version() != Some(readable.dialect().version) || !mti.is_answered() {
        return None;
    }
    let mut answer = Builder::answer_to(readable);
    for element in [de::TransmissionTime::NUMBER, de::Stan::NUMBER, de::TerminalId::NUMBER] {
        answer.copy_element(readable, element);
    }
    match readable.dialect().version {
        Version::V1987 => answer.put::<de::ResponseCode>(value::ResponseCode::FORMAT_ERROR),
        _ => answer.put::<de::v93::ActionCode>(value::Number(value::ResponseCode::FORMAT_ERROR.to_action().into())),
    };
    answer.encode().ok()
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
