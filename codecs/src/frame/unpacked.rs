//! Messages without any framing: the end of one is found by decoding it.

use super::{Frame, FrameError, Framed};
use crate::dialect::Dialect;
use crate::error::ErrorKind;
use crate::message::Message;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Takes a message from the front once all of its elements have arrived.
pub(super) fn decode(
    src: &mut BytesMut,
    dialect: &Arc<Dialect>,
    max_bytes: usize,
) -> Result<Option<Frame>, FrameError> {
    if src.is_empty() {
        return Ok(None);
    }
    let limit = max_bytes.min(Message::MAX_BYTES);
    let mut arrived = src.split().freeze();
    let visible = arrived.slice(..arrived.len().min(limit));
    let read = Message::decode_prefix(dialect, visible).map(|(_, end)| end);
    let found = match read {
        Ok(end) => Ok(Some(arrived.split_to(end))),
        Err(fault) if fault.kind != ErrorKind::Truncated => Err(FrameError::Unreadable(fault)),
        Err(_) if arrived.len() >= limit => Err(FrameError::TooLong { found: arrived.len(), limit }),
        Err(_) => Ok(None),
    };
    give_back(arrived, src);
    Ok(found?.map(|body| Frame::Message(Framed::bare(body))))
}

/// Puts the remaining bytes back in place, unless a message that was taken shares their memory.
fn give_back(rest: Bytes, src: &mut BytesMut) {
    *src = match rest.try_into_mut() {
        Ok(rest) => rest,
        Err(shared) => BytesMut::from(&shared[..]),
    };
}
