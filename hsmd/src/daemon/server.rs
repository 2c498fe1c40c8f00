//! The daemon's sockets: one per role, frames in, jobs to the queue, answers out in one write per wake-up.
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hsm::HsmError;
use hsm::verb::{Answer, Verb};
use hsm::wire::{self, FrameBuffer, GREETING, Request};
use nix::unistd::Group;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroize;

use crate::config::{Role, SocketConfig};
use crate::daemon::queue::{Job, JobSender, Reply};
use crate::daemon::{observe, role};

/// How long a peer may take to greet.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// Answers taken into one socket write.
const PER_WRITE: usize = 64;

/// The state that all connections of one role's socket share.
#[derive(Debug)]
pub(crate) struct RoleSocket {
    pub role: Role,
    pub uids: Vec<u32>,
    pub data_keys: BTreeMap<String, Role>,
    pub max_unanswered: usize,
    pub job_sender: JobSender,
    /// Cancelled when no further request is to be read.
    pub stop: CancellationToken,
    /// The connections, to wait for their last answers.
    pub connections: TaskTracker,
}

/// Opens a role's socket. A path that another daemon serves is refused; the leftover of a dead daemon is replaced.
pub(crate) fn bind(path: &Path, socket: &SocketConfig) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    remove_stale_socket(path)?;
    let listener = UnixListener::bind(path)?;
    // others may connect only where the uid is checked on every connection
    let mode = match (&socket.group, socket.uids.is_empty()) {
        (_, true) => 0o600,
        (None, false) => 0o666,
        (Some(group), false) => {
            let no_group = || io::Error::new(io::ErrorKind::NotFound, format!("there is no group {group:?}"));
            let group = Group::from_name(group)?.ok_or_else(no_group)?;
            std::os::unix::fs::chown(path, None, Some(group.gid.as_raw()))?;
            0o660
        }
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

fn remove_stale_socket(path: &Path) -> io::Result<()> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon serves this socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => std::fs::remove_file(path),
    }
}

/// Accepts until the task is dropped.
pub(crate) async fn accept(listener: UnixListener, socket: Arc<RoleSocket>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (connections, socket) = (socket.connections.clone(), Arc::clone(&socket));
                connections.spawn(async move {
                    observe::connected(socket.role, 1.0);
                    if let Err(error) = serve_connection(stream, &socket).await {
                        tracing::warn!(role = socket.role.label(), %error, "connection ended");
                    }
                    observe::connected(socket.role, -1.0);
                });
            }
            Err(error) => {
                tracing::error!(role = socket.role.label(), %error, "accepting");
                // out of descriptors, most likely: accepting again at once would spin
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection(mut stream: UnixStream, socket: &RoleSocket) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    if !socket.uids.is_empty() && !socket.uids.contains(&peer.uid()) {
        observe::stranger(socket.role);
        tracing::warn!(role = socket.role.label(), uid = peer.uid(), pid = peer.pid(), "user may not connect here");
        return Ok(());
    }
    tracing::info!(role = socket.role.label(), uid = peer.uid(), pid = peer.pid(), "connected");
    greet(&mut stream, socket.role).await?;
    let (reading, writing) = stream.into_split();
    let (answers, outgoing) = mpsc::channel(socket.max_unanswered);
    let writer = tokio::spawn(write_answers(writing, outgoing, socket.job_sender.status().accepting()));
    let read = read_requests(reading, socket, answers).await;
    // jobs of this connection still hold slots for their replies; the writer ends with the last of them
    writer.await??;
    read
}

async fn greet(stream: &mut UnixStream, role: Role) -> io::Result<()> {
    let mut theirs = [0; GREETING.len()];
    timeout(GREETING_LIMIT, stream.read_exact(&mut theirs)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if theirs != GREETING {
        observe::malformed(role);
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer does not speak this version of the protocol"));
    }
    let mut ours = GREETING.to_vec();
    ours.push(role as u8);
    stream.write_all(&ours).await
}

async fn read_requests(
    mut reading: OwnedReadHalf,
    socket: &RoleSocket,
    answers: mpsc::Sender<Reply>,
) -> io::Result<()> {
    let mut incoming = FrameBuffer::default();
    loop {
        tokio::select! {
            // a request that is not read is not begun: the client sends it to another daemon, as after any lost connection
            () = socket.stop.cancelled() => return Ok(()),
            read = reading.read_buf(incoming.space()) => if read? == 0 { return Ok(()) },
        }
        let received = Instant::now();
        while let Some(frame) = incoming.next_frame().map_err(|error| broken(socket, error))? {
            let request = wire::take_request(frame).map_err(|error| broken(socket, error))?;
            // waits when the peer sends without reading its answers
            let Ok(reply_slot) = answers.clone().reserve_owned().await else { return Ok(()) };
            dispatch(request, received, reply_slot, socket);
        }
    }
}

fn broken(socket: &RoleSocket, error: wire::Malformed) -> io::Error {
    observe::malformed(socket.role);
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Answers requests that need no module, queues the others.
fn dispatch(request: Request, received: Instant, reply_slot: mpsc::OwnedPermit<Reply>, socket: &RoleSocket) {
    let verb = match request.verb {
        Ok(verb) => verb,
        Err(error) => {
            observe::malformed(socket.role);
            tracing::warn!(role = socket.role.label(), %error, "request refused");
            let error = HsmError::BadInput("malformed");
            reply_slot.send(Reply { id: request.id, result: Err(error) });
            return;
        }
    };
    let kind = verb.kind();
    if !role::offers(socket.role, &verb, &socket.data_keys) {
        observe::denied(socket.role, kind);
        tracing::warn!(role = socket.role.label(), verb = kind.label(), "denied");
        reply_slot.send(Reply { id: request.id, result: Err(HsmError::Denied("not offered to this role")) });
    } else if matches!(verb, Verb::Health) {
        reply_slot.send(Reply { id: request.id, result: Ok(Answer::Health(socket.job_sender.health())) });
    } else {
        let deadline = received + Duration::from_micros(request.budget_us.into());
        socket.job_sender.submit(Job { id: request.id, verb, received, deadline, reply_slot });
    }
}

/// Writes answers, and a notice whenever the daemon stops or resumes taking requests.
async fn write_answers(
    mut writing: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Reply>,
    mut accepting: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(PER_WRITE);
    let mut out = Vec::with_capacity(16 * 1024);
    // a client assumes that a new connection takes requests
    let mut last_notice = true;
    loop {
        let now = *accepting.borrow_and_update();
        if now != last_notice {
            wire::put_notice(&mut out, now);
            last_notice = now;
            writing.write_all(&out).await?;
            out.clear();
        }
        tokio::select! {
            biased;
            // an error means that the daemon is ending; answers are written until their senders are gone
            Ok(()) = accepting.changed() => continue,
            taken = outgoing.recv_many(&mut batch, PER_WRITE) => if taken == 0 {
                return Ok(());
            },
        }
        for reply in batch.drain(..) {
            wire::put_answer(&mut out, reply.id, &reply.result);
        }
        let written = writing.write_all(&out).await;
        out.zeroize();
        written?;
    }
}

#[cfg(test)]
mod tests;
