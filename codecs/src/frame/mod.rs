//! Framing: where one message ends and the next begins on a byte stream, as tokio-util codecs.
//!
//! A frame that has not arrived whole is not an error, and nothing is allocated for bytes that have not arrived; a
//! length over the limit is refused before anything is kept for it.

mod prefix;

pub use prefix::{LengthCode, Prefixed};

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// What a stream gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An empty frame that says the peer is alive; never handed to the parser.
    KeepAlive,
    Message(Framed),
}

/// One message, with what its framing puts before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// TPDU or header that travels inside the frame before the message; empty where the framing has none.
    pub header: Bytes,
    pub body: Bytes,
}

impl Framed {
    pub fn bare(body: Bytes) -> Self {
        Self { header: Bytes::new(), body }
    }

    /// The frame that answers this one: a TPDU with destination and source exchanged (ISO 8583 clause A; ECMA-72).
    pub fn answer(&self, body: Bytes) -> Self {
        let header = match self.header.len() {
            Tpdu::BYTES => Tpdu::turned(&self.header),
            _ => self.header.clone(),
        };
        Self { header, body }
    }
}

/// Transport header of point-of-sale concentrators: an id, two bytes of destination, two of source.
#[derive(Debug)]
pub struct Tpdu;

impl Tpdu {
    pub const BYTES: usize = 5;

    fn turned(header: &Bytes) -> Bytes {
        Bytes::copy_from_slice(&[header[0], header[3], header[4], header[1], header[2]])
    }
}

/// A stream that cannot be cut into frames any more; the connection has to be closed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("framing: the length {found} is over the limit of {limit} bytes")]
    TooLong { found: usize, limit: usize },
    #[error("framing: the length field holds {0}, which is no length")]
    NoLength(String),
    #[error("framing: a frame of {found} bytes is shorter than its header of {header}")]
    ShorterThanHeader { found: usize, header: usize },
    #[error("framing: the stream ended inside a frame, {0} bytes were left")]
    Cut(usize),
    #[error("framing: {0}")]
    Io(#[from] std::io::Error),
}

/// A framing by its name in configuration (docs/dialects.md lists them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    name: &'static str,
    rule: Prefixed,
}

impl Framing {
    /// Every framing that has a name.
    pub const NAMES: [&'static str; 3] = ["bin2", "ascii4", "nac"];

    pub fn named(name: &str) -> Option<Self> {
        let name = Self::NAMES.into_iter().find(|known| *known == name)?;
        let rule = match name {
            "ascii4" => Prefixed { code: LengthCode::Ascii(4), header: 0 },
            "nac" => Prefixed { code: LengthCode::BigEndian(2), header: Tpdu::BYTES },
            _ => Prefixed { code: LengthCode::BigEndian(2), header: 0 },
        };
        Some(Self { name, rule })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes that the framing puts before a message within the frame.
    pub fn header_bytes(&self) -> usize {
        self.rule.header
    }

    pub fn codec(&self, max_bytes: usize) -> FrameCodec {
        FrameCodec { framing: self.clone(), max_bytes }
    }
}

/// Cuts and builds frames of one connection.
#[derive(Clone, Debug)]
pub struct FrameCodec {
    framing: Framing,
    max_bytes: usize,
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        self.framing.rule.decode(src, self.max_bytes)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(FrameError::Cut(src.len())),
            frame => Ok(frame),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        match frame {
            Frame::KeepAlive => self.framing.rule.encode(&[], &[], self.max_bytes, out),
            Frame::Message(Framed { header, body }) => self.framing.rule.encode(&header, &body, self.max_bytes, out),
        }
    }
}
