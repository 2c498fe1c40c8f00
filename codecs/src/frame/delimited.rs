//! Frames without a length, which end with a mark.

use super::{Frame, FrameError, Framed};
use bytes::{BufMut, BytesMut};

/// A frame that ends with a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delimited {
    pub end: &'static [u8],
    /// Whether the mark is part of the message.
    pub kept: bool,
    pub most: usize,
}

impl Delimited {
    /// `searched` is the number of bytes already searched for the mark, so that they are not searched again.
    pub(super) fn decode(
        &self,
        src: &mut BytesMut,
        searched: &mut usize,
        max_bytes: usize,
    ) -> Result<Option<Frame>, FrameError> {
        let limit = self.most.min(max_bytes);
        let from = (*searched).min(src.len());
        let Some(at) = src[from..].windows(self.end.len()).position(|window| window == self.end) else {
            if src.len() > limit {
                return Err(FrameError::TooLong { found: src.len(), limit });
            }
            // part of the mark may have arrived
            *searched = src.len().saturating_sub(self.end.len() - 1);
            return Ok(None);
        };
        *searched = 0;
        let end = from + at;
        let mut frame = src.split_to(end + self.end.len());
        if !self.kept {
            frame.truncate(end);
        }
        if frame.len() > limit {
            return Err(FrameError::TooLong { found: frame.len(), limit });
        }
        if frame.is_empty() {
            return Ok(Some(Frame::KeepAlive));
        }
        Ok(Some(Frame::Message(Framed::bare(frame.freeze()))))
    }

    pub(super) fn encode(&self, body: &[u8], max_bytes: usize, out: &mut BytesMut) -> Result<(), FrameError> {
        let limit = self.most.min(max_bytes);
        if body.len() > limit {
            return Err(FrameError::TooLong { found: body.len(), limit });
        }
        let inner = if self.kept { body.strip_suffix(self.end).unwrap_or(body) } else { body };
        if inner.windows(self.end.len()).any(|window| window == self.end) {
            return Err(FrameError::HoldsMark);
        }
        out.reserve(inner.len() + self.end.len());
        out.put_slice(inner);
        out.put_slice(self.end);
        Ok(())
    }
}
