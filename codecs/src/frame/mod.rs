//! Framing: the boundaries of messages on a byte stream, as tokio-util codecs.
//!
//! An incomplete frame is no error, and nothing is allocated for bytes that have not arrived. A length over the limit
//! is refused before anything is stored for it.

mod chunked;
mod delimited;
mod header;
mod length;
mod prefixed;
mod unpacked;

pub use header::{StationHeader, Tpdu};

use crate::dialect::Dialect;
use crate::error::DecodeError;
use bytes::{Bytes, BytesMut};
use delimited::Delimited;
use length::LengthCode;
use prefixed::Prefixed;
use std::fmt;
use std::sync::Arc;
use tokio_util::codec::{Decoder, Encoder};

/// An item of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A keep-alive: an empty frame, or one of session control. It is never parsed as a message.
    KeepAlive,
    Message(Framed),
}

/// One message, with the header that its framing puts before it.
#[derive(Clone, PartialEq, Eq)]
pub struct Framed {
    /// TPDU or other header within the frame, before the message; empty if the framing has none.
    pub header: Bytes,
    pub body: Bytes,
}

impl fmt::Debug for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the body contains card data: only a decoded message can tell which part may be shown
        write!(f, "Framed({} + {} bytes)", self.header.len(), self.body.len())
    }
}

impl Framed {
    pub fn bare(body: Bytes) -> Self {
        Self { header: Bytes::new(), body }
    }

    /// The answer's frame: this header with source and destination exchanged, and the body.
    pub fn answer(&self, body: Bytes) -> Self {
        let header = header::turned(&self.header, body.len());
        Self { header, body }
    }
}

/// Why a stream cannot be cut into frames any more. The connection has to be closed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("framing: the length {found} is over the limit of {limit} bytes")]
    TooLong { found: usize, limit: usize },
    #[error("framing: the length field holds {0}, which is no length")]
    NoLength(String),
    #[error("framing: a frame of {found} bytes is shorter than its header of {header}")]
    ShorterThanHeader { found: usize, header: usize },
    #[error("framing: the frame ends in {found:02X}, and not in {wanted:02X}")]
    NotClosed { wanted: u8, found: u8 },
    #[error("framing: the message holds the mark that would end it")]
    HoldsMark,
    #[error("framing: the framing has no frame without a message")]
    NoKeepAlive,
    #[error("framing: the stream ended inside a frame, {0} bytes were left")]
    Cut(usize),
    #[error("framing: only a dialect can say where a message of this framing ends, and none was given")]
    NoDialect,
    #[error("framing: the message cannot be read to its end: {0}")]
    Unreadable(DecodeError),
    #[error("framing: {0}")]
    Io(#[from] std::io::Error),
}

/// A framing, found by its name in the configuration (docs/dialects.md lists them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    name: &'static str,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Prefixed(Prefixed),
    Delimited(Delimited),
    Chunked,
    /// Nothing around a message: its end is where, by its dialect, the last element ends.
    Unpacked,
    /// One message: all bytes until the stream ends.
    Whole,
}

impl Framing {
    /// The names of all framings.
    pub const NAMES: [&'static str; 19] = [
        "ascii4",
        "ascii5",
        "hex4",
        "bin2",
        "bin2-incl",
        "bin2-le",
        "bin3",
        "bin4",
        "bcd2",
        "nac",
        "ncc",
        "cs",
        "gicc",
        "rbp",
        "vap",
        "base24tcp",
        "etx",
        "xml",
        "pad",
    ];
    /// For a file or dump that is one message; not for connections.
    pub const NONE: &'static str = "none";

    pub fn named(name: &str) -> Option<Self> {
        let name = Self::NAMES.into_iter().chain([Self::NONE]).find(|known| *known == name)?;
        let big_endian = Prefixed::of(LengthCode::BigEndian(2));
        let shape = match name {
            "ascii4" => Shape::Prefixed(Prefixed::of(LengthCode::Ascii(4))),
            "ascii5" => Shape::Prefixed(Prefixed::of(LengthCode::Ascii(5))),
            "hex4" => Shape::Prefixed(Prefixed::of(LengthCode::Hex(4))),
            "bin2-incl" => Shape::Prefixed(Prefixed { counts_itself: true, ..big_endian }),
            "bin2-le" => Shape::Prefixed(Prefixed::of(LengthCode::LittleEndian(2))),
            "bin3" => Shape::Prefixed(Prefixed::of(LengthCode::BigEndian(3))),
            "bin4" => Shape::Prefixed(Prefixed::of(LengthCode::BigEndian(4))),
            "bcd2" => Shape::Prefixed(Prefixed::of(LengthCode::Bcd(2))),
            "nac" => Shape::Prefixed(Prefixed { header: Tpdu::BYTES, ..big_endian }),
            "ncc" => Shape::Prefixed(Prefixed { header: Tpdu::BYTES, ..Prefixed::of(LengthCode::Bcd(2)) }),
            "cs" => Shape::Prefixed(Prefixed { after: &[0, 0], ..big_endian }),
            "gicc" => Shape::Prefixed(Prefixed { before: &[0, 0], ..big_endian }),
            "vap" => Shape::Prefixed(Prefixed {
                after: &[0, 0],
                session_control: true,
                header: StationHeader::BYTES,
                ..big_endian
            }),
            "base24tcp" => Shape::Prefixed(Prefixed { end: Some(0x03), ..big_endian }),
            "etx" => Shape::Delimited(Delimited { end: &[0x03], kept: false, most: 4096 }),
            "xml" => Shape::Delimited(Delimited { end: b"</isomsg>", kept: true, most: usize::MAX }),
            "rbp" => Shape::Chunked,
            "pad" => Shape::Unpacked,
            Self::NONE => Shape::Whole,
            _ => Shape::Prefixed(big_endian),
        };
        Some(Self { name, shape })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Size of the header that the framing puts before a message, within the frame.
    pub fn header_bytes(&self) -> usize {
        match &self.shape {
            Shape::Prefixed(rule) => rule.header,
            _ => 0,
        }
    }

    /// A codec for one connection; a frame longer than `max_bytes` is refused.
    pub fn codec(&self, max_bytes: usize) -> FrameCodec {
        FrameCodec { framing: self.clone(), max_bytes, dialect: None, searched: 0, gathered: BytesMut::new() }
    }
}

/// Cuts and builds the frames of one connection.
#[derive(Clone)]
pub struct FrameCodec {
    framing: Framing,
    max_bytes: usize,
    /// The dialect that tells the end of a message, for framings without a length or mark.
    dialect: Option<Arc<Dialect>>,
    /// Number of bytes already searched for the end of a frame without a length.
    searched: usize,
    /// Chunks of an incomplete message.
    gathered: BytesMut,
}

impl FrameCodec {
    /// The codec with the dialect of its messages: `pad` finds the end of a message by reading it.
    pub fn of(mut self, dialect: &Arc<Dialect>) -> Self {
        self.dialect = Some(Arc::clone(dialect));
        self
    }
}

impl fmt::Debug for FrameCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameCodec({}, at most {} bytes)", self.framing.name, self.max_bytes)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match &self.framing.shape {
            Shape::Prefixed(rule) => rule.decode(src, self.max_bytes),
            Shape::Delimited(rule) => rule.decode(src, &mut self.searched, self.max_bytes),
            Shape::Chunked => chunked::decode(src, &mut self.gathered, self.max_bytes),
            Shape::Unpacked => {
                let dialect = self.dialect.as_ref().ok_or(FrameError::NoDialect)?;
                unpacked::decode(src, dialect, self.max_bytes)
            }
            Shape::Whole if src.len() > self.max_bytes => {
                Err(FrameError::TooLong { found: src.len(), limit: self.max_bytes })
            }
            Shape::Whole => Ok(None),
        }
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(src)? {
            None if src.is_empty() && self.gathered.is_empty() => Ok(None),
            None if self.framing.shape == Shape::Whole => Ok(Some(Frame::Message(Framed::bare(src.split().freeze())))),
            None => Err(FrameError::Cut(src.len() + self.gathered.len())),
            frame => Ok(frame),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        match (&self.framing.shape, frame) {
            (Shape::Prefixed(rule), Frame::KeepAlive) => {
                rule.keep_alive(out);
                Ok(())
            }
            (Shape::Prefixed(rule), Frame::Message(Framed { header, body })) => {
                rule.encode(&header, &body, self.max_bytes, out)
            }
            (_, Frame::KeepAlive) => Err(FrameError::NoKeepAlive),
            (Shape::Delimited(rule), Frame::Message(Framed { body, .. })) => rule.encode(&body, self.max_bytes, out),
            (Shape::Chunked, Frame::Message(Framed { body, .. })) => chunked::encode(&body, self.max_bytes, out),
            (Shape::Unpacked | Shape::Whole, Frame::Message(Framed { body, .. })) => {
                if body.len() > self.max_bytes {
                    return Err(FrameError::TooLong { found: body.len(), limit: self.max_bytes });
                }
                out.extend_from_slice(&body);
                Ok(())
            }
        }
    }
}
