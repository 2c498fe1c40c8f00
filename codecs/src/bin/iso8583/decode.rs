//! `iso8583 decode`: messages to JSON.

use super::dialects::Dialects;
use super::ndjson::{self, Fault, Object};
use bytes::{Bytes, BytesMut};
use codecs::de;
use codecs::encoding::{Format, to_hex};
use codecs::frame::{Frame, Framing};
use codecs::{Dialect, ErrorKind, Field, Message};
use serde_json::Value;
use std::sync::Arc;
use tokio_util::codec::Decoder;

pub fn answer(dialects: &mut Dialects, request: &Object, reveal: bool) -> Result<Object, Fault> {
    let dialect = request.get("dialect").ok_or_else(|| Fault::request("dialect is missing"))?;
    let dialect = dialects.given(dialect)?;
    let message = Message::decode(&dialect, body(request, &dialect)?)?;
    let mut fields = Object::new();
    for element in message.elements() {
        let Some(field) = message.field(element) else { continue };
        let shown = if reveal { revealed(&field) } else { de::shown(&field) };
        fields.insert(element.to_string(), shown.into());
    }
    let mut answer = Object::new();
    answer.insert("mti".into(), message.mti().as_str().into());
    answer.insert("fields".into(), Value::Object(fields));
    answer.insert("consumed".into(), message.bytes().len().into());
    Ok(answer)
}

/// The message's own bytes: the content of the frame, or the bytes after the first `body_offset`.
fn body(request: &Object, dialect: &Arc<Dialect>) -> Result<Bytes, Fault> {
    let bytes = Bytes::from(ndjson::bytes(request, "hex")?);
    if let Some(framing) = request.get("framing").filter(|framing| !framing.is_null()) {
        return unframed(framing, dialect, &bytes);
    }
    let offset = match request.get("body_offset") {
        None | Some(Value::Null) => 0,
        Some(offset) => offset.as_u64().ok_or_else(|| Fault::request("body_offset is no number of bytes"))?,
    };
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    if offset > bytes.len() {
        return Err(Fault::request("body_offset is beyond the end"));
    }
    Ok(bytes.slice(offset..))
}

fn unframed(framing: &Value, dialect: &Arc<Dialect>, bytes: &[u8]) -> Result<Bytes, Fault> {
    let mut codec = framing
        .as_str()
        .and_then(Framing::named)
        .ok_or_else(|| Fault::request(format!("framing {framing} is not known")))?
        .codec(Message::MAX_BYTES)
        .of(dialect);
    let mut stream = BytesMut::from(bytes);
    let frame = codec.decode_eof(&mut stream)?;
    if !stream.is_empty() {
        let message = format!("{} bytes follow the first frame", stream.len());
        return Err(Fault::new(ErrorKind::TrailingData.name(), message));
    }
    match frame {
        Some(Frame::Message(framed)) => Ok(framed.body),
        Some(Frame::KeepAlive) => Err(Fault::new(ErrorKind::Framing.name(), "a keep-alive frame holds no message")),
        None => Err(Fault::new(ErrorKind::Framing.name(), "no frame")),
    }
}

/// The content in clear: text as text, digits as digits, bytes as hex.
fn revealed(field: &Field<'_>) -> String {
    if field.rule().format == Format::Binary {
        to_hex(&field.content())
    } else {
        field.chars().map(char::from).collect()
    }
}
