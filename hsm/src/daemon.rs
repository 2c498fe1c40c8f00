//! `hsmd serve`: sockets in front, the supervisor's thread behind.
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cryptoki::context::Pkcs11;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::module::Fault;
use crate::queue::{Intake, Outlet, queue};
use crate::server::{Desk, accept, bind};
use crate::supervisor::{Source, Supervisor};
use crate::token::{OpenError, Token, TokenConfig};
use crate::{ModuleState, harden, observe};

/// At the end: for the jobs in hand and their answers, and again for the module to be closed. A verb takes well under a
/// millisecond, so only a client that does not read, or a module that hangs, uses it up.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Status(#[from] telemetry::StatusError),
    #[error("socket {0}: {1}")]
    Socket(PathBuf, io::Error),
    #[error("{0}")]
    Module(String),
    #[error("the module's thread: {0}")]
    Thread(io::Error),
    /// A defect: the thread ends only when it is asked to. The daemon ends too, so that whoever supervises it starts another.
    #[error("the module's thread has ended")]
    Ended,
}

/// The PKCS#11 token of the configuration, opened as often as it takes.
struct Pkcs11Source {
    library: Pkcs11,
    config: TokenConfig,
}

impl Source for Pkcs11Source {
    type Module = Token;

    fn open(&mut self) -> Result<Token, String> {
        Token::open(&self.library, &self.config).map_err(|error| error.to_string())
    }

    fn close(&mut self, module: Token) {
        module.close();
    }

    fn created(module: &Token) -> u64 {
        module.created()
    }

    fn probe(module: &Token) -> Result<(), Fault> {
        module.probe()
    }

    fn would_open(&self) -> bool {
        // SoftHSM never sees a token again that it has lost: only a fresh initialization does, and that is what would cost
        // the session copies that still serve. So a process of its own looks first.
        let looked = std::env::current_exe().and_then(|program| {
            Command::new(program)
                .arg("find-token")
                .args([OsStr::new("--module"), self.config.module.as_os_str()])
                .args(["--label", &self.config.label])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
        });
        looked.is_ok_and(|status| status.success())
    }
}

/// Whether a module has a token with this label: what a daemon that lost its token asks a child of itself.
pub fn finds_token(module: &Path, label: &str) -> bool {
    let found = || {
        let library = Pkcs11::new(module)?;
        library.initialize(crate::token::arguments())?;
        crate::token::find_slot(&library, label)
    };
    matches!(found(), Ok(Some(_)))
}

/// Serves until `stop` is cancelled, and then until what was read is answered and the module is closed; or until the module's thread has ended, which it never should.
pub async fn serve(config: Config, stop: CancellationToken) -> Result<(), ServeError> {
    let library = config.token.library().map_err(|error: OpenError| ServeError::Module(error.to_string()))?;
    let (intake, outlet) = queue(&config.limits);
    let watched = intake.clone();
    let ready: telemetry::Health = Arc::new(move || match watched.health().state {
        ModuleState::Up | ModuleState::Degraded => Ok(()),
        ModuleState::Down => Err("the module is down".into()),
    });
    let address = telemetry::serve_status(config.status_address, ready, stop.clone().cancelled_owned()).await?;
    tracing::info!(%address, "status served");
    // only now is there a recorder that keeps help texts
    observe::describe();

    let source = Pkcs11Source { library, config: config.token.clone() };
    let ended = CancellationToken::new();
    start_supervisor(source, &config, outlet, ended.clone())?;

    let connections = TaskTracker::new();
    let mut sockets = tokio::task::JoinSet::new();
    for (role, socket) in &config.socket {
        let listener = bind(socket).map_err(|error| ServeError::Socket(socket.path.clone(), error))?;
        let desk = Desk {
            role: *role,
            uids: socket.uids.clone(),
            data_keys: config.ceremony.data_keys.clone(),
            unanswered: config.limits.unanswered_per_connection,
            intake: intake.clone(),
            stop: stop.clone(),
            connections: connections.clone(),
        };
        tracing::info!(role = role.label(), socket = %socket.path.display(), "listening");
        sockets.spawn(accept(listener, Arc::new(desk)));
    }
    sockets.spawn(reopen_on_hangup(intake.clone()));
    harden::lock_memory();

    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = ended.cancelled() => Err(ServeError::Ended),
    };
    sockets.shutdown().await;
    for socket in config.socket.values() {
        // best effort: a file left behind is replaced at the next start
        let _ = std::fs::remove_file(&socket.path);
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

/// SIGHUP after a ceremony: the new keys are wanted.
async fn reopen_on_hangup(intake: Intake) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangups) => {
            while hangups.recv().await.is_some() {
                intake.request_reopen();
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP will not be heard"),
    }
}

/// Starts the one thread that touches the module; `ended` is cancelled when it ends, in whatever way.
fn start_supervisor(
    source: Pkcs11Source,
    config: &Config,
    outlet: Outlet,
    ended: CancellationToken,
) -> Result<(), ServeError> {
    let (keys_dir, limits) = (config.keys_dir.clone(), config.limits.clone());
    let run = move || {
        let _ended = ended.drop_guard();
        // the token's handles are bound to the thread that opens it, so the supervisor is built there
        Supervisor::new(source, keys_dir, limits, outlet).run();
    };
    std::thread::Builder::new().name("pkcs11".into()).spawn(run).map(drop).map_err(ServeError::Thread)
}
