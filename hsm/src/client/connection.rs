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
    let mut silence = Silence::default();
    let mut patience = std::pin::pin!(tokio::time::sleep(STALLED_AFTER));
    silence.sent(send(held, &mut out, &mut next_id, pending), Instant::now());
    loop {
        tokio::select! {
            taken = task.calls.recv_many(&mut batch, PER_WRITE), if out.is_empty() => {
                if taken == 0 {
                    return ServingEnd::NoHandles;
                }
                if task.own.condition() == Condition::Stalled && task.another_serves() {
                    batch.drain(..).for_each(give_back);
                }
                silence.sent(send(&mut batch, &mut out, &mut next_id, pending), Instant::now());
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
                    Ok(answered) => {
                        silence.broken(answered, Calls::of(pending), Instant::now());
                        if answered.by_module && task.own.condition() == Condition::Stalled {
                            tracing::info!("hsmd answers again");
                            task.own.set(Condition::Serving);
                        }
                    }
                    Err(error) => return ServingEnd::Lost(error),
                },
                Err(error) => return ServingEnd::Lost(error),
            },
            () = &mut patience, if silence.since().is_some() && task.own.condition() == Condition::Serving => {
                let now = Instant::now();
                let due = silence.since().unwrap_or(now) + STALLED_AFTER;
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

/// Frames the calls whose caller still waits. Returns which kinds there were.
fn send(batch: &mut Vec<Call>, out: &mut Vec<u8>, next_id: &mut u64, pending: &mut Pending) -> Calls {
    let now = Instant::now();
    let mut sent = Calls::default();
    for call in batch.drain(..) {
        let left = call.deadline.saturating_duration_since(now);
        if left.is_zero() || call.reply.is_closed() {
            continue;
        }
        let budget_us = u32::try_from(left.as_micros()).unwrap_or(u32::MAX);
        wire::put_request(out, *next_id, budget_us, &call.verb);
        sent.add(call.verb.kind());
        pending.insert(*next_id, call);
        *next_id += 1;
    }
    sent
}

/// Hands every whole answer to its caller. Returns where answers came from.
fn receive(incoming: &mut FrameBuffer, pending: &mut Pending, task: &ConnectionTask) -> io::Result<Calls> {
    let mut answered = Calls::default();
    let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    while let Some(frame) = incoming.next_frame().map_err(broken)? {
        let response = wire::take_response(frame).map_err(broken)?;
        if let Some(accepting) = response.notice() {
            task.own.set(if accepting { Condition::Serving } else { Condition::Pausing });
            continue;
        }
        // no entry: the sweep dropped a call after its deadline, or the call went to another daemon
        let call = pending.remove(&response.id);
        answered.add(call.as_ref().map_or(VerbKind::Random, |call| call.verb.kind()));
        if let Some(call) = call {
            let result = wire::take_answer(call.verb.kind(), response.status, response.body);
            let _ = call.reply.send(Reply::Answered(result));
        }
    }
    Ok(answered)
}

/// Which kinds of calls there are among some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    any: bool,
    /// Calls that only the module answers; the daemon answers `health` without it.
    by_module: bool,
}

impl Calls {
    fn of(pending: &Pending) -> Self {
        // nearly always the first one is for the module
        Self { any: !pending.is_empty(), by_module: pending.values().any(|call| call.verb.kind() != VerbKind::Health) }
    }

    fn add(&mut self, kind: VerbKind) {
        self.any = true;
        self.by_module |= kind != VerbKind::Health;
    }
}

/// For how long a daemon has owed answers without giving any. That it answers `health` says that the daemon lives, not that
/// its module works; and a daemon that is asked for nothing else owes the module's answer to nobody.
#[derive(Debug, Default)]
struct Silence {
    any_since: Option<Instant>,
    by_module_since: Option<Instant>,
}

impl Silence {
    /// Calls were sent.
    fn sent(&mut self, sent: Calls, now: Instant) {
        if sent.any {
            self.any_since.get_or_insert(now);
        }
        if sent.by_module {
            self.by_module_since.get_or_insert(now);
        }
    }

    /// Answers came; `left` are still outstanding.
    fn broken(&mut self, answered: Calls, left: Calls, now: Instant) {
        if answered.any {
            self.any_since = left.any.then_some(now);
        }
        if answered.by_module {
            self.by_module_since = left.by_module.then_some(now);
        }
    }

    /// Since when it has been silent.
    fn since(&self) -> Option<Instant> {
        match (self.any_since, self.by_module_since) {
            (Some(any), Some(by_module)) => Some(any.min(by_module)),
            (any, by_module) => any.or(by_module),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: Calls = Calls { any: true, by_module: false };
    const VERB: Calls = Calls { any: true, by_module: true };
    const NONE: Calls = Calls { any: false, by_module: false };

    enum Step {
        Sent(Calls),
        /// The answers, and what is left.
        Answered(Calls, Calls),
    }

    /// Steps a second apart, the first at second 0; the second since when the daemon has been silent after the last.
    fn silent_since(steps: &[Step]) -> Option<u64> {
        let start = Instant::now();
        let mut silence = Silence::default();
        for (step, second) in steps.iter().zip(0..) {
            let now = start + Duration::from_secs(second);
            match step {
                Step::Sent(calls) => silence.sent(*calls, now),
                Step::Answered(answered, left) => silence.broken(*answered, *left, now),
            }
        }
        silence.since().map(|since| (since - start).as_secs())
    }

    #[test]
    fn a_daemon_is_silent_while_it_owes_answers_and_gives_none() {
        use Step::{Answered, Sent};
        let cases = [
            (&[][..], None, "nothing was asked"),
            (&[Sent(HEALTH), Answered(HEALTH, NONE)], None, "an idle daemon that lives is not silent"),
            (&[Sent(HEALTH)], Some(0), "one that does not even tell its health is"),
            (&[Sent(VERB), Answered(VERB, NONE)], None, "served"),
            (&[Sent(VERB), Sent(VERB), Answered(VERB, VERB)], Some(2), "it works on the rest"),
            (&[Sent(VERB), Sent(HEALTH), Answered(HEALTH, VERB)], Some(0), "it lives, and its module stands still"),
            (&[Sent(HEALTH), Sent(VERB), Answered(VERB, HEALTH)], Some(2), "one answer may be behind another"),
            (&[Sent(VERB), Answered(NONE, VERB)], Some(0), "a notice is no answer"),
        ];
        for (steps, expected, meaning) in cases {
            assert_eq!(silent_since(steps), expected, "{meaning}");
        }
    }
}
