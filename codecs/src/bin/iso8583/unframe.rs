//! `iso8583 unframe`: a stream to messages.

use super::dialects::Dialects;
use super::ndjson::{self, Fault, Object};
use bytes::BytesMut;
use codecs::Message;
use codecs::encoding::to_hex;
use codecs::frame::{Frame, FrameCodec, Framing};
use serde_json::Value;
use tokio_util::codec::Decoder;

pub fn answer(dialects: &mut Dialects, request: &Object) -> Result<Object, Fault> {
    let mut codec = codec(dialects, request)?;
    let mut stream = BytesMut::from(&ndjson::bytes(request, "hex")?[..]);
    let (mut bodies, mut keepalives) = (Vec::new(), 0usize);
    while let Some(frame) = codec.decode_eof(&mut stream)? {
        match frame {
            Frame::KeepAlive => keepalives += 1,
            Frame::Message(framed) => bodies.push(Value::from(to_hex(&framed.body))),
        }
    }
    let mut answer = Object::new();
    answer.insert("bodies".into(), bodies.into());
    answer.insert("keepalives".into(), keepalives.into());
    Ok(answer)
}

/// The codec of the framing in a request, with the dialect if the request names one: `pad` needs it.
pub fn codec(dialects: &mut Dialects, request: &Object) -> Result<FrameCodec, Fault> {
    let codec = named(request)?.codec(Message::MAX_BYTES);
    match request.get("dialect").filter(|dialect| !dialect.is_null()) {
        Some(dialect) => Ok(codec.of(&dialects.given(dialect)?)),
        None => Ok(codec),
    }
}

/// The framing in a request.
fn named(request: &Object) -> Result<Framing, Fault> {
    let name = ndjson::text(request, "framing")?;
    Framing::named(name).ok_or_else(|| {
        Fault::request(format!("framing {name:?} is none of {}, {}", Framing::NAMES.join(", "), Framing::NONE))
    })
}
