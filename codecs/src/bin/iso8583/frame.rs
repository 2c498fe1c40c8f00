//! A message to its frame.

use super::ndjson::{self, Fault, Object};
use super::unframe::named;
use bytes::BytesMut;
use codecs::Message;
use codecs::encoding::to_hex;
use codecs::frame::{Frame, Framed};
use tokio_util::codec::Encoder;

pub fn answer(request: &Object) -> Result<Object, Fault> {
    let mut codec = named(request)?.codec(Message::MAX_BYTES);
    let header = match request.contains_key("header") {
        true => ndjson::bytes(request, "header")?,
        false => Vec::new(),
    };
    let body = ndjson::bytes(request, "hex")?;
    let mut out = BytesMut::new();
    codec.encode(Frame::Message(Framed { header: header.into(), body: body.into() }), &mut out)?;
    let mut answer = Object::new();
    answer.insert("hex".into(), to_hex(&out).into());
    Ok(answer)
}
