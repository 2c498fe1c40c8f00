//! The switch on real sockets: one task runs the core, writes the pending log and hands out what the core wants sent.
//!
//! Events are taken in batches. What a batch journals is written with one `write`, then its messages leave; what
//! follows a promise (an owed message) in its event waits until that promise is on the disk, and nothing else waits
//! with it.
#![expect(clippy::disallowed_methods, reason = "this is a module with the clock and the tasks")]

use crate::admin::{self, Question};
use crate::config::Config;
use crate::core::{Core, Parts};
use crate::event::{
    Arrival, Ask, ConnectionId, DestinationId, Effect, Event, HsmAnswer, ListenerId, MacVerdict, Now, PinVerdict,
    Reply, Ticket,
};
use crate::metrics;
use crate::store::{DataKey, PendingLog, Syncer, log::Limits};
use crate::terminals::Terminals;
use anyhow::Context;
use bytes::Bytes;
use codecs::Dialect;
use codecs::frame::{Framed, Framing};
use hsm::{EdgeVerdict, HsmError, MacOutcome, TranslationOutcome};
use link::backoff::Backoff;
use link::driver::{self, Happening, Outbox, Report, Wire};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Events taken into one round: one `write` of the pending log serves them all.
const EVENTS_PER_ROUND: usize = 256;
const REPORTS: usize = 4096;
const HSM_ANSWERS: usize = 4096;
/// The longest sleep without an event.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Promises are synced at once; the rest at least so often.
const BACKGROUND_SYNC: Duration = Duration::from_millis(250);
/// Name of the data key at hsmd.
const DATA_KEY: &str = "switch-pending";

/// A link of the switch, as its driver's reports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Originator(ListenerId),
    Destination(DestinationId),
}

/// Where the switch listens, once it does; ports of 0 in the configuration are known from here.
#[derive(Debug, Clone)]
pub struct Bound {
    pub listeners: Vec<(String, std::net::SocketAddr)>,
    pub admin: std::net::SocketAddr,
    pub status: std::net::SocketAddr,
}

/// Runs until `shutdown`; `bound` is told the addresses when everything is up.
///
/// # Errors
/// What it was given cannot be used (see [`is_mistake`]), an address is taken, or the pending log cannot be written:
/// without it no promise could be kept.
pub async fn run(
    config: Config,
    bound: oneshot::Sender<Bound>,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    tokio::pin!(shutdown);
    let hsm = hsm::Client::connect(&config.hsm_socket);
    let files = Files::read(&config)?;
    let ready = Arc::new(AtomicBool::new(false));
    let stop = CancellationToken::new();
    let _stop_on_return = stop.clone().drop_guard();
    let status = serve_status(&config, &ready, &stop).await?;
    let data_key = tokio::select! {
        () = &mut shutdown => return Ok(()),
        key = data_key(&hsm) => key?,
    };
    serve(config, files, data_key, hsm, (ready, status, stop), bound, shutdown).await
}

/// As [`run`], with the pending log's key given instead of asked for at hsmd.
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
    let stop = CancellationToken::new();
    let _stop_on_return = stop.clone().drop_guard();
    let status = serve_status(&config, &ready, &stop).await?;
    serve(config, files, data_key, hsm, (ready, status, stop), bound, shutdown).await
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
    stop: &CancellationToken,
) -> anyhow::Result<std::net::SocketAddr> {
    let is_ready = Arc::clone(ready);
    let health = Arc::new(move || match is_ready.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err("the host does not take traffic".to_owned()),
    });
    let address = telemetry::serve_status(config.status_address, health, stop.clone().cancelled_owned()).await?;
    metrics::describe();
    driver::describe_metrics();
    Ok(address)
}

async fn serve(
    config: Config,
    files: Files,
    data_key: DataKey,
    hsm: hsm::Client,
    (ready, status, stop): (Arc<AtomicBool>, std::net::SocketAddr, CancellationToken),
    bound: oneshot::Sender<Bound>,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let Files { listener_dialects, dialects, terminals } = files;
    let _lock = lock(&config.state_dir)?;
    let (log, records) = open_log(&config, data_key.clone())?;
    let parts = Parts { config: config.clone(), dialects: dialects.clone(), terminals, data_key, seed: rand::random() };
    let mut core = Core::new(parts, now())?;
    let first = core.restore(now(), records);
    let mut switch = Running::new(core, log, hsm, ready)?;
    switch.start(first)?;

    let (reports, incoming) = mpsc::channel(REPORTS);
    let listeners = listen(&config, &listener_dialects, &reports, &stop).await?;
    dial(&config, &dialects, &reports, &stop);
    let (questions, asked) = mpsc::channel(16);
    let admin = admin::serve(config.admin_address, questions, stop.clone()).await?;
    // nobody may be interested in the addresses
    let _ = bound.send(Bound { listeners, admin, status });
    tokio::select! {
        () = shutdown => {
            tracing::info!("stopping");
            Ok(switch.log.write()?)
        }
        ended = switch.serve(incoming, asked) => ended,
    }
}

/// The key of the pending log; hsmd may start later than the switch.
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

fn open_log(config: &Config, key: DataKey) -> anyhow::Result<(PendingLog, Vec<crate::store::Record>)> {
    let limits =
        Limits { segment_bytes: config.pending_log.segment_bytes, keep_segments: config.pending_log.keep_segments };
    Ok(PendingLog::open(&config.state_dir.join("pending"), key, limits)?)
}

/// Two switches on one state folder would each answer for what the other sent. Held until the file is dropped, or the
/// process ends, whatever way.
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
    reports: &mpsc::Sender<Report<Peer>>,
    stop: &CancellationToken,
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
        };
        let socket = TcpListener::bind(listener.address).await;
        let socket = socket.with_context(|| format!("listener[{i}].address: {}", listener.address))?;
        bound.push((listener.name.clone(), socket.local_addr()?));
        let peer = Peer::Originator(ListenerId(i));
        tokio::spawn(driver::listen(socket, peer, wire, listener.max_connections, reports.clone(), stop.clone()));
    }
    Ok(bound)
}

fn dial(config: &Config, dialects: &[Arc<Dialect>], reports: &mpsc::Sender<Report<Peer>>, stop: &CancellationToken) {
    for (i, (destination, dialect)) in config.destinations.iter().zip(dialects).enumerate() {
        let wire = Wire {
            name: destination.name.as_str().into(),
            dialect: Arc::clone(dialect),
            framing: framing(&destination.framing),
            max_frame_bytes: destination.max_frame_bytes,
            frame_timeout: Duration::from_millis(destination.frame_timeout_ms),
            in_flight: None,
        };
        let first = Duration::from_millis(destination.reconnect_first_ms);
        let longest = Duration::from_millis(destination.reconnect_longest_ms);
        for _ in 0..destination.connections {
            let peer = Peer::Destination(DestinationId(i));
            let backoff = Backoff::new(first, longest);
            tokio::spawn(driver::dial(destination.address, peer, wire.clone(), backoff, reports.clone(), stop.clone()));
        }
    }
}

fn framing(name: &str) -> Framing {
    Framing::named(name).expect("the configuration was checked for known framings")
}

/// Whether an error of `run` is a mistake in what the program was given, to be mended by its user.
pub fn is_mistake(error: &anyhow::Error) -> bool {
    error.is::<codecs::dialect::DialectError>()
        || error.is::<crate::terminals::TerminalFileError>()
        || error.is::<crate::core::PartsError>()
}

fn now() -> Now {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { mono: Instant::now(), wall_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX) }
}

/// Effects of one event that wait for a promise to be durable.
struct Deferred {
    ticket: u64,
    since: Instant,
    effects: Vec<Effect>,
}

struct Running {
    core: Core,
    log: PendingLog,
    syncer: Syncer,
    synced: mpsc::UnboundedReceiver<std::io::Result<u64>>,
    last_sync_ticket: u64,
    unsynced_since: Option<Instant>,
    deferred: VecDeque<Deferred>,
    outboxes: HashMap<ConnectionId, Outbox>,
    hsm: hsm::Client,
    hsm_answers: mpsc::Sender<(Ticket, HsmAnswer)>,
    hsm_answered: mpsc::Receiver<(Ticket, HsmAnswer)>,
    operators: HashMap<Ticket, oneshot::Sender<Reply>>,
    last_operator: u64,
    ready: Arc<AtomicBool>,
}

impl Running {
    fn new(core: Core, log: PendingLog, hsm: hsm::Client, ready: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let (report, synced) = mpsc::unbounded_channel();
        let (hsm_answers, hsm_answered) = mpsc::channel(HSM_ANSWERS);
        // the receiver lives as long as the switch
        let syncer = Syncer::start(move |result| _ = report.send(result)).context("pending-log thread")?;
        Ok(Self {
            core,
            log,
            syncer,
            synced,
            last_sync_ticket: 0,
            unsynced_since: None,
            deferred: VecDeque::new(),
            outboxes: HashMap::new(),
            hsm,
            hsm_answers,
            hsm_answered,
            operators: HashMap::new(),
            last_operator: 0,
            ready,
        })
    }

    /// What the restart made owed is durable before anything else happens.
    fn start(&mut self, effects: Vec<Effect>) -> anyhow::Result<()> {
        for effect in effects {
            if let Effect::Journal(record) = effect {
                self.log.append(&record);
            }
        }
        self.log.write()?;
        Ok(self.log.file().sync_data()?)
    }

    async fn serve(
        &mut self,
        mut incoming: mpsc::Receiver<Report<Peer>>,
        mut asked: mpsc::Receiver<Question>,
    ) -> anyhow::Result<()> {
        let mut reports = Vec::with_capacity(EVENTS_PER_ROUND);
        let mut verdicts = Vec::with_capacity(EVENTS_PER_ROUND);
        let mut round = Round::default();
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            let wake = self.core.next_wake().min(Instant::now() + LONGEST_SLEEP);
            let wake = self.unsynced_since.map_or(wake, |since| wake.min(since + BACKGROUND_SYNC));
            tokio::select! {
                taken = incoming.recv_many(&mut reports, EVENTS_PER_ROUND) => {
                    anyhow::ensure!(taken > 0, "every link has ended");
                }
                _ = self.hsm_answered.recv_many(&mut verdicts, EVENTS_PER_ROUND) => {}
                Some(question) = asked.recv() => {
                    let ticket = self.operator_ticket(question.reply);
                    self.turn(Event::Operator(ticket, question.command), &mut round);
                }
                Some(()) = hangup.recv() => self.read_terminals_again(),
                Some(synced) = self.synced.recv() => self.release(synced.context("pending log")?),
                () = tokio::time::sleep_until(wake.into()) => self.turn(Event::Tick, &mut round),
            }
            // whatever else is there already shares this round's write
            while verdicts.len() < EVENTS_PER_ROUND
                && let Ok(verdict) = self.hsm_answered.try_recv()
            {
                verdicts.push(verdict);
            }
            while reports.len() < EVENTS_PER_ROUND
                && let Ok(report) = incoming.try_recv()
            {
                reports.push(report);
            }
            for (ticket, answer) in verdicts.drain(..) {
                self.turn(Event::HsmAnswered(ticket, answer), &mut round);
            }
            for report in reports.drain(..) {
                if let Some(event) = self.event_of(report) {
                    self.turn(event, &mut round);
                }
            }
            self.perform(&mut round)?;
            self.ready.store(self.core.is_ready(), Ordering::Relaxed);
        }
    }

    /// On SIGHUP: terminals that were added or re-keyed work without a restart.
    fn read_terminals_again(&mut self) {
        match Terminals::load(&self.core.config().terminal_keys) {
            Ok(terminals) => {
                tracing::info!(terminals = terminals.len(), "terminal keys read again");
                self.core.replace_terminals(terminals);
            }
            Err(error) => tracing::error!(%error, "the terminal keys stay as they were"),
        }
    }

    fn operator_ticket(&mut self, reply: oneshot::Sender<Reply>) -> Ticket {
        self.last_operator += 1;
        let ticket = Ticket(self.last_operator);
        self.operators.retain(|_, waiting| !waiting.is_closed());
        self.operators.insert(ticket, reply);
        ticket
    }

    /// A driver's report as an event; outboxes are kept here, where sending is.
    fn event_of(&mut self, report: Report<Peer>) -> Option<Event> {
        let Report { link, connection, happening } = report;
        Some(match (link, happening) {
            (Peer::Originator(listener), Happening::Up(outbox)) => {
                self.outboxes.insert(connection, outbox);
                Event::OriginatorConnected(listener, connection)
            }
            (Peer::Destination(destination), Happening::Up(outbox)) => {
                self.outboxes.insert(connection, outbox);
                Event::DestinationConnected(destination, connection)
            }
            (Peer::Originator(listener), Happening::Message(header, message, place)) => {
                Event::FromOriginator(Box::new(Arrival { listener, connection, header, message: *message, place }))
            }
            (Peer::Destination(destination), Happening::Message(_, message, _)) => {
                Event::FromDestination(destination, connection, message)
            }
            (peer, Happening::Down(_)) => {
                self.outboxes.remove(&connection);
                match peer {
                    Peer::Originator(listener) => Event::OriginatorGone(listener, connection),
                    Peer::Destination(destination) => Event::DestinationGone(destination, connection),
                }
            }
        })
    }

    /// Runs the core on one event and sorts its effects: journal now, the rest before or behind a promise.
    fn turn(&mut self, event: Event, round: &mut Round) {
        let mut effects = Vec::new();
        self.core.handle(now(), event, &mut effects);
        let mut behind = Vec::new();
        let mut promised = false;
        for effect in effects {
            match effect {
                Effect::Journal(record) => {
                    promised |= record.is_promise();
                    self.log.append(&record);
                    round.records += 1;
                }
                other if promised => behind.push(other),
                other => round.effects.push(other),
            }
        }
        round.promised |= promised;
        if !behind.is_empty() {
            round.behind.push(behind);
        }
    }

    /// Writes what was journaled, then does what may be done; promises go to the disk first.
    fn perform(&mut self, round: &mut Round) -> anyhow::Result<()> {
        if round.records > 0 {
            metrics::journaled(round.records);
            self.unsynced_since.get_or_insert_with(Instant::now);
            self.log.write()?;
        }
        let overdue = self.unsynced_since.is_some_and(|since| since.elapsed() >= BACKGROUND_SYNC);
        if round.promised || overdue {
            self.last_sync_ticket += 1;
            self.unsynced_since = None;
            self.syncer.request(self.log.file(), self.last_sync_ticket);
            let (ticket, since) = (self.last_sync_ticket, Instant::now());
            let behind = round.behind.drain(..).map(|effects| Deferred { ticket, since, effects });
            self.deferred.extend(behind);
        }
        for effect in round.effects.drain(..) {
            self.perform_one(effect);
        }
        *round = Round { effects: std::mem::take(&mut round.effects), ..Round::default() };
        Ok(())
    }

    /// Everything up to `ticket` is on the disk.
    fn release(&mut self, ticket: u64) {
        while self.deferred.front().is_some_and(|deferred| deferred.ticket <= ticket) {
            let Some(deferred) = self.deferred.pop_front() else { break };
            metrics::synced(deferred.since.elapsed());
            for effect in deferred.effects {
                self.perform_one(effect);
            }
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { connection, header, body } => self.send(connection, header, body),
            Effect::Send { connection, body, .. } => self.send(connection, Bytes::new(), body),
            Effect::AskHsm(ticket, ask) => self.ask(ticket, ask),
            // the connection's task ends when its outbox does
            Effect::Close { connection, .. } => _ = self.outboxes.remove(&connection),
            Effect::Reply(ticket, reply) => {
                if let Some(waiting) = self.operators.remove(&ticket) {
                    // the operator may have gone
                    let _ = waiting.send(reply);
                }
            }
            Effect::Journal(_) => unreachable!("journaled when its event was handled"),
        }
    }

    fn send(&mut self, connection: ConnectionId, header: Bytes, body: Bytes) {
        let Some(outbox) = self.outboxes.get(&connection) else { return };
        if outbox.try_send(Framed { header, body }).is_err() {
            // it does not read what it asked for: what is lost here ends by time-out, repeat or reversal
            tracing::warn!(connection = connection.0, "outbox full: the connection is closed");
            self.outboxes.remove(&connection);
        }
    }

    fn ask(&self, ticket: Ticket, ask: Ask) {
        let (hsm, answers) = (self.hsm.clone(), self.hsm_answers.clone());
        tokio::spawn(async move {
            let answer = match ask {
                Ask::Edge(check) => hsm.edge(*check).await.map(edge_answer),
                Ask::Mac { key, data } => hsm.mac(key, &data).await.map(HsmAnswer::Mac),
            };
            let answer = answer.unwrap_or_else(|error| {
                tracing::warn!(%error, "no verdict from the HSM");
                HsmAnswer::Failed
            });
            // the switch is gone: then nobody needs the answer
            let _ = answers.send((ticket, answer)).await;
        });
    }
}

/// What the events of one round want done.
#[derive(Default)]
struct Round {
    effects: Vec<Effect>,
    behind: Vec<Vec<Effect>>,
    records: u64,
    promised: bool,
}

fn edge_answer(verdict: EdgeVerdict) -> HsmAnswer {
    let mac = match verdict.mac {
        None => MacVerdict::NotAsked,
        Some(MacOutcome::Ok) => MacVerdict::Right,
        Some(MacOutcome::Wrong) => MacVerdict::Wrong,
    };
    let pin = match verdict.pin {
        None => PinVerdict::NotAsked,
        Some(TranslationOutcome::Translated(block)) => PinVerdict::Translated(block),
        Some(TranslationOutcome::FormatError) => PinVerdict::FormatError,
    };
    HsmAnswer::Edge { mac, pin }
}
