//! The half of a connection that reads: bytes into frames, frames into messages, messages to the owner.

use super::{Closed, ConnectionEvent, InFlightPermit, Outgoing, Owner, Reporter, Unreadable, Wire, at};
use bytes::{Bytes, BytesMut};
use codecs::frame::{Frame, FrameCodec, Framed};
use codecs::{DecodeError, Message};
use metrics::{Counter, counter};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::codec::Decoder;

pub(super) struct Reader<'w, L, O> {
    pub(super) wire: &'w Wire,
    pub(super) codec: FrameCodec,
    pub(super) owner: &'w O,
    pub(super) reporter: &'w Reporter<L>,
    /// For answers to messages that cannot be decoded, which are not reported to the owner.
    pub(super) answers: mpsc::WeakSender<Outgoing>,
    pub(super) keep_alives: mpsc::Sender<()>,
    pub(super) places: Option<Arc<Semaphore>>,
    pub(super) read: Counter,
}

impl<L: Copy, O: Owner<L>> Reader<'_, L, O> {
    /// Reads until the connection is to be read no more; gives the reason.
    pub(super) async fn run(&mut self, reading: &mut (impl AsyncRead + Unpin)) -> Closed {
        let mut incoming = BytesMut::with_capacity(8 << 10);
        let mut deadline: Option<Instant> = None;
        let mut silent_until = self.wire.first_frame_within.map(|within| Instant::now() + within);
        loop {
            tokio::select! {
                read = reading.read_buf(&mut incoming) => match read {
                    Ok(0) if incoming.is_empty() => return Closed::ByPeer,
                    Ok(0) => return Closed::HalfFrame,
                    Ok(_) => {
                        let taken = match self.take_frames(&mut incoming).await {
                            Ok(taken) => taken,
                            Err(closed) => return closed,
                        };
                        match taken {
                            _ if incoming.is_empty() => deadline = None,
                            // what is left is the start of a frame that began in this read
                            1.. => deadline = Some(Instant::now() + self.wire.frame_timeout),
                            0 => _ = deadline.get_or_insert_with(|| Instant::now() + self.wire.frame_timeout),
                        }
                        if taken > 0 {
                            silent_until = self.wire.max_idle.map(|idle| Instant::now() + idle);
                        }
                    }
                    Err(_) => return Closed::Io,
                },
                () = at(deadline) => return Closed::HalfFrame,
                () = at(silent_until) => return Closed::Silent,
            }
        }
    }

    /// Waits until every place is free: every message that was reported is answered.
    pub(super) async fn answered(&self) {
        if let (Some(places), Some(most)) = (&self.places, self.wire.in_flight) {
            // the places are never closed
            let _ = places.acquire_many(u32::try_from(most).unwrap_or(u32::MAX)).await;
        }
    }

    /// Cuts and reports every whole frame; says how many there were.
    async fn take_frames(&mut self, incoming: &mut BytesMut) -> Result<usize, Closed> {
        let mut taken = 0;
        loop {
            match self.codec.decode(incoming) {
                Ok(None) => return Ok(taken),
                // the peer's keep-alive; a peer that sends them faster than it reads gets fewer answers
                Ok(Some(Frame::KeepAlive)) => drop(self.keep_alives.try_send(())),
                Ok(Some(Frame::Message(framed))) => {
                    self.read.increment(1);
                    self.take_message(&framed).await?;
                }
                Err(error) => {
                    let connection = self.reporter.connection.0;
                    tracing::warn!(link = %self.wire.name, connection, %error, "broken frame");
                    return Err(Closed::Framing);
                }
            }
            taken += 1;
        }
    }

    async fn take_message(&mut self, framed: &Framed) -> Result<(), Closed> {
        // copied out, or a request that waits would pin the whole read buffer
        let body = Bytes::copy_from_slice(&framed.body);
        match Message::decode(&self.wire.dialect, body) {
            Ok(message) => {
                let header = Bytes::copy_from_slice(&framed.header);
                let place = match &self.places {
                    // the places are never closed
                    Some(places) => InFlightPermit(Arc::clone(places).acquire_owned().await.ok().map(Arc::new)),
                    None => InFlightPermit::default(),
                };
                self.reporter.report(ConnectionEvent::Message(header, Box::new(message), place)).await
            }
            Err(error) => self.refuse(framed, &error).await,
        }
    }

    /// Answers or ignores a message that cannot be decoded, or closes its connection, as the owner decides.
    async fn refuse(&mut self, framed: &Framed, error: &DecodeError) -> Result<(), Closed> {
        let link = self.wire.name.to_string();
        counter!("link_undecodable_total", "link" => link, "element" => error.path(), "kind" => error.kind.name())
            .increment(1);
        tracing::warn!(link = %self.wire.name, connection = self.reporter.connection.0, %error, "undecodable message");
        let readable = Message::decode_readable(&self.wire.dialect, framed.body.clone());
        match self.owner.unreadable(error, readable.as_ref()) {
            Unreadable::Answer(body) => {
                // while the outbox is full, the peer does not read, and its messages are not read either
                if let Some(answers) = self.answers.upgrade() {
                    // a closed outbox ends the connection by itself
                    let _ = answers.send(framed.answer(body).into()).await;
                }
                Ok(())
            }
            Unreadable::Drop => Ok(()),
            Unreadable::Close => Err(Closed::Garbage),
        }
    }
}
