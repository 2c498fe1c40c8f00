use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

use crate::http::{HttpListener, serve_http};
use crate::lasting::LastingTasks;
use crate::log;

/// Latency buckets in seconds, from 50 µs to 10 s, the range of authorizations. Without buckets the exporter would
/// render summaries, which cannot be added up over instances.
const LATENCY_BUCKETS_S: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Buckets of histograms whose name ends in `_size`: powers of two.
const SIZE_BUCKETS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("status address {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    #[error("metrics: {0}")]
    Metrics(#[from] BuildError),
    #[error("metrics: another recorder is installed")]
    Recorder,
}

/// Why a program cannot do its work at this moment, in words for operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(String);

impl NotReady {
    pub fn new(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

/// What a program that can do its work tells of it, in words for operators; may be nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready(String);

impl Ready {
    pub fn telling(details: impl Display) -> Self {
        Self(details.to_string())
    }
}

/// Readiness: whether a program can do its work at this moment.
pub type Health = Arc<dyn Fn() -> Result<Ready, NotReady> + Send + Sync>;

/// Gives a histogram its help text.
pub fn describe_histogram(name: &'static str, help: &'static str) {
    metrics::describe_histogram!(name, help);
}

/// Serves `/metrics` (Prometheus text), `/healthz` (200 while the process lives) and `/readyz` (200 while `ready` is
/// `Ok`) until `tasks` may end. It is one of them: without it nobody sees what becomes of the program.
///
/// The metrics recorder is installed once per process; a second program in the same process (tests) shares it.
///
/// # Errors
/// The address cannot be bound, or a recorder of another kind is installed.
pub async fn serve_status(address: SocketAddr, ready: Health, tasks: &LastingTasks) -> Result<SocketAddr, StatusError> {
    let handle = recorder()?;
    let listener = TcpListener::bind(address).await.map_err(|e| StatusError::Bind(address, e))?;
    let bound = listener.local_addr().map_err(|e| StatusError::Bind(address, e))?;
    let upkeep = handle.clone();
    let app = Router::new()
        .route("/metrics", get(|State(handle): State<PrometheusHandle>| async move { handle.render() }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || readiness(Arc::clone(&ready))))
        .with_state(handle);
    let stop = tasks.stop().clone();
    tasks.spawn("the status server", async move {
        let server = serve_http(HttpListener::Tcp(listener), app, "status", stop);
        let drain = async {
            // histograms keep every sample until they are drained, whether or not anything scrapes them
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                upkeep.run_upkeep();
            }
        };
        tokio::select! {
            () = server => {}
            () = drain => {}
        }
    });
    Ok(bound)
}

async fn readiness(ready: Health) -> (StatusCode, String) {
    match ready() {
        Ok(Ready(details)) if details.is_empty() => (StatusCode::OK, "ready\n".into()),
        Ok(Ready(details)) => (StatusCode::OK, format!("ready\n{details}\n")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

fn recorder() -> Result<PrometheusHandle, StatusError> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    // the lock is held during installation: two programs of one process (tests) may start at the same moment
    let mut installed = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &LATENCY_BUCKETS_S)?
        .set_buckets_for_metric(Matcher::Suffix("_size".into()), &SIZE_BUCKETS)?;
    let handle = builder.install_recorder().map_err(|_| StatusError::Recorder)?;
    log::describe_metrics();
    Ok(installed.insert(handle).clone())
}
