//! `hsmd serve`: sockets in front, the supervisor's thread behind.
mod observe;
pub(crate) mod own_user;
mod queue;
mod reopen_lock;
mod role;
mod server;
mod stack;
mod status;
mod supervisor;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hsm::ModuleState;
use telemetry::{Health, LastingTasks, NotReady, Ready, TaskLost};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::memory_lock;
use crate::token::source::{self, Pkcs11Source};
use queue::{JobReceiver, JobSender, queue};
use reopen_lock::ReopenLock;
use server::{RoleSocket, accept, bind};
use supervisor::Supervisor;

/// At shutdown: time for running jobs and their answers, and the same time again for closing the module. A verb takes well under
/// a millisecond, so only a client that does not read, or a module that hangs, uses it up.
const LAST_ANSWERS_LIMIT: Duration = Duration::from_secs(1);
/// A call into the module that has not returned after so long is taken to never return: only another process can open the
/// module again.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15);

/// Why the daemon did not start, or why it ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Status(#[from] telemetry::StatusError),
    #[error("socket {0}: {1}")]
    Socket(PathBuf, io::Error),
    #[error("no daemon is named {0:?} in the configuration")]
    NoSuchDaemon(String),
    #[error("the module's thread: {0}")]
    Thread(io::Error),
    /// A defect: the thread should end only at shutdown. The daemon ends too, and its parent starts another.
    #[error("the module's thread has ended")]
    Ended,
    #[error(transparent)]
    Lost(#[from] TaskLost),
    /// A call into the module did not return, so its thread is lost.
    #[error("a call into the module does not return")]
    Stuck,
}

impl ServeError {
    /// Whether another start may succeed without a change to the configuration.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Ended | Self::Stuck | Self::Lost(_))
    }
}

/// Serves as the named daemon (without a name the first) until `stop` is cancelled, and then until every request read is
/// answered and the module is closed. Ends early if the module's thread is lost, which is a defect.
pub async fn serve(config: Config, name: Option<&str>, stop: CancellationToken) -> Result<(), ServeError> {
    let unknown = || ServeError::NoSuchDaemon(name.unwrap_or_default().to_owned());
    let own = config.daemon(name).ok_or_else(unknown)?.clone();
    let (job_sender, job_receiver) = queue(&config.limits);
    let watched = job_sender.clone();
    let tasks = LastingTasks::until(stop.clone());
    let ready: Health = Arc::new(move || match watched.health().state {
        ModuleState::Up | ModuleState::Degraded => Ok(Ready::default()),
        ModuleState::Down => Err(NotReady::new(format_args!("the module is down: {}", watched.status().trouble()))),
    });
    let address = telemetry::serve_status(own.status_address, ready, &tasks).await?;
    tracing::info!(daemon = own.name, %address, "status served");
    // help texts need the recorder that `serve_status` has installed
    observe::describe();

    let ended = CancellationToken::new();
    start_supervisor(&config, job_receiver, ended.clone())?;

    let connections = TaskTracker::new();
    let mut sockets = Vec::new();
    for (role, socket) in &config.socket {
        let path = config.socket_path(&own, *role);
        let listener = bind(&path, socket).map_err(|error| ServeError::Socket(path.clone(), error))?;
        let role_socket = RoleSocket {
            role: *role,
            uids: socket.uids.clone(),
            data_keys: config.ceremony.data_keys.clone(),
            max_unanswered: config.limits.max_in_flight_per_connection,
            job_sender: job_sender.clone(),
            stop: stop.clone(),
            connections: connections.clone(),
        };
        tracing::info!(role = role.label(), socket = %path.display(), "listening");
        sockets.push(tasks.spawn(format!("the {} socket", role.label()), accept(listener, Arc::new(role_socket))));
    }
    sockets.push(tasks.spawn("hearing of SIGHUP", reopen_on_hangup(job_sender.clone())));
    memory_lock::lock_memory();

    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = ended.cancelled() => Err(ServeError::Ended),
        lost = tasks.lost() => Err(lost.into()),
        () = module_is_stuck(&job_sender) => Err(ServeError::Stuck),
    };
    sockets.iter().for_each(AbortHandle::abort);
    for role in config.socket.keys() {
        // best effort: a file left behind is replaced at the next start
        let _ = std::fs::remove_file(config.socket_path(&own, *role));
    }
    connections.close();
    if timeout(LAST_ANSWERS_LIMIT, connections.wait()).await.is_err() {
        tracing::warn!("a connection did not take its last answers");
    }
    // the thread closes the module when the last sender is dropped; only a metrics scraper that stays connected may delay that
    drop(job_sender);
    if timeout(LAST_ANSWERS_LIMIT, ended.cancelled()).await.is_ok() && outcome.is_ok() {
        tracing::info!("module closed");
    }
    outcome
}

/// Opens the token and closes it again: a daemon that lost its token runs this in a child process.
pub fn opens_token(config: &Config) -> bool {
    source::opens(&config.token)
}

/// Ends when a call into the module has taken so long that it never returns.
async fn module_is_stuck(job_sender: &JobSender) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if job_sender.status().stuck_for().is_some_and(|time| time >= GIVE_UP_AFTER) {
            return;
        }
    }
}

/// SIGHUP follows a ceremony: the module is reopened to find the new keys.
async fn reopen_on_hangup(job_sender: JobSender) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangups) => {
            while hangups.recv().await.is_some() {
                job_sender.status().request_reopen();
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP will not be heard"),
    }
    // a daemon without it serves; ending would end it
    std::future::pending().await
}

/// Starts the one thread that touches the module; `ended` is cancelled when it ends, by return or panic.
fn start_supervisor(config: &Config, job_receiver: JobReceiver, ended: CancellationToken) -> Result<(), ServeError> {
    let source = Pkcs11Source::new(&config.token, &config.file);
    let (keys_dir, limits, reopen_lock) =
        (config.keys_dir.clone(), config.limits.clone(), ReopenLock::new(&config.run_dir));
    let run = move || {
        let _ended = ended.drop_guard();
        // the token's handles are bound to the thread that opens it, so the supervisor is built there
        Supervisor::new(source, keys_dir, limits, reopen_lock, job_receiver).run();
    };
    std::thread::Builder::new().name("pkcs11".into()).spawn(run).map(drop).map_err(ServeError::Thread)
}
