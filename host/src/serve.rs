//! The switch's connections: passes messages from the connection's driver to the answering function, and its answers
//! back.
//!
//! Each connection has two tasks: the driver's owns the socket, the one here runs the requests in progress, many at
//! once. Answers are sent in the order in which they become ready. The driver limits the requests in progress, and
//! reads no further when the limit is reached; a request occupies its place until its answer is handed over.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codecs::frame::Framed;
use codecs::{DecodeError, Message};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use link::driver::{
    self, Closed, ConnectionEvent, ConnectionReport, InFlightPermit, Most, Outbox, Outgoing, Owner, Sources, Stop,
    Unreadable, Wire,
};
use link::transport::Plain;
use metrics::{Gauge, Histogram, counter, gauge, histogram};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::respond;

/// How long the end of a run waits for requests in progress. Lanes, database and HSM have shorter limits of their own;
/// only a peer that reads its answers slowly needs all of it.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Events of a connection that are queued; beyond that the connection is not read.
const REPORTS: usize = 256;

/// Serves connections until `stop`. Then it opens no more, and each one ends when its requests in progress are
/// answered.
pub async fn listen<A, F>(listener: TcpListener, wire: Wire, max_connections: usize, answer: A, stop: CancellationToken)
where
    A: Fn(Box<Message>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Bytes>> + Send + 'static,
{
    let spawner = ConnectionSpawner { answer, connections: TaskTracker::new() };
    let connections = spawner.connections.clone();
    let phases = Stop { opening: stop, serving: CancellationToken::new() };
    // one switch may have all of them
    let most = Most { connections: max_connections, per_source: max_connections, reserved: 0 };
    driver::listen(listener, (), wire, Plain, (most, Sources::default()), spawner, phases.clone()).await;
    connections.close();
    if tokio::time::timeout(ENDS_WITHIN, connections.wait()).await.is_err() {
        // their requests are committed or not, as at any loss of a connection; the peers will repeat them
        tracing::warn!("connections that do not take their answers are cut off");
        phases.serving.cancel();
    }
}

/// Starts a task for each connection, beside the driver's.
#[derive(Clone)]
struct ConnectionSpawner<A> {
    answer: A,
    connections: TaskTracker,
}

impl<A, F> Owner<()> for ConnectionSpawner<A>
where
    A: Fn(Box<Message>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Bytes>> + Send + 'static,
{
    const DRAINS: bool = true;

    fn reports(&self) -> mpsc::Sender<ConnectionReport<()>> {
        let (reports, incoming) = mpsc::channel(REPORTS);
        self.connections.spawn(serve_connection(incoming, self.answer.clone()));
        reports
    }

    fn unreadable(&self, error: &DecodeError, readable: Option<&Message>) -> Unreadable {
        respond::unreadable(error, readable).map_or(Unreadable::Drop, Unreadable::Answer)
    }
}

/// Answers the messages of one connection until it is closed and no request is in progress.
async fn serve_connection<A, F>(mut incoming: mpsc::Receiver<ConnectionReport<()>>, answer: A)
where
    A: Fn(Box<Message>) -> F,
    F: Future<Output = Option<Bytes>>,
{
    // the first report is always `Up`, unless the connection failed before
    let Some(ConnectionReport { happening: ConnectionEvent::Up(outbox), .. }) = incoming.recv().await else { return };
    let _open = GaugeGuard::of(&gauge!("host_connections"));
    let connection = SwitchConnection { answer, outbox, metrics: RequestMetrics::new() };
    let mut reports = Vec::with_capacity(REPORTS);
    let mut under_way = FuturesUnordered::new();
    let mut open = true;
    loop {
        tokio::select! {
            taken = incoming.recv_many(&mut reports, REPORTS), if open => {
                open = taken > 0;
                for ConnectionReport { happening, .. } in reports.drain(..) {
                    match happening {
                        ConnectionEvent::Message(header, message, place) => under_way.push(connection.serve(header, message, place)),
                        // counted as a bad message, whatever else the stream contained
                        ConnectionEvent::Down(Closed::Framing | Closed::HalfFrame) => {
                            counter!("host_bad_messages_total", "kind" => "framing").increment(1);
                        }
                        ConnectionEvent::Down(_) | ConnectionEvent::Up(_) => {}
                    }
                }
            }
            Some(()) = under_way.next() => {}
            else => return,
        }
    }
}

/// One connection, as its requests see it: the answering function, the way out, the metrics.
struct SwitchConnection<A> {
    answer: A,
    outbox: Outbox,
    metrics: RequestMetrics,
}

impl<A, F> SwitchConnection<A>
where
    A: Fn(Box<Message>) -> F,
    F: Future<Output = Option<Bytes>>,
{
    /// Answers one request; it occupies its place until the answer is written.
    async fn serve(&self, header: Bytes, message: Box<Message>, place: InFlightPermit) {
        let answering = AssertUnwindSafe(self.metrics.around(async { (self.answer)(message).await }));
        match answering.catch_unwind().await {
            Ok(Some(body)) => {
                let asked = Framed { header, body: Bytes::new() };
                // the decision is committed even if the connection is lost; the peer's repeat gets the answer
                let _ = self.outbox.send(Outgoing { framed: asked.answer(body), place }).await;
            }
            Ok(None) => {}
            // whether it was committed is unknown: it gets no answer, as if the host had been killed, and its repeat
            // will
            Err(_) => tracing::error!("a request panicked and is not answered"),
        }
    }
}

/// Metric handles, looked up once per connection instead of once per request.
struct RequestMetrics {
    in_flight: Gauge,
    whole: Histogram,
}

impl RequestMetrics {
    fn new() -> Self {
        Self { in_flight: gauge!("host_in_flight"), whole: histogram!("host_stage_seconds", "stage" => "whole") }
    }

    async fn around<T>(&self, answering: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let _in_flight = GaugeGuard::of(&self.in_flight);
        let answer = answering.await;
        self.whole.record(started.elapsed().as_secs_f64());
        answer
    }
}

/// Increments a gauge for as long as it lives.
struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn of(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use codecs::frame::Framing;
    use codecs::value::Stan;
    use codecs::{Builder, Mti, de};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_request_whose_answering_panics_costs_its_own_answer() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
        let wire = Wire {
            name: "switch".into(),
            dialect: codecs::dialect::load(&folder, "switchyard-host").unwrap(),
            framing: Framing::named("bin2").unwrap(),
            max_frame_bytes: 8192,
            frame_timeout: Duration::from_secs(5),
            in_flight: Some(2),
            first_frame_within: None,
            max_idle: None,
        };
        let dialect = wire.dialect.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listen(listener, wire, 1, unlucky, stop.clone()));
        for stan in [13, 13, 13, 14] {
            let mut message = Builder::new(&dialect, Mti::of(b"0800"));
            message.put::<de::Stan>(Stan(stan));
            let body = message.encode().unwrap();
            connection.write_u16(body.len().try_into().unwrap()).await.unwrap();
            connection.write_all(&body).await.unwrap();
        }
        let mut answer = [0; 6];
        connection.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"\x00\x040014", "the places of those that panicked are free again");
        stop.cancel();
        assert_eq!(connection.read(&mut answer).await.unwrap(), 0, "nothing else was under way");
        serving.await.unwrap();
    }

    async fn unlucky(message: Box<Message>) -> Option<Bytes> {
        let stan = message.require::<de::Stan>().unwrap().0;
        assert_ne!(stan, 13);
        Some(format!("{stan:04}").into())
    }
}
