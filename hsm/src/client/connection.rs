//! The task that owns the socket: sends calls in one write per wake-up, matches answers by id, reconnects.
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroize;

use super::Call;
use crate::HsmError;
use crate::wire::{self, FrameBuffer, GREETING};

/// Calls taken into one socket write.
const PER_WRITE: usize = 64;
/// First and longest pause between attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// How long a restart of the daemon may take before callers are told that it is away.
const RESTART_LIMIT: Duration = Duration::from_secs(1);
/// Calls held through a restart.
const HELD: usize = 4096;
/// How long the daemon may take to greet.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// How often calls nobody waits for any more are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// Calls that were sent and not yet answered, by id.
type Pending = HashMap<u64, Call>;

/// Runs until the last handle is dropped.
pub(super) async fn run(socket: PathBuf, mut calls: mpsc::Receiver<Call>) {
    let mut again: Vec<Call> = Vec::new();
    loop {
        let Some(stream) = reconnect(&socket, &mut calls, &mut again).await else { return };
        tracing::info!(socket = %socket.display(), "connected to hsmd");
        let mut pending = Pending::new();
        match serve(stream, &mut calls, &mut again, &mut pending).await {
            Ended::NoHandles => return,
            Ended::Lost(error) => {
                tracing::warn!(socket = %socket.display(), %error, in_flight = pending.len(), "connection to hsmd lost");
                again.extend(pending.into_values().filter_map(harmless));
            }
        }
    }
}

/// Tries until it is connected; `None` when the last handle has been dropped. Calls wait in `held` for a daemon that is
/// being restarted; once it has been away for longer than that takes, they are told at once.
async fn reconnect(socket: &Path, calls: &mut mpsc::Receiver<Call>, held: &mut Vec<Call>) -> Option<UnixStream> {
    let begun = Instant::now();
    let mut pause = PAUSE.0;
    loop {
        let error = match connect(socket).await {
            Ok(stream) => return Some(stream),
            Err(error) => error,
        };
        let away = begun.elapsed() > RESTART_LIMIT;
        if away {
            tracing::warn!(socket = %socket.display(), %error, "hsmd cannot be reached");
            held.drain(..).for_each(refuse);
        }
        let resume = Instant::now() + pause;
        while let Ok(next) = timeout_at(resume, calls.recv()).await {
            let call = next?;
            if away || held.len() >= HELD { refuse(call) } else { held.push(call) }
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Ends a call that was never sent.
fn refuse(call: Call) {
    // a caller that has stopped waiting is no loss
    let _ = call.reply.send(Err(HsmError::Unavailable("hsmd cannot be reached")));
}

/// Keeps a call that may be sent again; ends the others.
fn harmless(call: Call) -> Option<Call> {
    if call.verb.may_be_repeated() {
        return Some(call);
    }
    let _ = call.reply.send(Err(HsmError::Unavailable("the connection was lost after the request was sent")));
    None
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

enum Ended {
    NoHandles,
    Lost(io::Error),
}

/// Reading never waits for writing: a daemon that is busy answering stops reading, and would wait for us for ever.
async fn serve(
    stream: UnixStream,
    calls: &mut mpsc::Receiver<Call>,
    again: &mut Vec<Call>,
    pending: &mut Pending,
) -> Ended {
    let (mut reading, mut writing) = stream.into_split();
    let mut incoming = FrameBuffer::default();
    let mut batch: Vec<Call> = Vec::with_capacity(PER_WRITE);
    let mut out = Vec::with_capacity(16 * 1024);
    let mut written = 0;
    let mut next_id = 0_u64;
    let mut sweep = tokio::time::interval(SWEEP);
    send(again, &mut out, &mut next_id, pending);
    loop {
        tokio::select! {
            taken = calls.recv_many(&mut batch, PER_WRITE), if out.is_empty() => {
                if taken == 0 {
                    return Ended::NoHandles;
                }
                send(&mut batch, &mut out, &mut next_id, pending);
            }
            progress = writing.write(&out[written..]), if !out.is_empty() => match progress {
                Ok(0) => return Ended::Lost(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    if written == out.len() {
                        out.zeroize();
                        written = 0;
                    }
                }
                Err(error) => return Ended::Lost(error),
            },
            read = reading.read_buf(incoming.space()) => match read {
                Ok(0) => return Ended::Lost(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => if let Err(error) = receive(&mut incoming, pending) {
                    return Ended::Lost(error);
                },
                Err(error) => return Ended::Lost(error),
            },
            _ = sweep.tick() => pending.retain(|_, call| !call.reply.is_closed()),
        }
    }
}

/// Frames what still has somebody waiting for it.
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

/// Hands every whole answer to its caller.
fn receive(incoming: &mut FrameBuffer, pending: &mut Pending) -> io::Result<()> {
    let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    while let Some(frame) = incoming.next_frame().map_err(broken)? {
        let response = wire::take_response(frame).map_err(broken)?;
        // no entry: the caller's deadline passed and the sweep forgot it
        if let Some(call) = pending.remove(&response.id) {
            let result = wire::take_answer(call.verb.kind(), response.status, response.body);
            let _ = call.reply.send(result);
        }
    }
    Ok(())
}
