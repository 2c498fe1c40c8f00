//! Frames that start with their length.

use super::{Frame, FrameError, Framed};
use crate::encoding::to_hex;
use bytes::{Buf, BufMut, BytesMut};

/// How the length in front of a frame is written; it never counts itself here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthCode {
    /// So many ASCII digits.
    Ascii(usize),
    /// So many bytes, the most significant first.
    BigEndian(usize),
}

impl LengthCode {
    fn width(self) -> usize {
        match self {
            Self::Ascii(width) | Self::BigEndian(width) => width,
        }
    }

    fn read(self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().try_fold(0usize, |n, b| match self {
            Self::Ascii(_) => b.is_ascii_digit().then(|| n * 10 + usize::from(b - b'0')),
            Self::BigEndian(_) => Some(n << 8 | usize::from(*b)),
        })
    }

    fn most(self) -> usize {
        match self {
            Self::Ascii(width) => 10usize.pow(width as u32) - 1,
            Self::BigEndian(width) => (1 << (8 * width)) - 1,
        }
    }

    fn write(self, length: usize, out: &mut BytesMut) {
        match self {
            Self::Ascii(width) => out.put_slice(format!("{length:0width$}").as_bytes()),
            Self::BigEndian(width) => out.put_uint(length as u64, width),
        }
    }
}

/// A length, then (counted by it) a header of fixed size and the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixed {
    pub code: LengthCode,
    pub header: usize,
}

impl Prefixed {
    pub(super) fn decode(&self, src: &mut BytesMut, max_bytes: usize) -> Result<Option<Frame>, FrameError> {
        let width = self.code.width();
        let Some(prefix) = src.get(..width) else { return Ok(None) };
        let length = self.code.read(prefix).ok_or_else(|| FrameError::NoLength(to_hex(prefix)))?;
        if length > max_bytes {
            return Err(FrameError::TooLong { found: length, limit: max_bytes });
        }
        if length == 0 {
            src.advance(width);
            return Ok(Some(Frame::KeepAlive));
        }
        if length < self.header {
            return Err(FrameError::ShorterThanHeader { found: length, header: self.header });
        }
        if src.len() < width + length {
            return Ok(None);
        }
        src.advance(width);
        let mut frame = src.split_to(length).freeze();
        let header = frame.split_to(self.header);
        Ok(Some(Frame::Message(Framed { header, body: frame })))
    }

    pub(super) fn encode(
        &self,
        header: &[u8],
        body: &[u8],
        max_bytes: usize,
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        let length = header.len() + body.len();
        let limit = max_bytes.min(self.code.most());
        if length > limit {
            return Err(FrameError::TooLong { found: length, limit });
        }
        if !body.is_empty() && header.len() != self.header {
            return Err(FrameError::ShorterThanHeader { found: header.len(), header: self.header });
        }
        out.reserve(self.code.width() + length);
        self.code.write(length, out);
        out.put_slice(header);
        out.put_slice(body);
        Ok(())
    }
}
