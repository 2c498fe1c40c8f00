//! NDJSON: one JSON object a line in, one a line out, whatever the line contains.

use codecs::dialect::DialectError;
use codecs::frame::FrameError;
use codecs::{DecodeError, EncodeError, ErrorKind};
use serde_json::{Map, Value, json};
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process::ExitCode;

pub type Object = Map<String, Value>;

/// A longer line is refused, and skipped without being stored.
const LINE_MOST: u64 = 8 << 20;

/// Why a line has no result: the value of `error` in its answer.
#[derive(Debug)]
pub struct Fault {
    pub kind: &'static str,
    pub element: Option<String>,
    pub offset: Option<usize>,
    pub message: String,
}

impl Fault {
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, element: None, offset: None, message: message.into() }
    }

    /// The error for a line that the verb cannot read.
    pub fn request(message: impl Into<String>) -> Self {
        Self::new("bad-request", message)
    }

    pub fn of_element(kind: ErrorKind, element: &str, message: impl Into<String>) -> Self {
        Self { element: Some(element.into()), ..Self::new(kind.name(), message) }
    }

    fn into_json(self) -> Value {
        let mut object = json!({"kind": self.kind});
        if let Some(element) = self.element {
            object["element"] = element.into();
        }
        if let Some(offset) = self.offset {
            object["offset"] = offset.into();
        }
        object["message"] = self.message.into();
        object
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self {
            kind: error.kind.name(),
            element: Some(error.path()),
            offset: Some(error.offset),
            message: error.to_string(),
        }
    }
}

impl From<EncodeError> for Fault {
    fn from(error: EncodeError) -> Self {
        let (kind, element) = match error {
            EncodeError::NoRule(element) => (ErrorKind::NoRule, element),
            EncodeError::Length { element, allowed, found } if found > allowed => (ErrorKind::LengthOverMax, element),
            EncodeError::Length { element, .. } => (ErrorKind::BadLength, element),
            EncodeError::Class(element) => (ErrorKind::Class, element),
        };
        Self::of_element(kind, &format!("DE{element}"), error.to_string())
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Self::new(ErrorKind::Framing.name(), error.to_string())
    }
}

impl From<DialectError> for Fault {
    fn from(error: DialectError) -> Self {
        Self::new("bad-dialect", error.to_string())
    }
}

/// A text that the request must contain.
pub fn text<'r>(request: &'r Object, key: &str) -> Result<&'r str, Fault> {
    match request.get(key) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Fault::request(format!("{key} is no string"))),
        None => Err(Fault::request(format!("{key} is missing"))),
    }
}

/// The bytes of a hex string that the request must contain.
pub fn bytes(request: &Object, key: &str) -> Result<Vec<u8>, Fault> {
    codecs::encoding::from_hex(text(request, key)?)
        .ok_or_else(|| Fault::new(ErrorKind::BadHex.name(), format!("{key} is no hex string of whole bytes")))
}

/// Answers each line of standard input on standard output.
pub fn run(mut answer: impl FnMut(&Object) -> Result<Object, Fault>) -> anyhow::Result<ExitCode> {
    let mut input = io::stdin().lock();
    let mut output = BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    while let Some(whole) = next_line(&mut input, &mut line)? {
        let (id, result) = match read(&line, whole) {
            Ok(request) => (request.get("id").cloned().unwrap_or(Value::Null), answer(&request)),
            Err(fault) => (Value::Null, Err(fault)),
        };
        let mut answered = Object::new();
        answered.insert("id".into(), id);
        match result {
            Ok(result) => answered.extend(result),
            Err(fault) => {
                answered.insert("error".into(), fault.into_json());
            }
        }
        serde_json::to_writer(&mut output, &answered).map_err(io::Error::from)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a line; false if it was too long, `None` at the end of the input.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    if input.by_ref().take(LINE_MOST).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') || (line.len() as u64) < LINE_MOST {
        return Ok(Some(true));
    }
    input.skip_until(b'\n')?;
    Ok(Some(false))
}

fn read(line: &[u8], whole: bool) -> Result<Object, Fault> {
    if !whole {
        return Err(Fault::request(format!("the line is over {LINE_MOST} bytes")));
    }
    match serde_json::from_slice(line) {
        Ok(Value::Object(request)) => Ok(request),
        Ok(_) => Err(Fault::request("the line is no JSON object")),
        Err(e) => Err(Fault::request(format!("the line is no JSON: column {}", e.column()))),
    }
}
