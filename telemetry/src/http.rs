//! Serves HTTP within limits, so that whoever opens connections and says nothing takes neither descriptors nor memory from
//! the rest of the program.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{HOST, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Connections at once; more are closed as soon as they are accepted.
const CONNECTIONS: usize = 64;
/// From the connection to the end of the request's header.
const HEADER_WITHIN: Duration = Duration::from_secs(5);
/// From the connection to the end of the answer: a connection serves one request.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Pause after a connection could not be accepted, for want of descriptors most likely.
const PAUSE: Duration = Duration::from_millis(100);

/// Where HTTP is served.
#[derive(Debug)]
pub enum HttpListener {
    Tcp(TcpListener),
    /// For processes of these users of the machine only.
    Unix(UnixListener, Vec<u32>),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl HttpListener {
    /// The next connection; `None` is one of a user who may not connect.
    async fn accept(&self, name: &'static str) -> io::Result<Option<Box<dyn Stream>>> {
        match self {
            Self::Tcp(listener) => Ok(Some(Box::new(listener.accept().await?.0))),
            Self::Unix(listener, users) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                if users.contains(&user) {
                    return Ok(Some(Box::new(stream)));
                }
                tracing::warn!(link = name, user, "this user may not connect here");
                Ok(None)
            }
        }
    }
}

/// Serves `app` until `stop`. `name` is that of the address, in logs and metrics.
pub async fn serve_http(listener: HttpListener, app: Router, name: &'static str, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept(name) => accepted,
        };
        let stream = match accepted {
            Ok(Some(stream)) => stream,
            Ok(None) => {
                metrics::counter!("http_refused_total", "address" => name).increment(1);
                continue;
            }
            Err(error) => {
                tracing::warn!(link = name, %error, "cannot accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => _ = tokio::spawn(serve_one(stream, app.clone(), place)),
            Err(_) => metrics::counter!("http_refused_total", "address" => name).increment(1),
        }
    }
}

/// `app` for programs on this machine: not for web pages that a browser on it shows. Such a page is known by its `Origin`, or, if
/// its name was made to lead here, by its `Host`.
pub fn for_local_programs(app: Router) -> Router {
    app.layer(middleware::from_fn(async |request: Request, next: Next| {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if request.headers().contains_key(ORIGIN) || !is_here(host) {
            return (StatusCode::FORBIDDEN, "only for programs on this machine\n").into_response();
        }
        next.run(request).await
    }))
}

/// Whether a `Host`, with or without a port, is an address of this machine alone.
fn is_here(host: &str) -> bool {
    let is_loopback = |address: &str| address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match host.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => {
            let name =
                host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
            name == "localhost" || is_loopback(name) || is_loopback(name.trim_matches(['[', ']']))
        }
    }
}

async fn serve_one(stream: Box<dyn Stream>, app: Router, place: OwnedSemaphorePermit) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_WITHIN).keep_alive(false);
    let served = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // a client that goes, says nothing or no HTTP is nobody's fault here
    let _ = tokio::time::timeout(ENDS_WITHIN, served).await;
    drop(place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn asked(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = String::new();
        // refused connections are closed before or while the request is written
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[test]
    fn here_is_loopback() {
        for (host, here) in [
            ("localhost", true),
            ("localhost:9182", true),
            ("127.0.0.1:9182", true),
            ("127.0.0.1", true),
            ("[::1]:9182", true),
            ("[::1]", true),
            ("evil.example", false),
            ("evil.example:9182", false),
            ("localhost.evil.example", false),
            ("10.0.0.1:9182", false),
            ("", false),
        ] {
            assert_eq!(is_here(host), here, "{host}");
        }
    }

    #[tokio::test]
    async fn a_page_in_a_browser_is_no_program_on_this_machine() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = for_local_programs(Router::new().route("/", get(|| async { "here" })));
        tokio::spawn(serve_http(HttpListener::Tcp(listener), app, "test", CancellationToken::new()));
        for (headers, served) in [
            (format!("Host: {address}\r\n"), true),
            (format!("Host: {address}\r\nOrigin: http://evil.example\r\n"), false),
            ("Host: evil.example\r\n".to_owned(), false),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.starts_with("HTTP/1.1 200"), served, "{headers}: {answer}");
            assert_eq!(answer.starts_with("HTTP/1.1 403"), !served, "{headers}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_socket_is_for_its_users_only() {
        let us = nix::unistd::geteuid().as_raw();
        for (users, served) in [(vec![us], true), (vec![us + 1], false)] {
            let path = std::env::temp_dir().join(format!("telemetry-http-{}-{served}.sock", std::process::id()));
            let listener = UnixListener::bind(&path).unwrap();
            let app = Router::new().route("/", get(|| async { "here" }));
            tokio::spawn(serve_http(HttpListener::Unix(listener, users), app, "test", CancellationToken::new()));
            let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
            // a refused connection is closed before or while the request is written
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            assert_eq!(answer.ends_with("here"), served, "{answer}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[tokio::test]
    async fn connections_that_say_nothing_are_few_and_short() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| async { "here" }));
        let stop = CancellationToken::new();
        tokio::spawn(serve_http(HttpListener::Tcp(listener), app, "test", stop.clone()));
        assert!(asked(address).await.ends_with("here"));
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let refused = async {
            while asked(address).await.ends_with("here") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3), refused).await.expect("all places are taken");
        let mut closed = Vec::new();
        let ended = tokio::time::timeout(HEADER_WITHIN * 2, silent[0].read_to_end(&mut closed)).await;
        ended.expect("it is not kept").unwrap();
        let served = async {
            while !asked(address).await.ends_with("here") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3), served).await.expect("there is room again");
        stop.cancel();
    }
}
