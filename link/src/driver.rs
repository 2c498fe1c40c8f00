//! The tasks that own the sockets. One task per connection reads, cuts frames, decodes and writes; nothing else
//! touches the socket. What arrives is reported over a bounded channel, so a slow owner slows the peers down instead
//! of filling memory; what is to be sent waits in a bounded outbox, and a peer that does not read loses its connection.
//!
//! A broken frame, an undecodable message or even a panic ends or answers on its own connection only.
#![expect(clippy::disallowed_methods, reason = "this is the module with the clock and the tasks")]

use crate::backoff::Backoff;
use crate::linger;
use bytes::{Bytes, BytesMut};
use codecs::de::DataElement;
use codecs::frame::{Frame, FrameCodec, FrameError, Framed, Framing};
use codecs::{Builder, DecodeError, Dialect, Message, Version, de, value};
use futures::FutureExt;
use metrics::{counter, gauge};
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::sync::CancellationToken;

/// Frames that may wait for a peer that reads slowly.
const OUTBOX_FRAMES: usize = 4096;
/// Frames taken into one write.
const FRAMES_PER_WRITE: usize = 64;
/// No further frames are taken while so much waits for the socket.
const WRITE_BUFFER_BYTES: usize = 64 << 10;
/// A write that makes no progress for so long: the peer does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(1);

/// One connection, unique within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Where frames for a connection are put; dropping it closes the connection once all are written.
pub type Outbox = mpsc::Sender<Framed>;

/// A message's place among those that may be under way on its connection; free again when the last clone is dropped.
/// While none is free the connection is not read, so that a peer which floods slows itself down.
#[derive(Debug, Clone, Default)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] Option<Arc<OwnedSemaphorePermit>>);

/// Something happened on a connection of the link tagged `link`.
#[derive(Debug)]
pub struct Report<L> {
    pub link: L,
    pub connection: ConnectionId,
    pub happening: Happening,
}

#[derive(Debug)]
pub enum Happening {
    Up(Outbox),
    /// A message, what its frame carried before it, and its place among those under way on the connection.
    Message(Bytes, Box<Message>, Place),
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
            Self::NotReading => "not-reading",
            Self::Io => "io",
            Self::Panic => "panic",
        }
    }
}

/// How the messages of a link stand on the wire.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The link's name, in logs and metrics.
    pub name: Arc<str>,
    pub dialect: Arc<Dialect>,
    pub framing: Framing,
    pub max_frame_bytes: usize,
    /// From a frame's first byte to its last.
    pub frame_timeout: Duration,
    /// Messages under way at once on one connection; `None` where the owner itself decides what it asks.
    pub in_flight: Option<usize>,
}

/// When the tasks of a link end.
#[derive(Debug, Clone)]
pub struct Stop {
    /// No connection is opened any more; those that stand go on.
    pub opening: CancellationToken,
    /// Connections end where they are.
    pub serving: CancellationToken,
}

impl Stop {
    /// `serving` ends the opening of connections as well.
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
    metrics::describe_counter!("link_refused_total", "Connections refused because the link has as many as it may");
}

/// Accepts connections until told otherwise; each is served by a task of its own.
pub async fn listen<L: Copy + Send + Sync + 'static>(
    listener: TcpListener,
    link: L,
    wire: Wire,
    max_connections: usize,
    reports: mpsc::Sender<Report<L>>,
    stop: Stop,
) {
    let room = Arc::new(Semaphore::new(max_connections));
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
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            counter!("link_refused_total", "link" => wire.name.to_string()).increment(1);
            continue;
        };
        let (wire, reports, stop) = (wire.clone(), reports.clone(), stop.clone());
        tokio::spawn(async move {
            connection(stream, peer, link, &wire, &reports, &stop.serving).await;
            drop(place);
        });
    }
}

/// Keeps one connection to `address` open until told otherwise: connects, serves, and connects again after a back-off.
pub async fn dial<L: Copy + Send + Sync + 'static>(
    address: SocketAddr,
    link: L,
    wire: Wire,
    mut backoff: Backoff,
    reports: mpsc::Sender<Report<L>>,
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
                connection(stream, address, link, &wire, &reports, &stop.serving).await;
                // a peer that accepts and closes at once is not one that works
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
async fn connection<L: Copy>(
    stream: TcpStream,
    peer: SocketAddr,
    link: L,
    wire: &Wire,
    reports: &mpsc::Sender<Report<L>>,
    stop: &CancellationToken,
) {
    let connection = ConnectionId(NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed));
    let (outbox, inbox) = mpsc::channel(OUTBOX_FRAMES);
    let reporter = Reporter { link, connection, reports };
    if let Err(error) = tune(&stream) {
        tracing::warn!(link = %wire.name, %peer, %error, "cannot set socket options");
    }
    // an owner that is gone takes no reports; then there is nobody to serve for
    if reporter.report(Happening::Up(outbox.clone())).await.is_err() {
        return;
    }
    let open = gauge!("link_connections", "link" => wire.name.to_string());
    open.increment(1.0);
    tracing::info!(link = %wire.name, connection = connection.0, %peer, "connected");
    let answers = outbox.downgrade();
    // from here on the owner alone keeps the connection open
    drop(outbox);
    let codec = wire.framing.codec(wire.max_frame_bytes).of(&wire.dialect);
    let places = wire.in_flight.map(|most| Arc::new(Semaphore::new(most)));
    let mut serving = Serving { wire, codec, reporter: &reporter, answers, out: BytesMut::new(), places };
    let serve = AssertUnwindSafe(serving.serve(stream, inbox, stop));
    let closed = serve.catch_unwind().await.unwrap_or(Closed::Panic);
    open.decrement(1.0);
    counter!("link_closed_total", "link" => wire.name.to_string(), "reason" => closed.label()).increment(1);
    match closed {
        Closed::ByPeer | Closed::ByUs => {
            tracing::info!(link = %wire.name, connection = connection.0, reason = closed.label(), "closed");
        }
        _ => tracing::warn!(link = %wire.name, connection = connection.0, %peer, reason = closed.label(), "closed"),
    }
    // as above
    let _ = reporter.report(Happening::Down(closed)).await;
}

struct Reporter<'r, L> {
    link: L,
    connection: ConnectionId,
    reports: &'r mpsc::Sender<Report<L>>,
}

impl<L: Copy> Reporter<'_, L> {
    async fn report(&self, happening: Happening) -> Result<(), Closed> {
        let report = Report { link: self.link, connection: self.connection, happening };
        self.reports.send(report).await.map_err(|_| Closed::ByUs)
    }
}

/// A dead peer is noticed within about four seconds, and small frames leave at once.
fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(2)).with_interval(Duration::from_secs(1)).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(Duration::from_secs(4)))
}

struct Serving<'w, L> {
    wire: &'w Wire,
    codec: FrameCodec,
    reporter: &'w Reporter<'w, L>,
    /// For answers to undecodable messages, which the owner never sees.
    answers: mpsc::WeakSender<Framed>,
    out: BytesMut,
    places: Option<Arc<Semaphore>>,
}

impl<L: Copy> Serving<'_, L> {
    async fn serve(
        &mut self,
        stream: TcpStream,
        mut inbox: mpsc::Receiver<Framed>,
        stop: &CancellationToken,
    ) -> Closed {
        let (mut reading, mut writing) = stream.into_split();
        let mut incoming = BytesMut::with_capacity(8 << 10);
        let mut batch = Vec::with_capacity(FRAMES_PER_WRITE);
        let mut frame_deadline: Option<Instant> = None;
        let mut write_deadline: Option<Instant> = None;
        let mut open = true;
        loop {
            if !open && self.out.is_empty() {
                linger::close(reading, writing).await;
                return Closed::ByUs;
            }
            tokio::select! {
                () = stop.cancelled() => return Closed::ByUs,
                read = reading.read_buf(&mut incoming) => match read {
                    Ok(0) if incoming.is_empty() => return Closed::ByPeer,
                    Ok(0) => return Closed::HalfFrame,
                    Ok(_) => match self.take_frames(&mut incoming).await {
                        Ok(_) if incoming.is_empty() => frame_deadline = None,
                        // what is left is the start of a frame that began in this read
                        Ok(1..) => frame_deadline = Some(Instant::now() + self.wire.frame_timeout),
                        Ok(0) => _ = frame_deadline.get_or_insert_with(|| Instant::now() + self.wire.frame_timeout),
                        Err(closed) => return closed,
                    },
                    Err(_) => return Closed::Io,
                },
                taken = inbox.recv_many(&mut batch, FRAMES_PER_WRITE), if open && self.out.len() < WRITE_BUFFER_BYTES => {
                    open = taken > 0;
                    self.encode(&mut batch);
                    write_deadline.get_or_insert_with(|| Instant::now() + WRITE_TIMEOUT);
                }
                written = writing.write_buf(&mut self.out), if !self.out.is_empty() => match written {
                    Ok(_) => write_deadline = (!self.out.is_empty()).then(|| Instant::now() + WRITE_TIMEOUT),
                    Err(_) => return Closed::Io,
                },
                () = at(frame_deadline) => return Closed::HalfFrame,
                () = at(write_deadline), if !self.out.is_empty() => return Closed::NotReading,
            }
        }
    }

    fn encode(&mut self, batch: &mut Vec<Framed>) {
        for framed in batch.drain(..) {
            let message = Frame::Message(framed);
            if let Err(error) = self.codec.encode(message, &mut self.out) {
                tracing::error!(link = %self.wire.name, connection = self.reporter.connection.0, %error, "cannot frame");
                continue;
            }
            counter!("link_messages_total", "link" => self.wire.name.to_string(), "direction" => "out").increment(1);
        }
    }

    /// Cuts and reports every whole frame; says how many there were.
    async fn take_frames(&mut self, incoming: &mut BytesMut) -> Result<usize, Closed> {
        let mut taken = 0;
        loop {
            match self.codec.decode(incoming) {
                Ok(None) => return Ok(taken),
                Ok(Some(Frame::KeepAlive)) => self.echo_keep_alive(),
                Ok(Some(Frame::Message(framed))) => {
                    counter!("link_messages_total", "link" => self.wire.name.to_string(), "direction" => "in")
                        .increment(1);
                    self.take_message(&framed).await?;
                }
                Err(error) => {
                    self.log_framing(&error);
                    return Err(Closed::Framing);
                }
            }
            taken += 1;
        }
    }

    /// An empty frame is answered with one: the peer asks whether we live.
    fn echo_keep_alive(&mut self) {
        if self.out.len() < WRITE_BUFFER_BYTES {
            // an empty frame always fits
            let _ = self.codec.encode(Frame::KeepAlive, &mut self.out);
        }
    }

    async fn take_message(&mut self, framed: &Framed) -> Result<(), Closed> {
        // copied out, or a request that waits would pin the whole read buffer
        let body = Bytes::copy_from_slice(&framed.body);
        match Message::decode(&self.wire.dialect, body) {
            Ok(message) => {
                let header = Bytes::copy_from_slice(&framed.header);
                let place = match &self.places {
                    // the places are never closed
                    Some(places) => Place(Arc::clone(places).acquire_owned().await.ok().map(Arc::new)),
                    None => Place::default(),
                };
                self.reporter.report(Happening::Message(header, Box::new(message), place)).await
            }
            Err(error) => self.refuse(framed, error),
        }
    }

    /// Answers a message that could not be decoded, if it can be told what it was.
    fn refuse(&mut self, framed: &Framed, error: DecodeError) -> Result<(), Closed> {
        let link = self.wire.name.to_string();
        counter!("link_undecodable_total", "link" => link, "element" => error.path(), "kind" => error.kind.name())
            .increment(1);
        tracing::warn!(link = %self.wire.name, connection = self.reporter.connection.0, %error, "undecodable message");
        let readable = Message::decode_readable(&self.wire.dialect, framed.body.clone());
        let answer = readable.as_ref().and_then(format_error_answer).ok_or(Closed::Garbage)?;
        // a full outbox means the peer does not read its answers; this one may be lost as well
        if let Some(answers) = self.answers.upgrade() {
            let _ = answers.try_send(framed.answer(answer));
        }
        Ok(())
    }

    fn log_framing(&self, error: &FrameError) {
        tracing::warn!(link = %self.wire.name, connection = self.reporter.connection.0, %error, "broken frame");
    }
}

/// The answer 30 (904 in 1993) to a request of which only the first elements could be read. `None` for what is no
/// request of a known version: an answer to it could only confuse the peer more.
fn format_error_answer(readable: &Message) -> Option<Bytes> {
    let mti = readable.mti();
    if mti.version() != Some(readable.dialect().version) || mti.is_response() || mti == mti.answer() {
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
