//! A client of a listener: iso8583_rs's messages and length prefixes over a socket.
//!
//! The TCP client of iso8583_rs prints every message it sends, card numbers included, so it is not used.

use crate::codec::{self, Message, NotHex};
use crate::rows::Rows;
use iso8583_rs::iso8583::iso_spec::Spec;
use iso8583_rs::iso8583::mli::{MLI, MLI2E};
use serde_json::{json, Map, Value};
use std::error::Error;
use std::fmt;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Why a line of standard input is no request.
#[derive(Debug)]
enum RequestError {
    Mti,
    Fields,
    Element,
    Value,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mti => "no mti",
            Self::Fields => "no fields",
            Self::Element => "no element",
            Self::Value => "no text",
        })
    }
}

impl Error for RequestError {}

/// Why the bitmap of an answer cannot be read.
#[derive(Debug)]
enum BitmapError {
    TooShort,
    NotHex(NotHex),
}

impl fmt::Display for BitmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("no bitmap"),
            Self::NotHex(error) => error.fmt(f),
        }
    }
}

impl Error for BitmapError {}

/// Sends each line {"mti","fields"} of standard input and prints the listener's answer.
///
/// # Errors
/// No connection, no answer in time, or an answer that iso8583_rs cannot read.
pub fn exchange(spec: &'static Spec, rows: &Rows, address: &str) -> Result<(), Box<dyn Error>> {
    let mut wire = TcpStream::connect(address)?;
    wire.set_read_timeout(Some(Duration::from_secs(15)))?;
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let body = with_hex_bitmap(&codec::encode(spec, &message(&request)?)?);
        let mut frame = MLI2E {}.create(&body.len()).map_err(|e| e.msg)?;
        frame.extend(body);
        wire.write_all(&frame)?;
        let length = MLI2E {}.parse(&mut wire).map_err(|e| e.msg)?;
        let mut answer = vec![0; length as usize];
        wire.read_exact(&mut answer)?;
        let answer = codec::decode(spec, &with_raw_bitmap(&answer)?)?;
        let fields: Map<String, Value> =
            answer.values.iter().map(|(n, value)| (n.to_string(), rows.ours(*n, value).into())).collect();
        writeln!(std::io::stdout(), "{}", json!({"mti": answer.mti, "fields": fields}))?;
    }
    Ok(())
}

fn message(request: &Value) -> Result<Message, RequestError> {
    let fields = request["fields"].as_object().ok_or(RequestError::Fields)?;
    let element = |(n, value): (&String, &Value)| {
        let number = n.parse().map_err(|_| RequestError::Element)?;
        Ok((number, value.as_str().ok_or(RequestError::Value)?.to_string()))
    };
    let mut values: Vec<(u32, String)> = fields.iter().map(element).collect::<Result<_, RequestError>>()?;
    values.sort();
    Ok(Message { mti: request["mti"].as_str().ok_or(RequestError::Mti)?.into(), values })
}

/// iso8583_rs handles raw bitmaps only; the listener's are hex characters.
fn with_hex_bitmap(body: &[u8]) -> Vec<u8> {
    let end = 4 + if body[4] & 0x80 == 0 { 8 } else { 16 };
    [&body[..4], codec::hex(&body[4..end]).as_bytes(), &body[end..]].concat()
}

fn with_raw_bitmap(body: &[u8]) -> Result<Vec<u8>, BitmapError> {
    let second = body.get(4).is_some_and(|first| !(b'0'..=b'7').contains(first));
    let end = 4 + if second { 32 } else { 16 };
    let bitmap = body.get(4..end).and_then(|hex| std::str::from_utf8(hex).ok()).ok_or(BitmapError::TooShort)?;
    Ok([&body[..4], &codec::bytes(bitmap).map_err(BitmapError::NotHex)?, &body[end..]].concat())
}
