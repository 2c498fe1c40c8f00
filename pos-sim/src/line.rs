//! A connection to the switch: requests out, answers matched to them by terminal and trace number.
//!
//! One task writes, one reads. A connection that broke is dialled again by the next request; what was under way on the
//! old one ends as lost, because nobody can tell how far it came. An answer that arrives after its request was given
//! up is written to the log as late and goes nowhere else.

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

use crate::exchange::{Answered, Asked, Exchange, Silence};
use crate::log::Log;

/// Why a request did not leave.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
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

/// Where a line leads and how messages stand on it.
#[derive(Clone, Debug)]
pub struct LineSettings {
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
pub type Greeting = Box<dyn Fn() -> (Asked, Bytes) + Send + Sync>;

/// One line; cloning it gives another handle to the same connection.
#[derive(Clone)]
pub struct Line(Arc<Inner>);

struct Inner {
    settings: LineSettings,
    greeting: Option<Greeting>,
    log: Arc<Log>,
    link: RwLock<Option<Link>>,
    /// Held while dialling, so that one request dials and the others wait for it.
    dialling: tokio::sync::Mutex<()>,
    pending: Pending,
    epochs: AtomicU64,
}

/// A live connection.
#[derive(Clone)]
struct Link {
    out: mpsc::UnboundedSender<Frame>,
    alive: Arc<AtomicBool>,
    /// Wakes the reading task when the connection is to be dropped from this side.
    stop: Arc<Notify>,
    /// Numbers the connections of a line, so that the end of one does not fail requests on its successor.
    epoch: u64,
}

/// What an answer and its request have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    answer: Mti,
    terminal: Option<TerminalId>,
    stan: Stan,
}

struct Arrival {
    message: Message,
    at: Instant,
}

enum Slot {
    Waiting { epoch: u64, sender: oneshot::Sender<Arrival> },
    GivenUp { asked: Box<Asked>, sent_us: u64, at: Instant },
}

/// How long an answer may be late and still be recognized.
const LATE_AFTER: Duration = Duration::from_secs(300);
/// Requests given up are looked through for old ones when there are more than these.
const GIVEN_UP_MOST: usize = 50_000;
const READ_BUFFER: usize = 64 * 1024;

impl Line {
    /// A line that dials when it is first used. A `greeting` is sent and must be approved on each new connection.
    #[must_use]
    pub fn new(settings: LineSettings, greeting: Option<Greeting>, log: Arc<Log>) -> Self {
        Self(Arc::new(Inner {
            settings,
            greeting,
            log,
            link: RwLock::new(None),
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
    pub async fn connect(&self) -> Result<(), LineError> {
        self.link().await.map(|_| ())
    }

    /// Drops the connection as a pulled cable would; requests under way end as lost.
    pub fn cut(&self) {
        let link = self.0.write_link().take();
        if let Some(link) = link {
            self.0.close(&link);
        }
    }

    /// Sends a request and waits for its answer, at most as long as the settings say. However it ends, the log has it.
    ///
    /// # Errors
    /// The request did not leave.
    pub async fn exchange(
        &self,
        asked: Asked,
        body: Bytes,
        authentic: &(dyn Fn(&Message) -> bool + Sync),
    ) -> Result<Exchange, LineError> {
        let link = self.link().await?;
        self.0.exchange_on(&link, asked, body, authentic).await
    }

    async fn link(&self) -> Result<Link, LineError> {
        if let Some(link) = self.0.live_link() {
            return Ok(link);
        }
        let _dialling = self.0.dialling.lock().await;
        if let Some(link) = self.0.live_link() {
            return Ok(link);
        }
        let link = Inner::dial(&self.0).await?;
        if let Some(greeting) = &self.0.greeting {
            let (asked, body) = greeting();
            let greeted = self.0.exchange_on(&link, asked, body, &|_| true).await;
            let refused = match greeted {
                Ok(exchange) if exchange.approved() => None,
                Ok(exchange) => Some(LineError::SignOn(refusal(&exchange))),
                Err(error) => Some(error),
            };
            if let Some(error) = refused {
                self.0.close(&link);
                return Err(error);
            }
        }
        *self.0.write_link() = Some(link.clone());
        Ok(link)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.0.settings.target)
    }
}

fn refusal(exchange: &Exchange) -> String {
    match &exchange.ending {
        Ok(answer) => format!("response code {}", answer.code),
        Err(silence) => silence.to_string(),
    }
}

impl Inner {
    fn live_link(&self) -> Option<Link> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| link.alive.load(Ordering::Acquire)).cloned()
    }

    fn write_link(&self) -> std::sync::RwLockWriteGuard<'_, Option<Link>> {
        self.link.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, link: &Link) {
        link.alive.store(false, Ordering::Release);
        link.stop.notify_one();
        let mut current = self.write_link();
        if current.as_ref().is_some_and(|current| current.epoch == link.epoch) {
            *current = None;
        }
        drop(current);
        self.pending.fail(link.epoch);
    }

    async fn dial(this: &Arc<Self>) -> Result<Link, LineError> {
        let target = &this.settings.target;
        let dialled = tokio::time::timeout(this.settings.connect_timeout, TcpStream::connect(target)).await;
        let refused = |source| LineError::Connect { target: target.clone(), source };
        let stream = dialled.map_err(|_| LineError::ConnectTimeout(target.clone()))?.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (read, write) = stream.into_split();
        let (out, frames) = mpsc::unbounded_channel();
        let epoch = this.epochs.fetch_add(1, Ordering::Relaxed) + 1;
        let link = Link { out, alive: Arc::new(AtomicBool::new(true)), stop: Arc::default(), epoch };
        let codec = this.settings.framing.codec(Message::MAX_BYTES).of(&this.settings.dialect);
        tokio::spawn(write_frames(write, frames, codec.clone()));
        tokio::spawn(Self::read_frames(Arc::clone(this), link.clone(), read, codec));
        Ok(link)
    }

    async fn exchange_on(
        &self,
        link: &Link,
        asked: Asked,
        body: Bytes,
        authentic: &(dyn Fn(&Message) -> bool + Sync),
    ) -> Result<Exchange, LineError> {
        let key = Key { answer: asked.mti.answer(), terminal: asked.terminal, stan: asked.stan };
        let mut arrival = self.pending.expect(key, link.epoch)?;
        let sent = Instant::now();
        let sent_us = jiff::Timestamp::now().as_microsecond().unsigned_abs();
        if link.out.send(self.frame(body)).is_err() || !link.alive.load(Ordering::Acquire) {
            self.pending.forget(&key);
            return Err(LineError::Closed);
        }
        let waited = match tokio::time::timeout(self.settings.answer_timeout, &mut arrival).await {
            Ok(waited) => waited.map_err(|_| Silence::ConnectionLost),
            // it may have come while the timer fired: then nobody else will take it
            Err(_) if !self.pending.give_up(key, &asked, sent_us) => {
                arrival.try_recv().map_err(|_| Silence::ConnectionLost)
            }
            Err(_) => Err(Silence::TimedOut),
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

    async fn read_frames(self: Arc<Self>, link: Link, mut read: OwnedReadHalf, mut codec: FrameCodec) {
        let mut buffer = BytesMut::with_capacity(READ_BUFFER);
        'reading: loop {
            let read = tokio::select! {
                read = read.read_buf(&mut buffer) => read,
                () = link.stop.notified() => break,
            };
            if !matches!(read, Ok(1..)) {
                break;
            }
            let at = Instant::now();
            loop {
                match codec.decode(&mut buffer) {
                    Ok(Some(Frame::Message(framed))) => self.arrived(&link, framed, at),
                    Ok(Some(Frame::KeepAlive)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "the switch sent something that is no frame");
                        break 'reading;
                    }
                }
            }
        }
        self.close(&link);
    }

    fn arrived(&self, link: &Link, framed: Framed, at: Instant) {
        // a retained frame would pin the whole read buffer
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
                Some(body) => drop(link.out.send(Frame::Message(framed.answer(body)))),
                None => tracing::warn!("a network message from the switch could not be acknowledged"),
            }
        } else {
            tracing::warn!(mti = %message.mti(), "the switch asked something that nobody here answers");
        }
    }

    fn late(&self, sent_us: u64, asked: &Asked, message: Message) {
        match Answered::read(asked, message) {
            Ok(answer) => {
                if let Err(error) = self.log.late(sent_us, asked, &answer) {
                    tracing::error!(%error, "the terminal log could not be written");
                }
            }
            Err(error) => tracing::warn!(%error, "a late answer could not be read"),
        }
    }
}

fn judge(asked: &Asked, message: Message, authentic: &(dyn Fn(&Message) -> bool + Sync)) -> Result<Answered, Silence> {
    if !authentic(&message) {
        tracing::warn!(stan = %asked.stan, "the code of an answer is wrong: not believed");
        return Err(Silence::BadMac);
    }
    Answered::read(asked, message).map_err(|error| {
        tracing::warn!(%error, stan = %asked.stan, "an answer could not be read");
        Silence::Unreadable
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
    // whatever is waiting goes out in one write: at full pace a system call per message would be the bottleneck
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

/// The requests of a line that have no answer yet.
#[derive(Default)]
struct Pending(Mutex<HashMap<Key, Slot>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, key: Key, epoch: u64) -> Result<oneshot::Receiver<Arrival>, LineError> {
        let mut slots = self.lock();
        if matches!(slots.get(&key), Some(Slot::Waiting { .. })) {
            return Err(LineError::Busy);
        }
        let (sender, receiver) = oneshot::channel();
        slots.insert(key, Slot::Waiting { epoch, sender });
        Ok(receiver)
    }

    fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Marks a request as given up; false if it ended just before.
    fn give_up(&self, key: Key, asked: &Asked, sent_us: u64) -> bool {
        let mut slots = self.lock();
        if !matches!(slots.get(&key), Some(Slot::Waiting { .. })) {
            return false;
        }
        if slots.len() > GIVEN_UP_MOST {
            slots.retain(|_, slot| !matches!(slot, Slot::GivenUp { at, .. } if at.elapsed() > LATE_AFTER));
        }
        slots.insert(key, Slot::GivenUp { asked: Box::new(asked.clone()), sent_us, at: Instant::now() });
        true
    }

    /// Hands an answer to whoever waits for it; returns it if nobody does any more.
    fn arrived(&self, message: Message, at: Instant) -> Option<(u64, Box<Asked>, Message)> {
        let stan = message.get::<de::Stan>().ok().flatten()?;
        let terminal = message.get::<de::TerminalId>().ok().flatten();
        let key = Key { answer: message.mti(), terminal, stan };
        let mut slots = self.lock();
        let slot = match slots.remove(&key) {
            Some(slot) => slot,
            // answers about the link itself, and some acknowledgements, do not name the terminal
            None if terminal.is_none() => {
                let key = *slots.keys().find(|k| k.answer == key.answer && k.stan == key.stan)?;
                slots.remove(&key)?
            }
            None => return None,
        };
        match slot {
            Slot::Waiting { sender, .. } => {
                // the waiter may just have given up; its own log line says so
                drop(sender.send(Arrival { message, at }));
                None
            }
            Slot::GivenUp { asked, sent_us, .. } => Some((sent_us, asked, message)),
        }
    }

    /// Ends what was under way on a connection that is gone: dropping the sender tells the waiter.
    fn fail(&self, epoch: u64) {
        self.lock().retain(|_, slot| !matches!(slot, Slot::Waiting { epoch: of, .. } if *of == epoch));
    }
}
