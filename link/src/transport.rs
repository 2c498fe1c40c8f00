//! The layer between a connection's socket and its frames: none, or encryption.

use std::future::Future;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Which side opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The peer: we accepted it.
    Accepted,
    /// We dialled.
    Dialled,
}

/// Makes the stream of a connection from its socket. The driver reads and writes that stream only, and limits the time
/// that `open` takes.
pub trait Transport: Clone + Send + Sync + 'static {
    type Reading: AsyncRead + Unpin + Send;
    type Writing: AsyncWrite + Unpin + Send;

    /// # Errors
    /// The handshake failed, or the connection ended: it is closed without a report to its owner.
    fn open(
        &self,
        socket: TcpStream,
        side: Side,
    ) -> impl Future<Output = io::Result<(Self::Reading, Self::Writing)>> + Send;
}

/// No layer: the stream is the socket itself.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Transport for Plain {
    type Reading = OwnedReadHalf;
    type Writing = OwnedWriteHalf;

    async fn open(&self, socket: TcpStream, _: Side) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
        Ok(socket.into_split())
    }
}
