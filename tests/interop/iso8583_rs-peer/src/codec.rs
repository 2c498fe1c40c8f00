//! Reading and writing a message with iso8583_rs.

use std::error::Error;
use std::fmt;

use iso8583_rs::iso8583::iso_spec::{self, IsoMsg, Spec};

/// An error of iso8583_rs, which is only a text.
#[derive(Debug)]
pub struct LibraryError(pub String);

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for LibraryError {}

/// A text is not whole bytes in hex.
#[derive(Debug)]
pub struct NotHex;

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no hex string")
    }
}

impl Error for NotHex {}

/// A message, each element's value as iso8583_rs gives it.
pub struct Message {
    pub mti: String,
    pub values: Vec<(u32, String)>,
}

/// # Errors
/// iso8583_rs cannot read the message.
pub fn decode(spec: &'static Spec, bytes: &[u8]) -> Result<Message, LibraryError> {
    let message = spec.parse(&mut bytes.to_vec()).map_err(|e| LibraryError(e.msg))?;
    let mti = message.get_field_value(&"message_type".to_string()).map_err(|e| LibraryError(e.msg))?;
    let elements = (2..=192).filter(|n| message.bmp.is_on(*n) && *n != 65);
    let values = elements.map(|n| Ok((n, message.bmp_child_value(n).map_err(|e| LibraryError(e.msg))?)));
    Ok(Message { mti, values: values.collect::<Result<_, LibraryError>>()? })
}

/// # Errors
/// iso8583_rs cannot write the message.
pub fn encode(spec: &'static Spec, message: &Message) -> Result<Vec<u8>, LibraryError> {
    let segment = spec.get_message("any").map_err(|e| LibraryError(e.msg))?;
    let mut out: IsoMsg = iso_spec::new_msg(spec, segment);
    out.set("message_type", &message.mti).map_err(|e| LibraryError(e.msg))?;
    for (element, value) in &message.values {
        out.set_on(*element, value).map_err(|e| LibraryError(e.msg))?;
    }
    out.assemble().map_err(|e| LibraryError(e.msg))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// # Errors
/// The text is not whole bytes in hex.
pub fn bytes(hex: &str) -> Result<Vec<u8>, NotHex> {
    let hex = hex.trim();
    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map(|at| pair(at).ok_or(NotHex)).collect()
}
