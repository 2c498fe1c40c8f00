//! The switch's connections: frames in, requests through facts and lane, answers out.
//!
//! One task owns a connection. Many requests are under way on it at once, up to a bound beyond which it is not read; answers
//! leave in the order in which they are ready, as many in one write as there are. What cannot be read is answered where it has
//! a message type, and closes the connection where not even its frame holds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use codecs::frame::{Frame, Framed, Framing};
use codecs::mti::{Class, Mti};
use codecs::value::ResponseCode;
use codecs::view::{Network, NetworkFunction, Reconciliation};
use codecs::{Builder, Dialect, Message, de};
use deadpool_postgres::Pool;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use metrics::{counter, gauge, histogram};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Encoder, FramedRead};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::config::Config;
use crate::facts::Desk;
use crate::lanes::{LaneError, Lanes};
use crate::ledger::key::nearest_year;
use crate::ledger::store::{StoreError, business_day, totals as counted};
use crate::ledger::totals::Originator;
use crate::{answer, answer::Undecided, facts::FactsError};
use crate::{request, totals};

/// The longest message of the dialect.
const MAX_BYTES: usize = 8 * 1024;
/// The end of a run waits so long for what is under way. Lanes, database and HSM have shorter limits of their own: only a peer
/// that does not read its answers uses it up.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// How often a card that changed between facts and lock is looked at again.
const LOOKS: u32 = 3;

/// What every connection works with.
#[derive(Debug)]
pub struct House {
    pub config: Config,
    pub dialect: Arc<Dialect>,
    pub framing: Framing,
    pub desk: Desk,
    pub lanes: Lanes,
    pub pool: Pool,
}

/// Accepts connections until `stop`; then none, and those that stand end when what they have under way is answered.
pub async fn listen(listener: TcpListener, house: Arc<House>, stop: CancellationToken) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, Arc::clone(&house), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(ENDS_WITHIN, all).await.is_err() {
        // what they have under way is committed or not, as ever; their peers will ask again
        tracing::warn!("connections that do not take their answers are cut off");
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, house: Arc<House>, stop: CancellationToken) {
    gauge!("host_connections").increment(1.0);
    tracing::info!(%peer, "connected");
    let reason = exchange(stream, &house, &stop).await;
    gauge!("host_connections").decrement(1.0);
    match reason {
        Ended::ByPeer => tracing::info!(%peer, "disconnected"),
        Ended::Stopping => tracing::info!(%peer, "closed: the host is stopping"),
        Ended::Broken(error) => tracing::warn!(%peer, %error, "connection closed"),
    }
}

/// Why a connection ended.
enum Ended {
    ByPeer,
    Stopping,
    Broken(String),
}

async fn exchange(stream: TcpStream, house: &Arc<House>, stop: &CancellationToken) -> Ended {
    if let Err(error) = stream.set_nodelay(true) {
        return Ended::Broken(error.to_string());
    }
    let (reading, mut writing) = stream.into_split();
    let mut frames = FramedRead::new(reading, house.framing.codec(MAX_BYTES).of(&house.dialect));
    let mut codec = house.framing.codec(MAX_BYTES).of(&house.dialect);
    let mut under_way = FuturesUnordered::new();
    let mut out = BytesMut::with_capacity(16 * 1024);
    let mut ended = None;
    loop {
        if under_way.is_empty()
            && let Some(ended) = ended
        {
            if matches!(ended, Ended::Stopping) {
                link::linger::close(frames.into_inner(), writing).await;
            }
            return ended;
        }
        tokio::select! {
            Some(ready) = under_way.next(), if !under_way.is_empty() => {
                let mut ready: Option<Option<Framed>> = Some(ready);
                while let Some(framed) = ready {
                    if let Some(framed) = framed && let Err(error) = codec.encode(Frame::Message(framed), &mut out) {
                        tracing::error!(%error, "an answer does not fit its frame");
                    }
                    ready = under_way.next().now_or_never().flatten();
                }
                if let Err(error) = writing.write_all(&out).await {
                    // what is under way is committed whether or not anyone hears of it; the repeats will ask
                    return Ended::Broken(error.to_string());
                }
                out.clear();
            }
            frame = frames.next(), if ended.is_none() && under_way.len() < house.config.max_in_flight_per_connection => match frame {
                Some(Ok(Frame::Message(framed))) => under_way.push(respond(Arc::clone(house), framed)),
                Some(Ok(Frame::KeepAlive)) => {}
                Some(Err(error)) => {
                    counter!("host_bad_messages_total", "kind" => "framing").increment(1);
                    ended = Some(Ended::Broken(error.to_string()));
                }
                None => ended = Some(Ended::ByPeer),
            },
            () = stop.cancelled(), if ended.is_none() => ended = Some(Ended::Stopping),
        }
    }
}

/// One message to its answer; `None` where there is nothing to answer.
async fn respond(house: Arc<House>, framed: Framed) -> Option<Framed> {
    let started = Instant::now();
    gauge!("host_in_flight").increment(1.0);
    let body = answer_to(&house, framed.body.clone()).await;
    gauge!("host_in_flight").decrement(1.0);
    histogram!("host_stage_seconds", "stage" => "whole").record(started.elapsed().as_secs_f64());
    body.map(|body| framed.answer(body))
}

async fn answer_to(house: &House, bytes: Bytes) -> Option<Bytes> {
    let message = match Message::decode(&house.dialect, bytes.clone()) {
        Ok(message) => message,
        Err(error) => {
            counter!("host_bad_messages_total", "kind" => error.kind.name()).increment(1);
            tracing::warn!(%error, "a message cannot be read");
            let readable = Message::decode_readable(&house.dialect, bytes).filter(|part| !part.mti().is_response())?;
            return undecided(&readable, Undecided::Unreadable).encode().ok();
        }
    };
    let mti = message.mti();
    if mti.is_response() {
        counter!("host_bad_messages_total", "kind" => "response").increment(1);
        tracing::warn!(%mti, "a response that nobody asked for");
        return None;
    }
    let span = tracing::debug_span!("transaction", %mti, stan = field(&message), code = tracing::field::Empty);
    let answer = by_class(house, &message).instrument(span.clone()).await;
    encode(&answer, mti, &span)
}

/// The trace number, for the log.
fn field(message: &Message) -> u32 {
    message.get::<de::Stan>().ok().flatten().map_or(0, |stan| stan.0)
}

fn encode(answer: &Builder, mti: Mti, span: &tracing::Span) -> Option<Bytes> {
    match answer.encode() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            span.in_scope(|| tracing::error!(%error, %mti, "an answer cannot be written"));
            None
        }
    }
}

async fn by_class(house: &House, message: &Message) -> Builder {
    match message.mti().class() {
        Class::Authorization | Class::Financial | Class::Reversal => transaction(house, message).await,
        Class::Network => network(house, message).await,
        Class::Reconciliation => reconciliation(house, message).await,
        _ => undecided(message, Undecided::NotServed),
    }
}

async fn transaction(house: &House, message: &Message) -> Builder {
    let now = Timestamp::now();
    let (request, presented) = match request::read(message, &house.config, utc_date(now)) {
        Ok(read) => read,
        Err(refusal) => {
            tracing::warn!(%refusal, "a request is refused");
            return undecided(message, (&refusal).into());
        }
    };
    for _ in 0..LOOKS {
        let item = match house.desk.find(request.clone(), &presented, now).await {
            Ok(item) => item,
            Err(error) => return machine(message, &error),
        };
        let pan_index = item.request.pan_index;
        match house.lanes.submit(item).await {
            Ok(committed) => {
                let row = committed.row();
                count(message.mti(), row.response_code);
                tracing::Span::current().record("code", row.response_code.as_str());
                tracing::debug!(
                    kind = row.kind.as_str(), role = row.role.as_str(), link = %row.link, lifecycle = %row.lifecycle,
                    reason = row.reason.as_deref(), exception = row.exception, repeat = committed.is_repeat(), "decided",
                );
                return answer::decided(message, &committed);
            }
            Err(LaneError::Stale) => house.desk.forget(pan_index),
            Err(error) => {
                tracing::error!(%error, "no decision");
                return undecided(message, Undecided::Malfunction);
            }
        }
    }
    tracing::error!("a card changed each time it was looked at");
    undecided(message, Undecided::Malfunction)
}

fn machine(message: &Message, error: &FactsError) -> Builder {
    tracing::error!(%error, "no facts");
    undecided(message, Undecided::Malfunction)
}

fn undecided(message: &Message, why: Undecided) -> Builder {
    count(message.mti(), why.response_code());
    answer::undecided(message, why)
}

fn followed(view: &Network<'_>) -> Builder {
    count(view.message.mti(), ResponseCode::APPROVED);
    answer::followed(view)
}

fn count(mti: Mti, code: ResponseCode) {
    counter!("host_requests_total", "mti" => mti.to_string(), "code" => code.to_string()).increment(1);
}

fn utc_date(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

async fn network(house: &House, message: &Message) -> Builder {
    let view = match Network::of(message) {
        Ok(view) => view,
        Err(error) => {
            tracing::warn!(%error, "a network message is refused");
            return undecided(message, Undecided::Unreadable);
        }
    };
    match view.function {
        NetworkFunction::SignOn | NetworkFunction::SignOff | NetworkFunction::Echo => followed(&view),
        NetworkFunction::CutOver => match view.date.and_then(|date| date_near(date, utc_date(Timestamp::now()))) {
            Some(date) => cut_over(house, &view, date).await,
            None => undecided(message, Undecided::Unreadable),
        },
        NetworkFunction::KeyChange | NetworkFunction::Other(_) => undecided(message, Undecided::NotServed),
    }
}

async fn cut_over(house: &House, view: &Network<'_>, date: Date) -> Builder {
    match business_day::cut_over(&house.pool, date).await {
        Ok(changed) => {
            tracing::info!(%date, changed, "cut-over");
            followed(view)
        }
        Err(error) => unavailable(view.message, &error),
    }
}

fn date_near(date: codecs::value::MonthDay, today: Date) -> Option<Date> {
    nearest_year(i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?, today)
}

async fn reconciliation(house: &House, message: &Message) -> Builder {
    let view = match Reconciliation::of(message) {
        Ok(view) => view,
        Err(error) => {
            tracing::warn!(%error, "totals are refused");
            return undecided(message, Undecided::Unreadable);
        }
    };
    let Some(date) = date_near(view.date, utc_date(Timestamp::now())) else {
        return undecided(message, Undecided::Unreadable);
    };
    let acceptors = house.desk.acceptors();
    let terminal = view.terminal.as_ref().map(codecs::value::TerminalId::as_str);
    let acquirer = message.get::<de::Acquirer>().ok().flatten();
    let of = match (terminal.filter(|terminal| acceptors.has_terminal(terminal)), acquirer) {
        (Some(terminal), _) => Originator::Terminal(terminal.to_owned()),
        (None, Some(acquirer)) => Originator::Acquirer(acquirer.as_str().to_owned()),
        (None, None) => return undecided(message, Undecided::UnknownOriginator),
    };
    let currency = view.currency.map_or(house.config.currency, codecs::value::Currency::number);
    match counted::count(&house.pool, &of, date, currency).await {
        Ok(ours) => {
            let ours = totals::as_totals(&ours);
            let balanced = totals::agree(&view.totals, &ours);
            tracing::info!(?of, %date, balanced, "totals compared");
            count(message.mti(), ResponseCode::APPROVED);
            totals::answer(&view, &ours)
        }
        Err(error) => unavailable(message, &error),
    }
}

fn unavailable(message: &Message, error: &StoreError) -> Builder {
    tracing::error!(%error, "the database could not be used");
    undecided(message, Undecided::Malfunction)
}
