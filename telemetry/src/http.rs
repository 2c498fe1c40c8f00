//! Serves HTTP within limits, so that whoever opens connections and says nothing takes neither descriptors nor memory from
//! the rest of the program.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
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

/// Serves `app` until `stop`. `name` is that of the address, in logs and metrics.
pub async fn serve_http(listener: TcpListener, app: Router, name: &'static str, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
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

async fn serve_one(stream: TcpStream, app: Router, place: OwnedSemaphorePermit) {
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

    async fn asked(address: std::net::SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut answer = String::new();
        // refused connections are closed before or while the request is written
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await;
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn connections_that_say_nothing_are_few_and_short() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| async { "here" }));
        let stop = CancellationToken::new();
        tokio::spawn(serve_http(listener, app, "test", stop.clone()));
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
