//! Frames that begin with their length.

use super::length::LengthCode;
use super::{Frame, FrameError, Framed};
use crate::encoding::to_hex;
use bytes::{Buf, BufMut, BytesMut};

/// A length with constant bytes around it, then the bytes that it counts: a header of fixed size, the message, a
/// closing byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prefixed {
    pub code: LengthCode,
    /// Whether the length counts its own bytes.
    pub counts_itself: bool,
    /// Constant bytes before the length.
    pub before: &'static [u8],
    /// Constant bytes after the length, not counted by it.
    pub after: &'static [u8],
    /// Whether the last byte after the length may mark a frame of session control (high nibble 2: heartbeat, shutdown),
    /// as on Visa-style links.
    pub session_control: bool,
    pub header: usize,
    /// A closing byte, counted by the length.
    pub end: Option<u8>,
}

impl Prefixed {
    pub(super) const fn of(code: LengthCode) -> Self {
        Self { code, counts_itself: false, before: &[], after: &[], session_control: false, header: 0, end: None }
    }

    fn own(&self) -> usize {
        if self.counts_itself { self.code.width() } else { 0 }
    }

    fn width(&self) -> usize {
        self.before.len() + self.code.width() + self.after.len()
    }

    /// Number of bytes after the prefix, and whether they are session control; `None` if the prefix is incomplete.
    fn announced(&self, src: &[u8]) -> Result<Option<(usize, bool)>, FrameError> {
        let (from, to) = (self.before.len(), self.before.len() + self.code.width());
        let Some(prefix) = src.get(..self.width()) else { return Ok(None) };
        let no_length = || FrameError::NoLength(to_hex(prefix));
        let after = &prefix[to..];
        let control = self.session_control && after.last().is_some_and(|last| last >> 4 == 2);
        if !prefix.starts_with(self.before) || !(control || after == self.after) {
            return Err(no_length());
        }
        let length = match self.code.read(&prefix[from..to]).ok_or_else(no_length)? {
            0 => 0,
            counted => counted.checked_sub(self.own()).ok_or_else(no_length)?,
        };
        Ok(Some((length, control)))
    }

    pub(super) fn decode(&self, src: &mut BytesMut, max_bytes: usize) -> Result<Option<Frame>, FrameError> {
        let Some((length, control)) = self.announced(src)? else { return Ok(None) };
        let width = self.width();
        if length > max_bytes {
            return Err(FrameError::TooLong { found: length, limit: max_bytes });
        }
        if length == 0 {
            src.advance(width);
            return Ok(Some(Frame::KeepAlive));
        }
        if control {
            if src.len() < width + length {
                return Ok(None);
            }
            src.advance(width + length);
            return Ok(Some(Frame::KeepAlive));
        }
        let least = self.header + usize::from(self.end.is_some());
        if length < least {
            return Err(FrameError::ShorterThanHeader { found: length, header: least });
        }
        if src.len() < width + length {
            return Ok(None);
        }
        src.advance(width);
        let mut frame = src.split_to(length).freeze();
        if let Some(end) = self.end {
            let last = frame.split_off(length - 1);
            if last[0] != end {
                return Err(FrameError::NotClosed { wanted: end, found: last[0] });
            }
        }
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
        if header.len() != self.header {
            return Err(FrameError::ShorterThanHeader { found: header.len(), header: self.header });
        }
        let length = header.len() + body.len() + usize::from(self.end.is_some());
        let limit = max_bytes.min(self.code.most() - self.own());
        if length > limit {
            return Err(FrameError::TooLong { found: length, limit });
        }
        self.write_prefix(length + self.own(), out);
        out.put_slice(header);
        out.put_slice(body);
        out.extend(self.end);
        Ok(())
    }

    /// Appends a keep-alive frame.
    pub(super) fn keep_alive(&self, out: &mut BytesMut) {
        self.write_prefix(0, out);
    }

    fn write_prefix(&self, counted: usize, out: &mut BytesMut) {
        out.reserve(self.width() + counted);
        out.put_slice(self.before);
        self.code.write(counted, out);
        out.put_slice(self.after);
    }
}
