//! The operator's commands, over HTTP on a loopback address, for programs on this machine and not for pages in a browser.
//!
//! | request | answer |
//! |---|---|
//! | `POST /cut-over[?date=YYYY-MM-DD][&force=true]` | 200 when the host agreed, 202 if it has not within ten seconds, 409 for an earlier date, and without `force` for one more than five days ahead |
//! | `GET /links` | listeners and destinations with their state |
//! | `GET /owed` | the unacknowledged messages of store and forward, with age and attempts, and the dead letters |
//! | `POST /sign-off?link=NAME`, `POST /sign-on?link=NAME` | signs a destination off, and on again |

use crate::event::{Command, Reply};
use anyhow::Context;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use telemetry::LastingTasks;
use tokio::net::TcpListener;
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
pub async fn serve(address: SocketAddr, questions: Questions, tasks: &LastingTasks) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("admin_address: {address}"))?;
    let bound = listener.local_addr()?;
    let app = Router::new()
        .route("/cut-over", post(cut_over))
        .route("/links", get(async |State(questions): State<Questions>| ask(&questions, Command::Links).await))
        .route("/owed", get(async |State(questions): State<Questions>| ask(&questions, Command::Owed).await))
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
        .with_state(questions);
    let app = telemetry::for_local_programs(app);
    tasks.spawn("the operators' server", telemetry::serve_http(listener, app, "admin", tasks.stop().clone()));
    Ok(bound)
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
