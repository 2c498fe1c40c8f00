//! The task that owns the socket to one daemon: sends calls in one write per wake-up, matches answers by id, reconnects.
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroize;

use super::daemons::{Call, Condition, ConnectionTask, Reply};
use crate::error::HsmError;
use crate::verb::{Verb, VerbKind};
use crate::wire::{self, FrameBuffer, GREETING};

/// Calls taken into one socket write.
const PER_WRITE: usize = 64;
/// First and longest pause between attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));
/// How long a restart of the daemon may take before calls are refused.
const RESTART_LIMIT: Duration = Duration::from_secs(1);
/// Calls held through a restart.
const HELD: usize = 4096;
/// How long the daemon may take to greet.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// A daemon whose answers have been overdue for so long gets no new calls while another one serves. A verb takes well under
/// a millisecond, and a daemon that is about to reopen its module sends a notice first.
const STALLED_AFTER: Duration = Duration::from_millis(50);
/// How often calls whose caller no longer waits are dropped.
const SWEEP: Duration = Duration::from_secs(1);

/// Calls that were sent and not yet answered, by id.
type Pending = HashMap<u64, Call>;

/// Runs until the last handle is dropped.
pub(super) async fn run(socket: PathBuf, mut task: ConnectionTask) {
    let mut held: Vec<Call> = Vec::new();
    loop {
        let Some(stream) = reconnect(&socket, &mut task, &mut held).await else { return };
        tracing::info!(socket = %socket.display(), "connected to hsmd");
        task.own.set(Condition::Serving);
        let mut pending = Pending::new();
        let ended = serve(stream, &mut task, &mut held, &mut pending).await;
        task.own.set(Condition::Away);
        match ended {
            ServingEnd::NoHandles => return,
            ServingEnd::Lost(error) => {
                tracing::warn!(socket = %socket.display(), %error, in_flight = pending.len(), "connection to hsmd lost");
                pending.into_values().for_each(return_sent);
            }
        }
    }
}

/// Tries until it is connected; `None` when the last handle has been dropped. While the daemon restarts, calls wait in
/// `held`, unless another daemon serves. Once it has been away for longer than a restart takes, calls are refused at once.
async fn reconnect(socket: &Path, task: &mut ConnectionTask, held: &mut Vec<Call>) -> Option<UnixStream> {
    let begun = Instant::now();
    let mut pause = PAUSE.0;
    loop {
        let error = match connect(socket).await {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        let gone = begun.elapsed() > RESTART_LIMIT;
        if gone {
            if task.own.condition() != Condition::Gone {
                tracing::warn!(socket = %socket.display(), %error, "hsmd cannot be reached");
            }
            task.own.set(Condition::Gone);
            held.drain(..).for_each(refuse);
        }
        let resume = Instant::now() + pause;
        loop {
            if task.another_serves() {
                held.drain(..).for_each(give_back);
            }
            let Ok(next) = timeout_at(resume, task.calls.recv()).await else { break };
            let call = next?;
            if task.another_serves() {
                give_back(call);
            } else if gone || held.len() >= HELD {
                refuse(call);
            } else {
                held.push(call);
            }
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

// the three functions below ignore a failed send: the caller has stopped waiting

/// Ends a call that was never sent.
fn refuse(call: Call) {
    let _ = call.reply.send(Reply::Answered(Err(HsmError::Unavailable("hsmd cannot be reached"))));
}

/// Gives back a call that was never sent.
fn give_back(call: Call) {
    let _ = call.reply.send(Reply::Returned(call.verb));
}

/// Gives back a call that was sent, if it may be sent again; ends it otherwise.
fn return_sent(call: Call) {
    let lost = HsmError::Unavailable("the connection was lost after the request was sent");
    let reply = if call.verb.may_be_repeated() { Reply::Returned(call.verb) } else { Reply::Answered(Err(lost)) };
    let _ = call.reply.send(reply);
}

async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&GREETING).await?;
    let mut greeting = [0; GREETING.len() + 1];
    timeout(GREETING_LIMIT, stream.read_exact(&mut greeting)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if greeting[..GREETING.len()] == GREETING {
        Ok(stream)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the peer does not speak this version of the protocol"))
    }
}

/// Why serving a connection ended.
enum ServingEnd {
    /// The last clone of the client is gone, so nobody calls any more.
    NoHandles,
    /// The socket failed, the daemon closed it, or a frame could not be read.
    Lost(io::Error),
}

/// Reading never waits for writing: a daemon stops reading while it writes answers, and the two sides would block each other.
async fn serve(
    stream: UnixStream,
    task: &mut ConnectionTask,
    held: &mut Vec<Call>,
    pending: &mut Pending,
) -> ServingEnd {
    let (mut reading, mut writing) = stream.into_split();
    let mut incoming = FrameBuffer::default();
    let mut batch: Vec<Call> = Vec::with_capacity(PER_WRITE);
    let mut out = Vec::with_capacity(16 * 1024);
    let mut written = 0;
    let mut next_id = 0_u64;
    let mut sweep = tokio::time::interval(SWEEP);
    // since when an answer has been outstanding without any having come
    let mut owed_since: Option<Instant> = None;
    let mut patience = std::pin::pin!(tokio::time::sleep(STALLED_AFTER));
    send(held, &mut out, &mut next_id, pending);
    loop {
        tokio::select! {
            taken = task.calls.recv_many(&mut batch, PER_WRITE), if out.is_empty() => {
                if taken == 0 {
                    return ServingEnd::NoHandles;
                }
                if task.own.condition() == Condition::Stalled && task.another_serves() {
                    batch.drain(..).for_each(give_back);
                }
                send(&mut batch, &mut out, &mut next_id, pending);
                if owed_since.is_none() && !pending.is_empty() {
                    owed_since = Some(Instant::now());
                }
            }
            progress = writing.write(&out[written..]), if !out.is_empty() => match progress {
                Ok(0) => return ServingEnd::Lost(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    if written == out.len() {
                        out.zeroize();
                        written = 0;
                    }
                }
                Err(error) => return ServingEnd::Lost(error),
            },
            read = reading.read_buf(incoming.space()) => match read {
                Ok(0) => return ServingEnd::Lost(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => match receive(&mut incoming, pending, task) {
                    Ok(false) => {}
                    Ok(true) => {
                        owed_since = (!pending.is_empty()).then(Instant::now);
                        if task.own.condition() == Condition::Stalled {
                            tracing::info!("hsmd answers again");
                            task.own.set(Condition::Serving);
                        }
                    }
                    Err(error) => return ServingEnd::Lost(error),
                },
                Err(error) => return ServingEnd::Lost(error),
            },
            () = &mut patience, if owed_since.is_some() && task.own.condition() == Condition::Serving => {
                let now = Instant::now();
                let due = owed_since.unwrap_or(now) + STALLED_AFTER;
                patience.as_mut().reset(due.max(now + Duration::from_millis(1)));
                if now >= due {
                    tracing::warn!(in_flight = pending.len(), "hsmd gives no answers");
                    task.own.set(Condition::Stalled);
                    if task.another_serves() {
                        let harmless = |_: &u64, call: &mut Call| call.verb.may_be_repeated();
                        pending.extract_if(harmless).for_each(|(_, call)| give_back(call));
                    }
                    // a daemon answers in order, so the answer to this shows that the module works again
                    wire::put_request(&mut out, next_id, u32::MAX, &Verb::Random(1));
                    next_id += 1;
                }
            }
            _ = sweep.tick() => pending.retain(|_, call| !call.reply.is_closed()),
        }
    }
}

/// Frames the calls whose caller still waits.
fn send(batch: &mut Vec<Call>, out: &mut Vec<u8>, next_id: &mut u64, pending: &mut Pending) {
    let now = Instant::now();
    for call in batch.drain(..) {
        let left = call.deadline.saturating_duration_since(now);
        if left.is_zero() || call.reply.is_closed() {
            continue;
        }
        let budget_us = u32::try_from(left.as_micros()).unwrap_or(u32::MAX);
        wire::put_request(out, *next_id, budget_us, &call.verb);
        pending.insert(*next_id, call);
        *next_id += 1;
    }
}

/// Hands every whole answer to its caller. Returns whether an answer came from the module; the daemon answers `health` without
/// it.
fn receive(incoming: &mut FrameBuffer, pending: &mut Pending, task: &ConnectionTask) -> io::Result<bool> {
    let mut at_work = false;
    let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    while let Some(frame) = incoming.next_frame().map_err(broken)? {
        let response = wire::take_response(frame).map_err(broken)?;
        if let Some(accepting) = response.notice() {
            task.own.set(if accepting { Condition::Serving } else { Condition::Pausing });
            continue;
        }
        // no entry: the sweep dropped a call after its deadline, or the call went to another daemon
        let call = pending.remove(&response.id);
        at_work |= call.as_ref().is_none_or(|call| call.verb.kind() != VerbKind::Health);
        if let Some(call) = call {
            let result = wire::take_answer(call.verb.kind(), response.status, response.body);
            let _ = call.reply.send(Reply::Answered(result));
        }
    }
    Ok(at_work)
}
