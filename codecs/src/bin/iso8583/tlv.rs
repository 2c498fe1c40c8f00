//! `iso8583 tlv`: chip data to tags.

use super::ndjson::{self, Fault, Object};
use codecs::ErrorKind;
use codecs::encoding::to_hex;
use serde_json::Value;

pub fn answer(request: &Object) -> Result<Object, Fault> {
    let content = ndjson::bytes(request, "hex")?;
    let mut tags = Vec::new();
    for tag in codecs::tlv::tags(&content) {
        let tag = tag.map_err(|fault| Fault {
            offset: Some(fault.offset),
            ..Fault::new(ErrorKind::BadTlv.name(), fault.to_string())
        })?;
        tags.push(Value::from(vec![format!("{:X}", tag.tag), to_hex(tag.value)]));
    }
    let mut answer = Object::new();
    answer.insert("tags".into(), tags.into());
    Ok(answer)
}
