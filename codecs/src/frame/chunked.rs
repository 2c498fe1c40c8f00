//! Messages in one or more chunks, each with a mark, its length, and a flag whether more follow.

use super::{Frame, FrameError, Framed};
use crate::encoding::to_hex;
use bytes::{Buf, BufMut, BytesMut};

const MARK: [u8; 2] = [0xD0, 0x4A];
const LAST: [u8; 2] = [0, 0];
const MORE: [u8; 2] = [1, 0];
const PREFIX: usize = 6;
const CHUNK_MOST: usize = u16::MAX as usize;

/// `gathered` holds the chunks of a message whose last chunk is missing.
pub(super) fn decode(
    src: &mut BytesMut,
    gathered: &mut BytesMut,
    max_bytes: usize,
) -> Result<Option<Frame>, FrameError> {
    loop {
        let Some(&[mark0, mark1, high, low, more0, more1]) = src.get(..PREFIX) else { return Ok(None) };
        let more = match ([mark0, mark1], [more0, more1]) {
            (MARK, LAST) => false,
            (MARK, MORE) => true,
            _ => return Err(FrameError::NoLength(to_hex(&src[..PREFIX]))),
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if gathered.len() + length > max_bytes {
            return Err(FrameError::TooLong { found: gathered.len() + length, limit: max_bytes });
        }
        if src.len() < PREFIX + length {
            return Ok(None);
        }
        src.advance(PREFIX);
        let chunk = src.split_to(length);
        if more {
            gathered.extend_from_slice(&chunk);
            continue;
        }
        let body = if gathered.is_empty() {
            chunk
        } else {
            gathered.extend_from_slice(&chunk);
            gathered.split()
        };
        let frame = if body.is_empty() { Frame::KeepAlive } else { Frame::Message(Framed::bare(body.freeze())) };
        return Ok(Some(frame));
    }
}

pub(super) fn encode(body: &[u8], max_bytes: usize, out: &mut BytesMut) -> Result<(), FrameError> {
    if body.len() > max_bytes {
        return Err(FrameError::TooLong { found: body.len(), limit: max_bytes });
    }
    let mut rest = body;
    loop {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK_MOST));
        out.reserve(PREFIX + chunk.len());
        out.put_slice(&MARK);
        out.put_u16(chunk.len() as u16);
        out.put_slice(if after.is_empty() { &LAST } else { &MORE });
        out.put_slice(chunk);
        if after.is_empty() {
            return Ok(());
        }
        rest = after;
    }
}
