//! A connection to the switch: requests out, answers matched to them by terminal and trace number.
//!
//! One task writes, one reads. A connection that broke is dialled again by the next request; requests that were under way on the
//! old one end as lost, because nobody can tell how far they came. An answer that arrives after its request was given up is
//! only written to the log, as late.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use codecs::frame::{Frame, FrameCodec, Framed, Framing};
use codecs::value::{ResponseCode, Stan, TerminalId};
use codecs::{Builder, Dialect, Message, Mti, de, mti};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::codec::{Decoder, Encoder};

use crate::exchange::{Answer, Exchange, NoAnswer, SentRequest};
use crate::log::Log;

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("cannot connect to {target}: {source}")]
    Connect { target: String, source: std::io::Error },
    #[error("{0} did not accept a connection in time")]
    ConnectTimeout(String),
    #[error("sign-on was not accepted: {0}")]
    SignOn(String),
    #[error("a request with the same terminal and trace number is under way")]
    Busy,
    #[error("the connection closed before the request was handed to it")]
    Closed,
}

/// The address of a connection, its dialect and framing, and its timers.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// `host:port`.
    pub target: String,
    pub dialect: Arc<Dialect>,
    pub framing: Framing,
    /// Transport header of each frame, for framings that have one.
    pub tpdu: Option<[u8; 5]>,
    pub connect_timeout: Duration,
    pub answer_timeout: Duration,
}

/// A request that must be answered before anything else is sent on a new connection.
pub type Greeting = Box<dyn Fn() -> (SentRequest, Bytes) + Send + Sync>;

/// A connection to the switch, dialled again when it breaks; a clone is another handle to the same connection.
#[derive(Clone)]
pub struct Connection(Arc<ConnectionInner>);

/// The part of a `Connection` that all its clones share: settings, the TCP connection while there is one, and the requests
/// without an answer.
struct ConnectionInner {
    settings: ConnectionSettings,
    greeting: Option<Greeting>,
    log: Arc<Log>,
    live: RwLock<Option<LiveConnection>>,
    /// Held while dialling, so that one request dials and the others wait for it.
    dialling: tokio::sync::Mutex<()>,
    pending: Pending,
    /// Number of TCP connections made so far.
    epochs: AtomicU64,
}

/// One TCP connection while it lives.
#[derive(Clone)]
struct LiveConnection {
    out: mpsc::UnboundedSender<Frame>,
    alive: Arc<AtomicBool>,
    /// Wakes the reading task when this side closes the connection.
    stop: Arc<Notify>,
    /// Numbers the TCP connections, so that the end of one does not fail requests on its successor.
    epoch: u64,
}

/// The values by which an answer is matched to its request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct AnswerKey {
    answer: Mti,
    terminal: Option<TerminalId>,
    stan: Stan,
}

struct ArrivedAnswer {
    message: Message,
    at: Instant,
}

enum PendingRequest {
    Waiting { epoch: u64, sender: oneshot::Sender<ArrivedAnswer> },
    GivenUp { asked: Box<SentRequest>, sent_us: u64, at: Instant },
}

/// How late an answer may be and still be recognized.
const LATE_AFTER: Duration = Duration::from_secs(300);
/// With more requests given up than this, old ones are dropped.
const GIVEN_UP_MOST: usize = 50_000;
const READ_BUFFER: usize = 64 * 1024;

impl Connection {
    /// A connection that is dialled when it is first used. Each time, the `greeting` is sent and must be approved.
    #[must_use]
    pub fn new(settings: ConnectionSettings, greeting: Option<Greeting>, log: Arc<Log>) -> Self {
        Self(Arc::new(ConnectionInner {
            settings,
            greeting,
            log,
            live: RwLock::new(None),
            dialling: tokio::sync::Mutex::new(()),
            pending: Pending::default(),
            epochs: AtomicU64::new(0),
        }))
    }

    #[must_use]
    pub fn dialect(&self) -> &Arc<Dialect> {
        &self.0.settings.dialect
    }

    /// Connects now, if it is not connected.
    ///
    /// # Errors
    /// Nobody listens, or the sign-on is refused.
    pub async fn connect(&self) -> Result<(), ConnectionError> {
        self.live().await.map(|_| ())
    }

    /// Drops the connection as a pulled cable would; requests under way end as lost.
    pub fn cut(&self) {
        let live = self.0.lock_live().take();
        if let Some(live) = live {
            self.0.close(&live);
        }
    }

    /// Sends a request and waits for its answer, at most as long as the settings say. The result is logged in every case.
    ///
    /// # Errors
    /// The request was not sent.
    pub async fn exchange(
        &self,
        asked: SentRequest,
        body: Bytes,
        authentic: &(dyn Fn(&Message) -> bool + Sync),
    ) -> Result<Exchange, ConnectionError> {
        let live = self.live().await?;
        self.0.exchange_on(&live, asked, body, authentic).await
    }

    async fn live(&self) -> Result<LiveConnection, ConnectionError> {
        if let Some(live) = self.0.current_live() {
            return Ok(live);
        }
        let _dialling = self.0.dialling.lock().await;
        if let Some(live) = self.0.current_live() {
            return Ok(live);
        }
        let live = ConnectionInner::dial(&self.0).await?;
        if let Some(greeting) = &self.0.greeting {
            let (asked, body) = greeting();
            let greeted = self.0.exchange_on(&live, asked, body, &|_| true).await;
            let refused = match greeted {
                Ok(exchange) if exchange.approved() => None,
                Ok(exchange) => Some(ConnectionError::SignOn(refusal(&exchange))),
                Err(error) => Some(error),
            };
            if let Some(error) = refused {
                self.0.close(&live);
                return Err(error);
            }
        }
        *self.0.lock_live() = Some(live.clone());
        Ok(live)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.0.settings.target)
    }
}

fn refusal(exchange: &Exchange) -> String {
    match &exchange.ending {
        Ok(answer) => format!("response code {}", answer.code),
        Err(no_answer) => no_answer.to_string(),
    }
}

impl ConnectionInner {
    fn current_live(&self) -> Option<LiveConnection> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().filter(|live| live.alive.load(Ordering::Acquire)).cloned()
    }

    fn lock_live(&self) -> std::sync::RwLockWriteGuard<'_, Option<LiveConnection>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, live: &LiveConnection) {
        live.alive.store(false, Ordering::Release);
        live.stop.notify_one();
        let mut current = self.lock_live();
        if current.as_ref().is_some_and(|current| current.epoch == live.epoch) {
            *current = None;
        }
        drop(current);
        self.pending.fail(live.epoch);
    }

    async fn dial(this: &Arc<Self>) -> Result<LiveConnection, ConnectionError> {
        let target = &this.settings.target;
        let dialled = tokio::time::timeout(this.settings.connect_timeout, TcpStream::connect(target)).await;
        let refused = |source| ConnectionError::Connect { target: target.clone(), source };
        let stream = dialled.map_err(|_| ConnectionError::ConnectTimeout(target.clone()))?.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (read, write) = stream.into_split();
        let (out, frames) = mpsc::unbounded_channel();
        let epoch = this.epochs.fetch_add(1, Ordering::Relaxed) + 1;
        let live = LiveConnection { out, alive: Arc::new(AtomicBool::new(true)), stop: Arc::default(), epoch };
        let codec = this.settings.framing.codec(Message::MAX_BYTES).of(&this.settings.dialect);
        tokio::spawn(write_frames(write, frames, codec.clone()));
        tokio::spawn(Self::read_frames(Arc::clone(this), live.clone(), read, codec));
        Ok(live)
    }

    async fn exchange_on(
        &self,
        live: &LiveConnection,
        asked: SentRequest,
        body: Bytes,
        authentic: &(dyn Fn(&Message) -> bool + Sync),
    ) -> Result<Exchange, ConnectionError> {
        let key = AnswerKey { answer: asked.mti.answer(), terminal: asked.terminal, stan: asked.stan };
        let mut arrival = self.pending.expect(key, live.epoch)?;
        let sent = Instant::now();
        let sent_us = jiff::Timestamp::now().as_microsecond().unsigned_abs();
        if live.out.send(self.frame(body)).is_err() || !live.alive.load(Ordering::Acquire) {
            self.pending.forget(&key);
            return Err(ConnectionError::Closed);
        }
        let waited = match tokio::time::timeout(self.settings.answer_timeout, &mut arrival).await {
            Ok(waited) => waited.map_err(|_| NoAnswer::ConnectionLost),
            // the answer may have come while the timer fired: then it is in the channel already
            Err(_) if !self.pending.give_up(key, &asked, sent_us) => {
                arrival.try_recv().map_err(|_| NoAnswer::ConnectionLost)
            }
            Err(_) => Err(NoAnswer::TimedOut),
        };
        let answered_at = waited.as_ref().ok().map(|arrival| arrival.at);
        let ending = waited.and_then(|arrival| judge(&asked, arrival.message, authentic));
        let took = answered_at.unwrap_or_else(Instant::now).saturating_duration_since(sent);
        let exchange = Exchange { asked, ending, sent_us, sent, took };
        if let Err(error) = self.log.exchange(&exchange) {
            tracing::error!(%error, "the terminal log could not be written");
        }
        Ok(exchange)
    }

    fn frame(&self, body: Bytes) -> Frame {
        let header = self.settings.tpdu.map_or_else(Bytes::new, |tpdu| Bytes::copy_from_slice(&tpdu));
        Frame::Message(Framed { header, body })
    }

    async fn read_frames(self: Arc<Self>, live: LiveConnection, mut read: OwnedReadHalf, mut codec: FrameCodec) {
        let mut buffer = BytesMut::with_capacity(READ_BUFFER);
        'reading: loop {
            let read = tokio::select! {
                read = read.read_buf(&mut buffer) => read,
                () = live.stop.notified() => break,
            };
            if !matches!(read, Ok(1..)) {
                break;
            }
            let at = Instant::now();
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(Frame::Message(framed))) => self.arrived(&live, framed, at),
                    Ok(Some(Frame::KeepAlive)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "the switch sent something that is no frame");
                        break 'reading;
                    }
                }
            }
        }
        self.close(&live);
    }

    fn arrived(&self, live: &LiveConnection, framed: Framed, at: Instant) {
        // copied, because a retained frame would keep the whole read buffer in memory
        let body = Bytes::copy_from_slice(&framed.body);
        let message = match Message::decode(&self.settings.dialect, body) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%error, "an answer could not be read");
                return;
            }
        };
        if message.mti().is_response() {
            if let Some((sent_us, asked, message)) = self.pending.arrived(message, at) {
                self.late(sent_us, &asked, message);
            }
        } else if message.mti().class() == mti::Class::Network {
            match acknowledge(&message) {
                Some(body) => drop(live.out.send(Frame::Message(framed.answer(body)))),
                None => tracing::warn!("a network message from the switch could not be acknowledged"),
            }
        } else {
            tracing::warn!(mti = %message.mti(), "the switch asked something that nobody here answers");
        }
    }

    fn late(&self, sent_us: u64, asked: &SentRequest, message: Message) {
        match Answer::read(asked, message) {
            Ok(answer) => {
                if let Err(error) = self.log.late(sent_us, asked, &answer) {
                    tracing::error!(%error, "the terminal log could not be written");
                }
            }
            Err(error) => tracing::warn!(%error, "a late answer could not be read"),
        }
    }
}

fn judge(
    asked: &SentRequest,
    message: Message,
    authentic: &(dyn Fn(&Message) -> bool + Sync),
) -> Result<Answer, NoAnswer> {
    if !authentic(&message) {
        tracing::warn!(stan = %asked.stan, "the code of an answer is wrong: not believed");
        return Err(NoAnswer::BadMac);
    }
    Answer::read(asked, message).map_err(|error| {
        tracing::warn!(%error, stan = %asked.stan, "an answer could not be read");
        NoAnswer::Unreadable
    })
}

/// The acknowledgement of a network message that the switch sent.
fn acknowledge(message: &Message) -> Option<Bytes> {
    let mut b = Builder::answer_to(message);
    b.copy::<de::TransmissionTime>(message)
        .copy::<de::Stan>(message)
        .copy::<de::SettlementDate>(message)
        .copy::<de::NetworkManagementCode>(message)
        .put::<de::ResponseCode>(ResponseCode::APPROVED);
    b.encode().ok()
}

async fn write_frames(mut write: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Frame>, mut codec: FrameCodec) {
    let mut waiting = Vec::with_capacity(64);
    let mut buffer = BytesMut::with_capacity(READ_BUFFER);
    // all waiting frames go out in one write: at full load a system call per message would be the bottleneck
    while frames.recv_many(&mut waiting, 64).await > 0 {
        for frame in waiting.drain(..) {
            if let Err(error) = codec.encode(frame, &mut buffer) {
                tracing::error!(%error, "a request does not fit its framing");
            }
        }
        if write.write_all(&buffer).await.is_err() {
            return;
        }
        buffer.clear();
    }
}

/// The requests that have no answer yet.
#[derive(Default)]
struct Pending(Mutex<HashMap<AnswerKey, PendingRequest>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, HashMap<AnswerKey, PendingRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, key: AnswerKey, epoch: u64) -> Result<oneshot::Receiver<ArrivedAnswer>, ConnectionError> {
        let mut requests = self.lock();
        if matches!(requests.get(&key), Some(PendingRequest::Waiting { .. })) {
            return Err(ConnectionError::Busy);
        }
        let (sender, receiver) = oneshot::channel();
        requests.insert(key, PendingRequest::Waiting { epoch, sender });
        Ok(receiver)
    }

    fn forget(&self, key: &AnswerKey) {
        self.lock().remove(key);
    }

    /// Marks a request as given up; false if it ended just before.
    fn give_up(&self, key: AnswerKey, asked: &SentRequest, sent_us: u64) -> bool {
        let mut requests = self.lock();
        if !matches!(requests.get(&key), Some(PendingRequest::Waiting { .. })) {
            return false;
        }
        if requests.len() > GIVEN_UP_MOST {
            requests.retain(
                |_, request| !matches!(request, PendingRequest::GivenUp { at, .. } if at.elapsed() > LATE_AFTER),
            );
        }
        requests.insert(key, PendingRequest::GivenUp { asked: Box::new(asked.clone()), sent_us, at: Instant::now() });
        true
    }

    /// Hands an answer to the request that waits for it; returns it if the request was given up.
    fn arrived(&self, message: Message, at: Instant) -> Option<(u64, Box<SentRequest>, Message)> {
        let stan = message.get::<de::Stan>().ok().flatten()?;
        let terminal = message.get::<de::TerminalId>().ok().flatten();
        let key = AnswerKey { answer: message.mti(), terminal, stan };
        let mut requests = self.lock();
        let request = match requests.remove(&key) {
            Some(request) => request,
            // network management answers, and some acknowledgements, do not name the terminal
            None if terminal.is_none() => {
                let key = *requests.keys().find(|k| k.answer == key.answer && k.stan == key.stan)?;
                requests.remove(&key)?
            }
            None => return None,
        };
        match request {
            PendingRequest::Waiting { sender, .. } => {
                // the request may just have been given up; its own log line says so
                drop(sender.send(ArrivedAnswer { message, at }));
                None
            }
            PendingRequest::GivenUp { asked, sent_us, .. } => Some((sent_us, asked, message)),
        }
    }

    /// Ends the requests on a connection that is gone: dropping the sender wakes the waiting side.
    fn fail(&self, epoch: u64) {
        self.lock().retain(|_, request| !matches!(request, PendingRequest::Waiting { epoch: of, .. } if *of == epoch));
    }
}
