//! iso8583_rs reading and writing a message.

use iso8583_rs::iso8583::iso_spec::{self, IsoMsg, Spec};

/// What a message holds, each element's value as iso8583_rs gives it.
pub struct Message {
    pub mti: String,
    pub values: Vec<(u32, String)>,
}

/// # Errors
/// What iso8583_rs says.
pub fn decode(spec: &'static Spec, bytes: &[u8]) -> Result<Message, String> {
    let message = spec.parse(&mut bytes.to_vec()).map_err(|e| e.msg)?;
    let mti = message.get_field_value(&"message_type".to_string()).map_err(|e| e.msg)?;
    let elements = (2..=192).filter(|n| message.bmp.is_on(*n) && *n != 65);
    let values = elements.map(|n| Ok((n, message.bmp_child_value(n).map_err(|e| e.msg)?)));
    Ok(Message { mti, values: values.collect::<Result<_, String>>()? })
}

/// # Errors
/// What iso8583_rs says.
pub fn encode(spec: &'static Spec, message: &Message) -> Result<Vec<u8>, String> {
    let segment = spec.get_message("any").map_err(|e| e.msg)?;
    let mut out: IsoMsg = iso_spec::new_msg(spec, segment);
    out.set("message_type", &message.mti).map_err(|e| e.msg)?;
    for (element, value) in &message.values {
        out.set_on(*element, value).map_err(|e| e.msg)?;
    }
    out.assemble().map_err(|e| e.msg)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// # Errors
/// The text is no hex string of whole bytes.
pub fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let hex = hex.trim();
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map(|at| pair(at).ok_or_else(|| "no hex string".to_string())).collect()
}
