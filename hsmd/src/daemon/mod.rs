//! `hsmd serve`: sockets in front, the supervisor's thread behind.
mod observe;
pub(crate) mod own_user;
mod queue;
mod role;
mod server;
mod stack;
mod status;
mod supervisor;
mod turn;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hsm::ModuleState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::memory_lock;
use crate::token::source::{self, Pkcs11Source};
use queue::{Intake, Outlet, queue};
use server::{Desk, accept, bind};
use supervisor::Supervisor;
use turn::Turns;

/// At the end: for the jobs in hand and their answers, and again for the module to be closed. A verb takes well under a
/// millisecond, so only a client that does not read, or a module that hangs, uses it up.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// A call into the module that has not returned after so long never will: only another process can open the module again.
const HOPELESS_AFTER: Duration = Duration::from_secs(15);

/// Why the daemon did not start.
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
    /// A defect: the thread ends only when it is asked to. The daemon ends too, so that whoever supervises it starts another.
    #[error("the module's thread has ended")]
    Ended,
    /// The module has swallowed its thread.
    #[error("a call into the module does not return")]
    Stuck,
}

impl ServeError {
    /// Whether another start may go well without anybody mending a file.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Ended | Self::Stuck)
    }
}

/// Serves as the named daemon (without a name the first) until `stop` is cancelled, and then until what was read is
/// answered and the module is closed; or until the module's thread is lost, which it never should.
pub async fn serve(config: Config, name: Option<&str>, stop: CancellationToken) -> Result<(), ServeError> {
    let unknown = || ServeError::NoSuchDaemon(name.unwrap_or_default().to_owned());
    let own = config.daemon(name).ok_or_else(unknown)?.clone();
    let (intake, outlet) = queue(&config.limits);
    let watched = intake.clone();
    let ready: telemetry::Health = Arc::new(move || match watched.health().state {
        ModuleState::Up | ModuleState::Degraded => Ok(()),
        ModuleState::Down => {
            Err(telemetry::NotReady::new(format_args!("the module is down: {}", watched.status().trouble())))
        }
    });
    let address = telemetry::serve_status(own.status_address, ready, stop.clone().cancelled_owned()).await?;
    tracing::info!(daemon = own.name, %address, "status served");
    // only now is there a recorder that keeps help texts
    observe::describe();

    let ended = CancellationToken::new();
    start_supervisor(&config, outlet, ended.clone())?;

    let connections = TaskTracker::new();
    let mut sockets = tokio::task::JoinSet::new();
    for (role, socket) in &config.socket {
        let path = config.socket_path(&own, *role);
        let listener = bind(&path, socket).map_err(|error| ServeError::Socket(path.clone(), error))?;
        let desk = Desk {
            role: *role,
            uids: socket.uids.clone(),
            data_keys: config.ceremony.data_keys.clone(),
            unanswered: config.limits.max_in_flight_per_connection,
            intake: intake.clone(),
            stop: stop.clone(),
            connections: connections.clone(),
        };
        tracing::info!(role = role.label(), socket = %path.display(), "listening");
        sockets.spawn(accept(listener, Arc::new(desk)));
    }
    sockets.spawn(reopen_on_hangup(intake.clone()));
    memory_lock::lock_memory();

    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = ended.cancelled() => Err(ServeError::Ended),
        () = module_swallows(&intake) => Err(ServeError::Stuck),
    };
    sockets.shutdown().await;
    for role in config.socket.keys() {
        // best effort: a file left behind is replaced at the next start
        let _ = std::fs::remove_file(config.socket_path(&own, *role));
    }
    connections.close();
    if timeout(LAST_ANSWERS, connections.wait()).await.is_err() {
        tracing::warn!("a connection did not take its last answers");
    }
    // the thread closes the module when nobody can ask any more; only a scraper that stays connected may delay that
    drop(intake);
    if timeout(LAST_ANSWERS, ended.cancelled()).await.is_ok() && outcome.is_ok() {
        tracing::info!("module closed");
    }
    outcome
}

/// Opens the token and closes it again: what a daemon that lost its token asks a child of itself.
pub fn opens_token(config: &Config) -> bool {
    source::opens(&config.token)
}

/// Ends when a call into the module has taken so long that it never returns.
async fn module_swallows(intake: &Intake) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if intake.status().stuck_for().is_some_and(|time| time >= HOPELESS_AFTER) {
            return;
        }
    }
}

/// SIGHUP after a ceremony: the new keys are wanted.
async fn reopen_on_hangup(intake: Intake) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangups) => {
            while hangups.recv().await.is_some() {
                intake.status().request_reopen();
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP will not be heard"),
    }
}

/// Starts the one thread that touches the module; `ended` is cancelled when it ends, in whatever way.
fn start_supervisor(config: &Config, outlet: Outlet, ended: CancellationToken) -> Result<(), ServeError> {
    let source = Pkcs11Source::new(&config.token, &config.file);
    let (keys_dir, limits, turns) = (config.keys_dir.clone(), config.limits.clone(), Turns::new(&config.run_dir));
    let run = move || {
        let _ended = ended.drop_guard();
        // the token's handles are bound to the thread that opens it, so the supervisor is built there
        Supervisor::new(source, keys_dir, limits, turns, outlet).run();
    };
    std::thread::Builder::new().name("pkcs11".into()).spawn(run).map(drop).map_err(ServeError::Thread)
}
