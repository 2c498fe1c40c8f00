//! Tells the host of what a clearing file has to capture or reverse, over a connection as the switch has them.
#![expect(clippy::disallowed_methods, reason = "shell: time-outs, and the time of transmission")]

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use codecs::frame::{Frame, FrameError, Framed, Framing};
use codecs::value::{ResponseCode, Stan};
use codecs::{Dialect, EncodeError, Message, de};
use futures::{SinkExt, StreamExt};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::codec;

use super::advice::ClearingAdvice;

/// Advices that wait for their answers at once. Few, so that authorizations do not wait behind them in a lane.
const UNDER_WAY: usize = 32;
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);
/// How often an advice is sent that the host cannot take at the moment, and how long it waits in between.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_FRAME: usize = 8192;

/// Why the host did not take all advices. They may be told again: it knows those that it has taken.
#[derive(Debug, thiserror::Error)]
pub enum HostLinkError {
    #[error("the host cannot be reached at {address}: {source}")]
    Connection { address: SocketAddr, source: io::Error },
    #[error("the host closed the connection")]
    Closed,
    #[error("the host did not answer in time")]
    NoAnswer,
    #[error("the host answered {code} to record {record}")]
    Refused { record: u32, code: ResponseCode },
    #[error("record {record} cannot be written as an advice: {source}")]
    Encode { record: u32, source: EncodeError },
    #[error("the host's answer cannot be read: {0}")]
    Frame(#[from] FrameError),
}

/// Whoever posts what clearing files bring: the host.
pub trait PostingHost {
    /// Tells it of each, with the number of its record, in order; returns when all are posted.
    ///
    /// # Errors
    /// Some may have been posted. They may be told again.
    fn tell(&self, advices: &[(u32, ClearingAdvice)]) -> impl Future<Output = Result<(), HostLinkError>> + Send;
}

/// Connections to a host.
#[derive(Clone, Debug)]
pub struct HostLink {
    pub address: SocketAddr,
    pub dialect: Arc<Dialect>,
    pub framing: Framing,
}

type Connection = codec::Framed<TcpStream, codecs::frame::FrameCodec>;

impl HostLink {
    async fn connect(&self) -> Result<Connection, HostLinkError> {
        let fault = |source| HostLinkError::Connection { address: self.address, source };
        let connected = timeout(CONNECTS_WITHIN, TcpStream::connect(self.address)).await;
        let stream = connected.map_err(|_| fault(io::ErrorKind::TimedOut.into()))?.map_err(fault)?;
        stream.set_nodelay(true).map_err(fault)?;
        Ok(codec::Framed::new(stream, self.framing.codec(LONGEST_FRAME).of(&self.dialect)))
    }

    /// Sends all, a few at a time, and returns those that the host could not take now.
    async fn send<'a>(
        &self,
        advices: &[&'a (u32, ClearingAdvice)],
    ) -> Result<Vec<(&'a (u32, ClearingAdvice), ResponseCode)>, HostLinkError> {
        let mut connection = self.connect().await?;
        let mut later = Vec::new();
        let mut waiting: HashMap<u32, &'a (u32, ClearingAdvice)> = HashMap::new();
        let mut unsent = advices.iter().zip(1..);
        loop {
            while waiting.len() < UNDER_WAY
                && let Some((advice, stan)) = unsent.next()
            {
                let at = Timestamp::now().to_zoned(TimeZone::UTC).datetime();
                let message = advice.1.message(&self.dialect, Stan(stan), at);
                let body = message.encode().map_err(|source| HostLinkError::Encode { record: advice.0, source })?;
                connection.feed(Frame::Message(Framed::bare(body))).await?;
                waiting.insert(stan, *advice);
            }
            if waiting.is_empty() {
                return Ok(later);
            }
            connection.flush().await?;
            let answer = timeout(ANSWERS_WITHIN, connection.next()).await.map_err(|_| HostLinkError::NoAnswer)?;
            let Frame::Message(answer) = answer.ok_or(HostLinkError::Closed)?? else { continue };
            let Ok(answer) = Message::decode(&self.dialect, answer.body) else { continue };
            let stan = answer.get::<de::Stan>().ok().flatten();
            let Some(advice) = stan.and_then(|stan| waiting.remove(&stan.0)) else { continue };
            let code = answer.get::<de::ResponseCode>().ok().flatten().unwrap_or(ResponseCode::SYSTEM_MALFUNCTION);
            match code {
                ResponseCode::APPROVED => {}
                ResponseCode::SYSTEM_MALFUNCTION | ResponseCode::ISSUER_INOPERATIVE => later.push((advice, code)),
                code => return Err(HostLinkError::Refused { record: advice.0, code }),
            }
        }
    }
}

impl PostingHost for HostLink {
    async fn tell(&self, advices: &[(u32, ClearingAdvice)]) -> Result<(), HostLinkError> {
        let mut due: Vec<&(u32, ClearingAdvice)> = advices.iter().collect();
        for attempt in 1.. {
            let later = match self.send(&due).await {
                Ok(later) => later,
                Err(error @ (HostLinkError::Refused { .. } | HostLinkError::Encode { .. })) => return Err(error),
                Err(error) if attempt >= ATTEMPTS => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "the host is told again");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let Some(((record, _), code)) = later.first() else { return Ok(()) };
            if attempt >= ATTEMPTS {
                return Err(HostLinkError::Refused { record: *record, code: *code });
            }
            due = later.into_iter().map(|(advice, _)| advice).collect();
            sleep(PAUSE).await;
        }
        unreachable!("the loop ends by its attempts")
    }
}
