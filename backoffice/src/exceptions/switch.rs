//! Asks the switch for its dead letters: one request, on its admin address or socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::dead_letter::OwedList;

/// The switch is asked, and answers, within this time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// A list shows a thousand messages at most, of less than a kilobyte each.
const LARGEST_ANSWER: u64 = 4 << 20;
const REQUEST: &[u8] = b"GET /owed HTTP/1.0\r\nHost: localhost\r\n\r\n";

/// Where the switch takes questions: `address:port`, or the path of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum SwitchAdmin {
    Address(String),
    Socket(PathBuf),
}

impl From<String> for SwitchAdmin {
    fn from(text: String) -> Self {
        if text.contains('/') { Self::Socket(text.into()) } else { Self::Address(text) }
    }
}

/// Why the switch's dead letters are not known.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    #[error("the switch cannot be asked: {0}")]
    Unreachable(#[from] io::Error),
    #[error("the switch did not answer within {} s", ANSWERS_WITHIN.as_secs())]
    Silent,
    #[error("the switch answered {0:?}")]
    Status(String),
    #[error("the switch's list cannot be read: {0}")]
    List(#[from] serde_json::Error),
}

/// The switch's list.
pub async fn owed(of: &SwitchAdmin) -> Result<OwedList, SwitchError> {
    let asked = async {
        match of {
            SwitchAdmin::Address(address) => exchange(TcpStream::connect(address).await?).await,
            SwitchAdmin::Socket(path) => exchange(connect(path).await?).await,
        }
    };
    let answer = tokio::time::timeout(ANSWERS_WITHIN, asked).await.map_err(|_| SwitchError::Silent)??;
    parse(&answer)
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    stream.write_all(REQUEST).await?;
    let mut answer = String::new();
    // an answer to HTTP/1.0 comes in one piece and ends with the connection
    stream.take(LARGEST_ANSWER).read_to_string(&mut answer).await?;
    Ok(answer)
}

fn parse(answer: &str) -> Result<OwedList, SwitchError> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split_ascii_whitespace().nth(1) != Some("200") {
        return Err(SwitchError::Status(status.chars().take(80).collect()));
    }
    Ok(serde_json::from_str(body)?)
}
