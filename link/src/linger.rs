//! Closes a connection so that its last answers arrive.

use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The time that the peer has to close its side.
const WITHIN: Duration = Duration::from_millis(250);

/// Shuts the writing half down, and discards the bytes that the peer still sends until it closes as well, for 250 ms at
/// most.
///
/// Closing a socket with unread bytes would reset the connection (RFC 9293, 3.6.1), and the last bytes written would be
/// lost with it.
pub async fn close(mut reading: impl AsyncRead + Unpin, mut writing: impl AsyncWrite + Unpin) {
    let past = async {
        writing.shutdown().await?;
        tokio::io::copy(&mut reading, &mut tokio::io::sink()).await
    };
    // the connection is over in any case
    let _ = timeout(WITHIN, past).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn what_was_written_arrives_though_the_peer_was_not_read_to_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("accepted");
        let (stream, _) = listener.accept().await.expect("a connection");
        peer.write_all(b"never read").await.expect("taken");
        stream.readable().await.expect("it is there");
        let (reading, mut writing) = stream.into_split();
        writing.write_all(b"the last answer").await.expect("taken");
        let mut read = Vec::new();
        let (read_to_end, ()) = tokio::join!(peer.read_to_end(&mut read), close(reading, writing));
        read_to_end.expect("no reset");
        assert_eq!(read, b"the last answer");
    }
}
