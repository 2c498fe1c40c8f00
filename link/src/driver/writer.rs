//! The half of a connection that writes: frames from the outbox into few writes, and a deadline for the peer to read them.

use super::{Closed, FRAMES_PER_WRITE, InFlightPermit, Outgoing, WRITE_BUFFER_BYTES, WRITE_TIMEOUT, Wire, at};
use bytes::BytesMut;
use codecs::frame::{Frame, FrameCodec};
use metrics::Counter;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::codec::Encoder;

pub(super) struct Writer<'w> {
    pub(super) wire: &'w Wire,
    pub(super) codec: FrameCodec,
    pub(super) inbox: mpsc::Receiver<Outgoing>,
    /// One for each empty frame that is to be answered with one.
    pub(super) keep_alives: mpsc::Receiver<()>,
    pub(super) written: Counter,
    pub(super) out: BytesMut,
    /// Of the answers in `out`.
    pub(super) places: Vec<InFlightPermit>,
}

impl Writer<'_> {
    /// Writes until the outbox is dropped or `last` is notified, and every frame in the outbox has been written.
    pub(super) async fn run(&mut self, writing: &mut (impl AsyncWrite + Unpin), last: &Notify) -> Result<(), Closed> {
        let mut batch = Vec::with_capacity(FRAMES_PER_WRITE);
        let mut deadline: Option<Instant> = None;
        let mut open = true;
        while open || !self.out.is_empty() {
            let room = self.out.len() < WRITE_BUFFER_BYTES;
            tokio::select! {
                taken = self.inbox.recv_many(&mut batch, FRAMES_PER_WRITE), if open && room => {
                    open = taken > 0;
                    self.encode(&mut batch);
                    deadline.get_or_insert_with(|| Instant::now() + WRITE_TIMEOUT);
                }
                Some(()) = self.keep_alives.recv(), if open && room => {
                    // an empty frame always fits, and in a framing without empty frames none is read
                    let _ = self.codec.encode(Frame::KeepAlive, &mut self.out);
                    deadline.get_or_insert_with(|| Instant::now() + WRITE_TIMEOUT);
                }
                written = writing.write_buf(&mut self.out), if !self.out.is_empty() => match written {
                    Ok(_) if self.out.is_empty() => {
                        deadline = None;
                        self.places.clear();
                    }
                    Ok(_) => deadline = Some(Instant::now() + WRITE_TIMEOUT),
                    Err(_) => return Err(Closed::Io),
                },
                // frames that are in the inbox already are still written
                () = last.notified() => self.inbox.close(),
                () = at(deadline), if !self.out.is_empty() => return Err(Closed::NotReading),
            }
        }
        Ok(())
    }

    fn encode(&mut self, batch: &mut Vec<Outgoing>) {
        for Outgoing { framed, place } in batch.drain(..) {
            self.places.push(place);
            match self.codec.encode(Frame::Message(framed), &mut self.out) {
                Ok(()) => self.written.increment(1),
                Err(error) => tracing::error!(link = %self.wire.name, %error, "cannot frame"),
            }
        }
    }
}
