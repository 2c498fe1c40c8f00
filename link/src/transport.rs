//! What lies between a connection's socket and its frames: nothing, or a layer that encrypts.

use std::future::Future;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The peer: we accepted it.
    Accepted,
    /// We dialled.
    Dialled,
}

/// How the stream of a connection is made from its socket. The driver reads and writes the stream alone, and bounds the
/// time that `open` takes.
pub trait Transport: Clone + Send + Sync + 'static {
    type Reading: AsyncRead + Unpin + Send;
    type Writing: AsyncWrite + Unpin + Send;

    /// # Errors
    /// The peers do not agree, or the connection ended: it is closed before its owner hears of it.
    fn open(
        &self,
        socket: TcpStream,
        side: Side,
    ) -> impl Future<Output = io::Result<(Self::Reading, Self::Writing)>> + Send;
}

/// The socket itself.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Transport for Plain {
    type Reading = OwnedReadHalf;
    type Writing = OwnedWriteHalf;

    async fn open(&self, socket: TcpStream, _: Side) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
        Ok(socket.into_split())
    }
}
