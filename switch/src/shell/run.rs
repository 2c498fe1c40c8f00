//! The start of the switch: reads its files, opens the pending log, listeners and connections; then running.rs takes
//! over until the end.
#![expect(clippy::disallowed_methods, reason = "this is a module with the clock and the tasks")]

use crate::config::{Config, PendingLogConfig};
use crate::core::{Core, Setup};
use crate::data_key::DataKey;
use crate::event::{DestinationId, ListenerId};
use crate::intake::Terminals;
use crate::metrics;
use crate::shell::admin;
use crate::shell::descriptors;
use crate::shell::disk::{self, Wanted};
use crate::shell::running::{Peer, Running, now};
use crate::shell::store::log::{self, Limits, Repaired};
use crate::shell::store::{Fingerprints, PendingLog};
use anyhow::Context;
use codecs::Dialect;
use codecs::frame::Framing;
use hsm::HsmError;
use link::backoff::Backoff;
use link::driver::{self, ConnectionReport, Most, Sources, Wire};
use link::transport::Plain;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use telemetry::{LastingTasks, NotReady, Ready};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

const REPORTS: usize = 4096;
/// The folder of the pending log within the state folder.
const PENDING: &str = "pending";
/// Name of the data key at hsmd.
const DATA_KEY: &str = "switch-pending";

/// The addresses that the switch listens on. Where the configuration has port 0, this has the port that was chosen.
#[derive(Debug, Clone)]
pub struct Bound {
    pub listeners: Vec<(String, std::net::SocketAddr)>,
    pub admin: std::net::SocketAddr,
    pub status: std::net::SocketAddr,
}

/// Runs until `shutdown`, then ends in good order: no connection is opened and no new request is sent, requests under
/// way end by their answer or their deadline, and the pending log is synced. `bound` gets the addresses when everything
/// is up.
///
/// # Errors
/// The configuration or a file that it names cannot be used (see [`is_mistake`]), an address is taken, or the pending
/// log cannot be written: without it messages of store and forward could be lost.
pub async fn run(
    config: Config,
    bound: oneshot::Sender<Bound>,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    tokio::pin!(shutdown);
    let hsm = hsm::Client::connect(&config.hsm_socket);
    let files = Files::read(&config)?;
    let ready = Arc::new(AtomicBool::new(false));
    let tasks = LastingTasks::until(CancellationToken::new());
    let _stop_on_return = tasks.stop().clone().drop_guard();
    let status = serve_status(&config, &ready, &tasks).await?;
    let data_key = tokio::select! {
        () = &mut shutdown => return Ok(()),
        lost = tasks.lost() => return Err(lost.into()),
        key = data_key(&hsm) => key?,
    };
    serve(config, files, data_key, hsm, (ready, status, tasks), bound, shutdown).await
}

/// As [`run`], with the pending log's key as an argument instead of from hsmd.
///
/// # Errors
/// As [`run`].
pub async fn run_with_key(
    config: Config,
    data_key: DataKey,
    bound: oneshot::Sender<Bound>,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let hsm = hsm::Client::connect(&config.hsm_socket);
    let files = Files::read(&config)?;
    let ready = Arc::new(AtomicBool::new(false));
    let tasks = LastingTasks::until(CancellationToken::new());
    let _stop_on_return = tasks.stop().clone().drop_guard();
    let status = serve_status(&config, &ready, &tasks).await?;
    serve(config, files, data_key, hsm, (ready, status, tasks), bound, shutdown).await
}

/// The files that the configuration names.
struct Files {
    listener_dialects: Vec<Arc<Dialect>>,
    dialects: Vec<Arc<Dialect>>,
    terminals: Terminals,
}

impl Files {
    fn read(config: &Config) -> anyhow::Result<Self> {
        let dialect = |name: &str| codecs::dialect::load(&config.dialects_dir, name);
        let listener_dialects = config.listeners.iter().map(|l| dialect(&l.dialect)).collect::<Result<_, _>>()?;
        let dialects = config.destinations.iter().map(|d| dialect(&d.dialect)).collect::<Result<_, _>>()?;
        let terminals = Terminals::load(&config.terminal_keys)?;
        tracing::info!(terminals = terminals.len(), "terminal keys read");
        Ok(Self { listener_dialects, dialects, terminals })
    }
}

async fn serve_status(
    config: &Config,
    ready: &Arc<AtomicBool>,
    tasks: &LastingTasks,
) -> anyhow::Result<std::net::SocketAddr> {
    let is_ready = Arc::clone(ready);
    let health = Arc::new(move || match is_ready.load(Ordering::Relaxed) {
        true => Ok(Ready::default()),
        false => Err(NotReady::new("the host does not take traffic, the disk is full, or the switch is ending")),
    });
    let address = telemetry::serve_status(config.status_address, health, tasks).await?;
    metrics::describe();
    driver::describe_metrics();
    Ok(address)
}

async fn serve(
    config: Config,
    files: Files,
    data_key: DataKey,
    hsm: hsm::Client,
    (ready, status, tasks): (Arc<AtomicBool>, std::net::SocketAddr, LastingTasks),
    bound: oneshot::Sender<Bound>,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let Files { listener_dialects, dialects, terminals } = files;
    let _lock = lock(&config.state_dir)?;
    let (mut log, records) = open_log(&config, data_key.clone())?;
    let (disk_low, low) = watch::channel(false);
    let reserve = log.watch_reserve(disk_low.clone());
    let wanted =
        Wanted { folder: config.state_dir.clone(), min_free_bytes: config.pending_log.min_free_bytes, reserve };
    disk_low.send_replace(wanted.is_too_little(false));
    let (fingerprints, known) = Fingerprints::open(&config.state_dir.join("fingerprints"))?;
    let setup =
        Setup { config: config.clone(), dialects: dialects.clone(), terminals, data_key, known, seed: rand::random() };
    let mut core = Core::new(setup, now())?;
    let first = core.restore(now(), records);
    let links = driver::Stop::new(tasks.stop().clone());
    // the tasks of the links end when no connection is to be opened any more, before the others
    let link_tasks = tasks.ending_with(links.opening.clone());
    let sources = Sources::of(descriptors::for_listeners(&config)?);
    let mut switch = Running::new(core, (log, fingerprints), hsm, ready, (links.opening.clone(), sources.clone()))?;
    switch.start(first)?;

    let (reports, incoming) = mpsc::channel(REPORTS);
    let listeners = listen(&config, &listener_dialects, (&reports, &sources), &links, &link_tasks).await?;
    dial(&config, &dialects, &reports, &links, &link_tasks);
    tasks.spawn("disk".to_owned(), disk::watch(wanted, disk_low));
    let (questions, asked) = mpsc::channel(16);
    let admin = admin::serve(&config, questions, &tasks).await?;
    // the caller may not want the addresses
    let _ = bound.send(Bound { listeners, admin, status });
    tokio::select! {
        ended = switch.serve(incoming, asked, low, shutdown) => ended,
        lost = tasks.lost() => Err(lost.into()),
    }
}

/// Makes a pending log with a damaged segment readable, for the next start. Waits for hsmd, which has its key.
///
/// # Errors
/// A switch runs on the state folder, a file cannot be read or written, or the data key is another one.
pub async fn repair(config: &Config) -> anyhow::Result<Vec<Repaired>> {
    let _lock = lock(&config.state_dir)?;
    let key = data_key(&hsm::Client::connect(&config.hsm_socket)).await?;
    Ok(log::repair(&config.state_dir.join(PENDING), &key)?)
}

/// Gets the key of the pending log from hsmd, which may start later than the switch.
async fn data_key(hsm: &hsm::Client) -> anyhow::Result<DataKey> {
    loop {
        match hsm.data_key(DATA_KEY).await {
            Ok(key) => return Ok(DataKey::new(*key.expose())),
            Err(error @ (HsmError::Unavailable(_) | HsmError::Busy)) => {
                tracing::warn!(%error, "waiting for hsmd");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error).context("the pending log's data key"),
        }
    }
}

fn open_log(config: &Config, key: DataKey) -> anyhow::Result<(PendingLog, Vec<crate::record::Record>)> {
    let PendingLogConfig { segment_bytes, keep_segments, reserve_bytes, .. } = config.pending_log;
    let limits = Limits { segment_bytes, keep_segments, reserve_bytes };
    Ok(PendingLog::open(&config.state_dir.join(PENDING), key, limits)?)
}

/// Locks the state folder: of two switches on one folder, each would reverse and repeat messages of the other. Held
/// until the file is dropped, or the process ends in any way.
fn lock(folder: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join("lock");
    let file = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => anyhow::bail!("{}: another switch runs on this state folder", path.display()),
    }
}

async fn listen(
    config: &Config,
    dialects: &[Arc<Dialect>],
    (reports, sources): (&mpsc::Sender<ConnectionReport<Peer>>, &Sources),
    stop: &driver::Stop,
    tasks: &LastingTasks,
) -> anyhow::Result<Vec<(String, std::net::SocketAddr)>> {
    let mut bound = Vec::new();
    for (i, (listener, dialect)) in config.listeners.iter().zip(dialects).enumerate() {
        let wire = Wire {
            name: listener.name.as_str().into(),
            dialect: Arc::clone(dialect),
            framing: framing(&listener.framing),
            max_frame_bytes: listener.max_frame_bytes,
            frame_timeout: Duration::from_millis(listener.frame_timeout_ms),
            in_flight: Some(listener.max_in_flight_per_connection),
            first_frame_within: Some(Duration::from_millis(listener.first_message_within_ms)),
            max_idle: Some(Duration::from_secs(listener.max_idle_s)),
        };
        let socket = TcpListener::bind(listener.address).await;
        let socket = socket.with_context(|| format!("listener[{i}].address: {}", listener.address))?;
        bound.push((listener.name.clone(), socket.local_addr()?));
        let peer = Peer::Originator(ListenerId(i));
        let most = Most {
            connections: listener.max_connections,
            per_source: listener.max_connections_per_source,
            // nobody signs on where that is not required
            reserved: if listener.sign_on_required { listener.max_connections / 10 } else { 0 },
        };
        let listening =
            driver::listen(socket, peer, wire, Plain, (most, sources.clone()), reports.clone(), stop.clone());
        tasks.spawn(format!("listener {}", listener.name), listening);
    }
    Ok(bound)
}

fn dial(
    config: &Config,
    dialects: &[Arc<Dialect>],
    reports: &mpsc::Sender<ConnectionReport<Peer>>,
    stop: &driver::Stop,
    tasks: &LastingTasks,
) {
    for (i, (destination, dialect)) in config.destinations.iter().zip(dialects).enumerate() {
        let wire = Wire {
            name: destination.name.as_str().into(),
            dialect: Arc::clone(dialect),
            framing: framing(&destination.framing),
            max_frame_bytes: destination.max_frame_bytes,
            frame_timeout: Duration::from_millis(destination.frame_timeout_ms),
            in_flight: None,
            first_frame_within: None,
            max_idle: None,
        };
        let first = Duration::from_millis(destination.reconnect_first_ms);
        let longest = Duration::from_millis(destination.reconnect_longest_ms);
        let peer = Peer::Destination(DestinationId(i));
        for address in &destination.address.0 {
            for _ in 0..destination.connections {
                let (wire, backoff) = (wire.clone(), Backoff::new(first, longest));
                let dialling = driver::dial(*address, peer, wire, Plain, backoff, reports.clone(), stop.clone());
                tasks.spawn(format!("destination {}", destination.name), dialling);
            }
        }
    }
}

fn framing(name: &str) -> Framing {
    Framing::named(name).expect("the configuration was checked for known framings")
}

/// Whether an error of `run` is a mistake in the configuration or in a file that it names, for the user to correct.
pub fn is_mistake(error: &anyhow::Error) -> bool {
    error.is::<codecs::dialect::DialectError>()
        || error.is::<crate::intake::TerminalFileError>()
        || error.is::<crate::core::SetupError>()
}
