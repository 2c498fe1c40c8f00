//! `iso8583 frame`: puts a message into a frame.

use super::dialects::Dialects;
use super::ndjson::{self, Fault, Object};
use super::unframe::codec;
use bytes::BytesMut;
use codecs::encoding::to_hex;
use codecs::frame::{Frame, Framed};
use tokio_util::codec::Encoder;

pub fn answer(dialects: &mut Dialects, request: &Object) -> Result<Object, Fault> {
    let mut codec = codec(dialects, request)?;
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
