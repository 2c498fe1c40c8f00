//! The host as a program: builds its parts and serves until it is asked to end.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecs::dialect;
use codecs::frame::Framing;
use deadpool_postgres::Pool;
use hsm::{Client, HsmError};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::store::migrate::SchemaError;
use ledger::store::{Acceptors, StoreError, Writer, business_day, day_total, hold, migrate, partitions, pool};
use link::driver::{self, Wire};
use telemetry::{LastingTasks, TaskLost};
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::anchors::{AnchorError, Anchors};
use crate::config::Config;
use crate::facts::{CardReader, FactFinder};
use crate::lanes::Lanes;
use crate::readiness::{self, Readiness};
use crate::respond::{HostContext, respond};
use crate::{metric_help, serve};

/// Database connections for everything except lanes, cards and totals.
const GENERAL_CONNECTIONS: usize = 4;
/// Totals that are read at once.
const TOTALS_CONNECTIONS: usize = 2;
/// Schema versions that this host serves on: what a terminal gives back is counted since 11.
const SCHEMAS: RangeInclusive<i32> = 11..=15;
/// How often merchants and terminals are reloaded, and expired holds and missing months of the journal looked for.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(5);
/// How often the sums of the day are brought up to date. What came since is added when totals are asked for; the longer that is,
/// the longer they take.
const ADD_UP_EVERY: Duration = Duration::from_secs(60);
/// How often the database and the HSM are checked for readiness.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often the heads of the chains are sealed under the HSM's audit key.
const ANCHOR_EVERY: Duration = Duration::from_secs(1);
/// How often the chains of writers that do not anchor themselves are looked for.
const ADOPT_EVERY: Duration = Duration::from_secs(5);

/// Why the host could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("dialects_dir, dialect: {0}")]
    Dialect(String),
    #[error("framing: {0} is not the name of a framing")]
    Framing(String),
    #[error("listen_address {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("hsm_socket: {0}")]
    Hsm(#[from] HsmError),
    #[error("status_address: {0}")]
    Status(#[from] telemetry::StatusError),
    #[error("anchors_file: {0}")]
    Anchors(#[from] AnchorError),
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

impl StartError {
    /// The configuration is wrong: a restart does not help.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Dialect(_) | Self::Framing(_))
    }
}

/// A host that is serving.
#[derive(Debug)]
pub struct Running {
    /// The address on which it listens, with the port that was assigned if the configuration says 0.
    pub address: SocketAddr,
    /// Cancelled when the last request is answered.
    served: CancellationToken,
    /// Cancelled when the heads that it left are anchored.
    anchored: CancellationToken,
    tasks: LastingTasks,
}

impl Running {
    /// Waits until one of its tasks is lost; for ever if none is.
    pub async fn lost(&self) -> TaskLost {
        self.tasks.lost().await
    }

    /// Waits until it has ended.
    pub async fn ended(self) {
        self.served.cancelled().await;
        self.anchored.cancelled().await;
    }
}

/// Starts the host on the current runtime. After `stop` it ends as soon as the requests in progress are answered.
pub async fn start(config: Config, stop: CancellationToken) -> Result<Running, StartError> {
    metric_help::describe();
    driver::describe_metrics();
    let dialect =
        dialect::load(&config.dialects_dir, &config.dialect).map_err(|error| StartError::Dialect(error.to_string()))?;
    let framing = Framing::named(&config.framing).ok_or_else(|| StartError::Framing(config.framing.clone()))?;
    let pool = pool(&config.postgres(), GENERAL_CONNECTIONS)?;
    migrate::require(&pool, SCHEMAS).await?;
    // before anything that writes the journal: a row of a month without a partition is refused
    partitions::make_around(&pool, today()).await?;
    let hsm = Client::connect(&config.hsm_socket);
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(StartError::Random)?;
    let tasks = LastingTasks::until(stop.clone());
    let cards = CardReader::start(card_pool(&config)?, &tasks);
    let facts = FactFinder::new(hsm.clone(), pool.clone(), cards, Acceptors::load(&pool).await?, salt)?;
    if business_day::current(&pool).await?.is_none() {
        // a new installation starts with today's date, as the switch does
        business_day::cut_over(&pool, today()).await?;
    }
    let lanes = Lanes::start(&config, &pool, &tasks).await?;
    let listen_address = config.listen_address;
    let listener =
        TcpListener::bind(listen_address).await.map_err(|error| StartError::Listen(listen_address, error))?;
    let address = listener.local_addr().map_err(|error| StartError::Listen(listen_address, error))?;
    let status_address = config.status_address;
    let wire = Wire {
        name: "switch".into(),
        dialect,
        framing,
        max_frame_bytes: config.max_frame_bytes,
        frame_timeout: Duration::from_millis(config.frame_timeout_ms),
        in_flight: Some(config.max_in_flight_per_connection),
        first_frame_within: None,
        max_idle: None,
    };
    let max_connections = config.max_connections;
    let anchors = Anchors::open(pool.clone(), hsm.clone(), config.anchors_file.as_deref())?;
    let writer = Writer::register(&**pool.get().await.map_err(StoreError::from)?, "authhost upkeep").await?;
    let totals_pool = totals_pool(&config)?;
    let context = Arc::new(HostContext { config, facts, lanes, pool, totals_pool });
    let readiness = Readiness::starting(Instant::now());
    let health = {
        let (context, readiness) = (Arc::clone(&context), readiness.clone());
        Arc::new(move || readiness.check(&context.lanes, Instant::now()))
    };
    telemetry::serve_status(status_address, health, &tasks).await?;
    tasks.spawn("housekeeping", keep_house(Arc::clone(&context), writer, stop.clone()));
    tasks.spawn("adding up", keep_adding_up(Arc::clone(&context), stop.clone()));
    tasks.spawn("checking", keep_checking(Arc::clone(&context), hsm, readiness, stop.clone()));
    let (served, anchored) = (CancellationToken::new(), CancellationToken::new());
    let answering = Arc::clone(&context);
    let has_ended = served.clone().drop_guard();
    tasks.spawn("serving", async move {
        let _has_ended = has_ended;
        let answer = move |message| respond(Arc::clone(&answering), message);
        serve::listen(listener, wire, max_connections, answer, stop).await;
    });
    let (until, has_ended) = (served.clone(), anchored.clone().drop_guard());
    tasks.spawn("anchoring", async move {
        let _has_ended = has_ended;
        anchor_chains(&context, anchors, until).await;
    });
    tracing::info!(%address, "serving");
    Ok(Running { address, served, anchored, tasks })
}

/// The connection on which cards are read: one of their own, so that a look-up waits for nothing but look-ups.
fn card_pool(config: &Config) -> Result<Pool, StoreError> {
    pool(&config.postgres_by_key().called("authhost cards"), 1)
}

/// The connections on which totals are read. Nobody waits for them but those who ask for totals, and what takes longer than
/// anybody waits for its answer is given up.
fn totals_pool(config: &Config) -> Result<Pool, StoreError> {
    let statement_timeout = format!("-c statement_timeout={}", config.lanes.decide_within_ms);
    pool(&config.postgres().with_options(&statement_timeout).called("authhost totals"), TOTALS_CONNECTIONS)
}

/// The date of the machine's clock, UTC.
fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Ticks now and then every `period`, counted from the tick before: work that takes long is not caught up with.
fn every(period: Duration) -> Interval {
    let mut due = tokio::time::interval(period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due
}

/// Whether to work once more: waits for the tick, or for the end.
async fn is_due(due: &mut Interval, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        _ = due.tick() => true,
    }
}

/// Reads merchants and terminals again, makes the months of the journal that come into reach, and releases expired holds.
async fn keep_house(context: Arc<HostContext>, writer: Writer, stop: CancellationToken) {
    let mut due = every(HOUSEKEEPING_EVERY);
    let mut released_for = None;
    while is_due(&mut due, &stop).await {
        match Acceptors::load(&context.pool).await {
            Ok(acceptors) => context.facts.set_acceptors(acceptors),
            Err(error) => tracing::warn!(%error, "merchants and terminals could not be read again"),
        }
        match partitions::make_around(&context.pool, today()).await {
            Ok(0) => {}
            Ok(made) => tracing::info!(made, "partitions of the journal made"),
            Err(error) => tracing::warn!(%error, "partitions of the journal could not be made"),
        }
        if let Err(error) = release_holds(&context, &writer, &mut released_for).await {
            tracing::warn!(%error, "expired holds could not be released");
        }
    }
}

/// Brings the sums of the day up to date. Apart from the housekeeping, which must not wait where there is much to add.
async fn keep_adding_up(context: Arc<HostContext>, stop: CancellationToken) {
    let mut due = every(ADD_UP_EVERY);
    while is_due(&mut due, &stop).await {
        if let Err(error) = day_total::add_up(&context.pool).await {
            tracing::warn!(%error, "the sums of the day could not be brought up to date");
        }
    }
}

/// Checks database and HSM, and measures the lanes.
async fn keep_checking(context: Arc<HostContext>, hsm: Client, readiness: Readiness, stop: CancellationToken) {
    let mut due = every(CHECK_EVERY);
    while is_due(&mut due, &stop).await {
        context.lanes.measure(Instant::now());
        let outcome = readiness::check_dependencies(&context.pool, &hsm).await;
        readiness.set(Instant::now(), outcome);
    }
}

/// Seals the heads of the chains under the HSM's audit key, those of writers that cannot now and then, until the lanes
/// are asked for nothing more; then their last heads.
async fn anchor_chains(context: &HostContext, mut anchors: Anchors, served: CancellationToken) {
    let mut due = every(ANCHOR_EVERY);
    let mut adopt_at = Instant::now();
    while is_due(&mut due, &served).await {
        if let Err(error) = anchors.keep_up(context.lanes.heads()).await {
            tracing::warn!(%error, "the chains' heads could not be anchored");
        }
        if Instant::now() >= adopt_at {
            adopt_at = Instant::now() + ADOPT_EVERY;
            if let Err(error) = anchors.adopt().await {
                tracing::warn!(%error, "the chains of other writers could not be anchored");
            }
        }
    }
    if let Err(error) = anchors.end(context.lanes.heads()).await {
        tracing::error!(%error, "the last heads of the chains are not anchored");
    }
}

/// Releases expired holds once per business date.
async fn release_holds(
    context: &HostContext,
    writer: &Writer,
    released_for: &mut Option<Date>,
) -> Result<(), StoreError> {
    let today = business_day::current(&context.pool).await?;
    if let Some(date) = today.filter(|_| today != *released_for) {
        let accounts = hold::release_expired(&context.pool, writer, date, Timestamp::now()).await?;
        tracing::info!(%date, accounts, "expired holds released");
        *released_for = today;
    }
    Ok(())
}
