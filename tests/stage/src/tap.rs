//! A TCP proxy between the switch and the host. It forwards everything unchanged, except that it can delay or lose the answers of
//! one transaction, and records the messages of that transaction.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use codecs::mti::{Class, Function};
use codecs::value::{Minor, Stan};
use codecs::{Dialect, Message, Mti, de};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Frames that wait for a slow reader; beyond it the tap stops reading, as TCP would.
const FRAMES_UNDER_WAY: usize = 1024;

/// The faults of the next request over exactly this amount.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLoss {
    pub amount: Minor,
    /// Its answer arrives this late.
    pub answer_delay: Duration,
    /// So many acknowledgements of its reversal are lost for good.
    pub lost_acknowledgements: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToHost,
    ToSwitch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFate {
    Passed,
    /// Held back by the tap.
    Held,
    /// A held message, forwarded later.
    ArrivedLate,
    Lost,
}

/// A message of the watched transaction, as it passed the tap.
#[derive(Debug, Clone)]
pub struct TappedMessage {
    pub at: SystemTime,
    pub direction: Direction,
    pub message: Message,
    pub fate: MessageFate,
}

#[derive(Debug, Default)]
struct WatchedTransaction {
    loss: Option<AnswerLoss>,
    /// The switch's own number of the request, once it has passed, and of its reversals.
    request: Option<Stan>,
    reversals: HashSet<u32>,
    messages: Vec<TappedMessage>,
}

/// The tap. It ends when it is dropped.
#[derive(Debug)]
pub struct Tap {
    watch: Arc<Mutex<WatchedTransaction>>,
    _end: DropGuard,
}

impl Tap {
    /// Listens on `port` for the switch and passes on to the host's `upstream` port.
    pub async fn open(port: u16, upstream: u16, dialect: Arc<Dialect>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let watch = Arc::new(Mutex::new(WatchedTransaction::default()));
        let end = CancellationToken::new();
        let state = TapState { watch: Arc::clone(&watch), dialect, end: end.clone() };
        tokio::spawn(accept(listener, upstream, state));
        Ok(Self { watch, _end: end.drop_guard() })
    }

    /// Watches for the next request with the amount of `loss`; drops the messages recorded before.
    pub fn lose(&self, loss: AnswerLoss) {
        *locked(&self.watch) = WatchedTransaction { loss: Some(loss), ..WatchedTransaction::default() };
    }

    /// All messages of the watched transaction so far, in order.
    pub fn messages(&self) -> Vec<TappedMessage> {
        locked(&self.watch).messages.clone()
    }
}

fn locked(watch: &Mutex<WatchedTransaction>) -> MutexGuard<'_, WatchedTransaction> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct TapState {
    watch: Arc<Mutex<WatchedTransaction>>,
    dialect: Arc<Dialect>,
    end: CancellationToken,
}

async fn accept(listener: TcpListener, upstream: u16, state: TapState) {
    while let Some(Ok((switch, _))) = state.end.run_until_cancelled(listener.accept()).await {
        let state = state.clone();
        tokio::spawn(async move {
            let end = state.end.clone();
            end.run_until_cancelled(connection(switch, upstream, state)).await;
        });
    }
}

/// One connection of the switch, until either side closes it.
async fn connection(switch: TcpStream, upstream: u16, state: TapState) {
    let Ok(host) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await else { return };
    if switch.set_nodelay(true).and_then(|()| host.set_nodelay(true)).is_err() {
        return;
    }
    let (from_switch, to_switch) = switch.into_split();
    let (from_host, to_host) = host.into_split();
    let (host_frames, host_inbox) = mpsc::channel(FRAMES_UNDER_WAY);
    let (switch_frames, switch_inbox) = mpsc::channel(FRAMES_UNDER_WAY);
    tokio::select! {
        () = pass(from_switch, Direction::ToHost, host_frames, &state) => {}
        () = pass(from_host, Direction::ToSwitch, switch_frames, &state) => {}
        () = write(host_inbox, to_host) => {}
        () = write(switch_inbox, to_switch) => {}
    }
}

/// Frames with a two-byte length in front, from one side to the other.
async fn pass(mut from: OwnedReadHalf, direction: Direction, to: mpsc::Sender<Bytes>, state: &TapState) {
    loop {
        let Ok(length) = from.read_u16().await else { return };
        let mut frame = vec![0; 2 + usize::from(length)];
        frame[..2].copy_from_slice(&length.to_be_bytes());
        if from.read_exact(&mut frame[2..]).await.is_err() {
            return;
        }
        let frame = Bytes::from(frame);
        match state.fate(direction, &frame) {
            Verdict::Pass => {
                if to.send(frame).await.is_err() {
                    return;
                }
            }
            Verdict::Lose => {}
            Verdict::Hold(delay) => {
                let (to, state) = (to.clone(), state.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    state.note(direction, &frame, MessageFate::ArrivedLate);
                    let _ = to.send(frame).await;
                });
            }
        }
    }
}

async fn write(mut frames: mpsc::Receiver<Bytes>, mut to: OwnedWriteHalf) {
    while let Some(frame) = frames.recv().await {
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

enum Verdict {
    Pass,
    Hold(Duration),
    Lose,
}

impl TapState {
    fn note(&self, direction: Direction, frame: &Bytes, fate: MessageFate) {
        if let Ok(message) = Message::decode(&self.dialect, frame.slice(2..)) {
            locked(&self.watch).messages.push(TappedMessage { at: SystemTime::now(), direction, message, fate });
        }
    }

    fn fate(&self, direction: Direction, frame: &Bytes) -> Verdict {
        let mut watch = locked(&self.watch);
        let Some(loss) = watch.loss else { return Verdict::Pass };
        let Ok(message) = Message::decode(&self.dialect, frame.slice(2..)) else { return Verdict::Pass };
        let Some((verdict, fate)) = watch.judge(&message, loss) else { return Verdict::Pass };
        watch.messages.push(TappedMessage { at: SystemTime::now(), direction, message, fate });
        verdict
    }
}

impl WatchedTransaction {
    /// What to do with a message, if it belongs to the watched transaction.
    fn judge(&mut self, message: &Message, loss: AnswerLoss) -> Option<(Verdict, MessageFate)> {
        let stan = message.get::<de::Stan>().ok()??;
        let mti: Mti = message.mti();
        match (mti.class(), mti.function()) {
            (Class::Financial | Class::Authorization, Function::Request) if self.request.is_none() => {
                (message.get::<de::Amount>().ok()? == Some(loss.amount)).then(|| {
                    self.request = Some(stan);
                    (Verdict::Pass, MessageFate::Passed)
                })
            }
            (Class::Financial | Class::Authorization, Function::Response) if self.request == Some(stan) => {
                Some((Verdict::Hold(loss.answer_delay), MessageFate::Held))
            }
            (Class::Reversal, Function::Advice) => {
                let original = message.get::<de::OriginalData>().ok()??;
                (Some(original.stan) == self.request).then(|| {
                    self.reversals.insert(stan.0);
                    (Verdict::Pass, MessageFate::Passed)
                })
            }
            (Class::Reversal, Function::AdviceResponse) if self.reversals.contains(&stan.0) => {
                let lost = self.messages.iter().filter(|tapped| tapped.fate == MessageFate::Lost).count();
                let lose = lost < loss.lost_acknowledgements as usize;
                Some(if lose { (Verdict::Lose, MessageFate::Lost) } else { (Verdict::Pass, MessageFate::Passed) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::Builder;
    use codecs::value::{OriginalData, ResponseCode};
    use std::path::Path;
    use tokio::time::{Instant, timeout};

    const UPSTREAM: Stan = Stan(77);

    fn dialect() -> Arc<Dialect> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/dialects");
        codecs::dialect::load(&folder, "switchyard-host").expect("dialect")
    }

    fn request(dialect: &Arc<Dialect>, minor: i64) -> Message {
        let mut builder = Builder::new(dialect, Mti::of(b"0200"));
        builder.put::<de::Stan>(UPSTREAM).put::<de::Amount>(Minor(minor));
        built(dialect, &builder)
    }

    fn reversal(dialect: &Arc<Dialect>, mti: &[u8; 4]) -> Message {
        let original =
            OriginalData { mti: Mti::of(b"0200"), stan: UPSTREAM, transmitted: None, acquirer: None, forwarder: None };
        let mut builder = Builder::new(dialect, Mti::of(mti));
        builder.put::<de::Stan>(Stan(78)).put::<de::OriginalData>(original);
        built(dialect, &builder)
    }

    fn answer(to: &Message) -> Message {
        let mut builder = Builder::answer_to(to);
        builder.copy::<de::Stan>(to).put::<de::ResponseCode>(ResponseCode(*b"00"));
        built(to.dialect(), &builder)
    }

    fn built(dialect: &Arc<Dialect>, builder: &Builder) -> Message {
        Message::decode(dialect, builder.encode().expect("encodes")).expect("decodes")
    }

    async fn send(stream: &mut TcpStream, message: &Message) {
        stream.write_u16(u16::try_from(message.bytes().len()).expect("short")).await.expect("write");
        stream.write_all(message.bytes()).await.expect("write");
    }

    async fn receive(stream: &mut TcpStream, dialect: &Arc<Dialect>) -> Message {
        let mut body = vec![0; usize::from(stream.read_u16().await.expect("length"))];
        stream.read_exact(&mut body).await.expect("body");
        Message::decode(dialect, body.into()).expect("decodes")
    }

    /// Sends from the switch's side and lets the host answer at once.
    async fn exchange(switch: &mut TcpStream, host: &mut TcpStream, message: &Message) {
        send(switch, message).await;
        let arrived = receive(host, message.dialect()).await;
        assert_eq!(arrived.bytes(), message.bytes(), "the tap changes nothing");
        send(host, &answer(&arrived)).await;
    }

    #[tokio::test]
    async fn the_answer_comes_late_and_the_first_acknowledgement_never() {
        let dialect = dialect();
        let [port, upstream] = crate::ports::choose().expect("ports");
        let host = TcpListener::bind((Ipv4Addr::LOCALHOST, upstream)).await.expect("bind");
        let tap = Tap::open(port, upstream, Arc::clone(&dialect)).await.expect("tap");
        let mut switch = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("connect");
        let mut host = host.accept().await.expect("accept").0;
        let delay = Duration::from_millis(300);
        tap.lose(AnswerLoss { amount: Minor(4711), answer_delay: delay, lost_acknowledgements: 1 });

        exchange(&mut switch, &mut host, &request(&dialect, 100)).await;
        assert_eq!(receive(&mut switch, &dialect).await.mti(), Mti::of(b"0210"), "another amount is not touched");

        let sent = Instant::now();
        exchange(&mut switch, &mut host, &request(&dialect, 4711)).await;
        exchange(&mut switch, &mut host, &reversal(&dialect, b"0420")).await;
        let first = receive(&mut switch, &dialect).await;
        assert_eq!(first.mti(), Mti::of(b"0210"), "the acknowledgement is lost, the answer late");
        assert!(sent.elapsed() >= delay);
        exchange(&mut switch, &mut host, &reversal(&dialect, b"0421")).await;
        let second = timeout(Duration::from_secs(5), receive(&mut switch, &dialect)).await.expect("not lost again");
        assert_eq!(second.mti(), Mti::of(b"0430"));
        let tapped = tap.messages();
        let answers = tapped.iter().filter(|tapped| tapped.direction == Direction::ToSwitch);
        let fates: Vec<_> = answers.map(|tapped| tapped.fate).collect();
        assert_eq!(fates, [MessageFate::Held, MessageFate::Lost, MessageFate::ArrivedLate, MessageFate::Passed]);
        assert_eq!(tapped.len(), fates.len() + 3, "the request and both reversals were heard too");
    }
}
