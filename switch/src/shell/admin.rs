//! The operator's commands, over HTTP: all of them on a Unix socket, for processes of the switch's own user, root, and the users
//! in `admin_users`; what only shows something on a loopback address too, for programs on this machine and not for pages in
//! a browser.
//!
//! | request | answer |
//! |---|---|
//! | `POST /cut-over[?date=YYYY-MM-DD][&force=true]` | 200 when the host agreed, 202 if it has not within ten seconds, 409 for an earlier date, and without `force` for one more than five days ahead |
//! | `GET /links` | listeners and destinations with their state; of a listener the messages answered 30, by the element at fault |
//! | `GET /owed` | the unacknowledged messages of store and forward, with age and attempts, and the dead letters |
//! | `POST /sign-off?link=NAME`, `POST /sign-on?link=NAME` | signs a destination off, and on again |

use crate::config::Config;
use crate::event::{Command, Reply};
use anyhow::Context;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use telemetry::{HttpListener, LastingTasks};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot};

/// How long a command waits for its reply: the host's acknowledgement of a cut-over. The cut-over goes on after that.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command and the channel for its reply.
#[derive(Debug)]
pub struct Question {
    pub command: Command,
    pub reply: oneshot::Sender<Reply>,
}

type Questions = mpsc::Sender<Question>;
type Answer = (StatusCode, Json<Value>);

#[derive(Debug, Deserialize)]
struct CutOver {
    date: Option<String>,
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
struct Link {
    link: String,
}

/// Serves for as long as the tasks last; gives the address it listens on.
pub async fn serve(config: &Config, questions: Questions, tasks: &LastingTasks) -> anyhow::Result<SocketAddr> {
    let address = config.admin_address;
    let listener = TcpListener::bind(address).await.with_context(|| format!("admin_address: {address}"))?;
    let bound = listener.local_addr()?;
    let socket = bind_socket(&config.admin_socket(), &config.admin_users)?;
    let (shown, all) = (shown(questions.clone()), shown(questions.clone()).merge(commands(questions)));
    let refused = async || (StatusCode::FORBIDDEN, "commands are taken on the switch's admin_socket only\n");
    let shown = telemetry::for_local_programs(shown.fallback(refused));
    for (listener, app) in [(HttpListener::Tcp(listener), shown), (socket, all)] {
        tasks.spawn("the operators' server", telemetry::serve_http(listener, app, "admin", tasks.stop().clone()));
    }
    Ok(bound)
}

/// A socket for these users, and the one that the switch runs as.
fn bind_socket(path: &Path, users: &[u32]) -> anyhow::Result<HttpListener> {
    // one of an earlier process: the state folder is locked, so none listens there
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("admin_socket: {}", path.display()))?;
    // who may connect the listener decides, by the peer's credentials
    let mode = Permissions::from_mode(if users.is_empty() { 0o600 } else { 0o666 });
    std::fs::set_permissions(path, mode).with_context(|| format!("admin_socket: {}", path.display()))?;
    let users = users.iter().copied().chain([0, nix::unistd::geteuid().as_raw()]).collect();
    Ok(HttpListener::Unix(listener, users))
}

fn shown(questions: Questions) -> Router {
    Router::new()
        .route("/links", get(async |State(questions): State<Questions>| ask(&questions, Command::Links).await))
        .route("/owed", get(async |State(questions): State<Questions>| ask(&questions, Command::Owed).await))
        .with_state(questions)
}

fn commands(questions: Questions) -> Router {
    Router::new()
        .route("/cut-over", post(cut_over))
        .route(
            "/sign-off",
            post(async |State(questions): State<Questions>, Query(link): Query<Link>| {
                ask(&questions, Command::SignOff(link.link)).await
            }),
        )
        .route(
            "/sign-on",
            post(async |State(questions): State<Questions>, Query(link): Query<Link>| {
                ask(&questions, Command::SignOn(link.link)).await
            }),
        )
        .with_state(questions)
}

async fn cut_over(State(questions): State<Questions>, Query(query): Query<CutOver>) -> Answer {
    let date = match query.date.as_deref().map(str::parse::<Date>).transpose() {
        Ok(date) => date,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(json!({ "error": format!("date: {error}") }))),
    };
    ask(&questions, Command::CutOver { date, force: query.force }).await
}

async fn ask(questions: &Questions, command: Command) -> Answer {
    let (reply, answer) = oneshot::channel();
    if questions.send(Question { command, reply }).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "the switch is stopping" })));
    }
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(Reply::Done(value))) => (StatusCode::OK, Json(value)),
        Ok(Ok(Reply::Refused(error))) => (StatusCode::CONFLICT, Json(json!({ "error": error }))),
        Ok(Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "the switch is stopping" }))),
        Err(_) => (StatusCode::ACCEPTED, Json(json!({ "acknowledged": false }))),
    }
}
