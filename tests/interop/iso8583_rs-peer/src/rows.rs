//! The rows of a dialect, and the spec for iso8583_rs that is made of them.

use std::error::Error;
use std::fmt;

use serde::Deserialize;
use serde_json::{json, Value};

/// The output of `iso8583 dialect-show --json`, as far as it is used here.
#[derive(Deserialize)]
pub struct Rows {
    mti: String,
    pub bitmap: String,
    header: String,
    third_bitmap: Option<ThirdBitmap>,
    elements: Vec<Row>,
}

#[derive(Deserialize)]
struct ThirdBitmap {
    announced_by: u32,
    bitmap: String,
}

#[derive(Deserialize)]
struct Row {
    number: u32,
    format: String,
    content: String,
    length: usize,
    prefix_digits: Option<usize>,
    prefix: Option<String>,
    prefix_counts: Option<String>,
    filler: Option<String>,
}

/// Why iso8583_rs cannot be given a spec of a dialect.
#[derive(Debug)]
pub enum SpecError {
    Header,
    ThirdBitmap,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "no part for a header before the MTI",
            Self::ThirdBitmap => "no part for a third bitmap elsewhere than after the second, or not raw",
        })
    }
}

impl Error for SpecError {}

/// First digits of message types: iso8583_rs needs a selector for each message type.
const MTIS: [&str; 4] = ["0", "1", "2", "8"];

impl Rows {
    fn row(&self, number: u32) -> Option<&Row> {
        self.elements.iter().find(|row| row.number == number)
    }

    /// A value in the form of our lines of JSON.
    pub fn ours(&self, number: u32, theirs: &str) -> String {
        self.row(number).map_or_else(|| theirs.into(), |row| row.ours(theirs))
    }

    /// Why this message cannot be read, if it holds an element that cannot. Its bitmap must be raw.
    pub fn no_part(&self, message: &[u8]) -> Option<String> {
        let start = if self.mti == "bcd" { 2 } else { 4 };
        let announces = |at: usize| message.get(start + at).is_some_and(|first| first & 0x80 != 0);
        let bytes = if !announces(0) {
            8
        } else if !announces(8) {
            16
        } else {
            24
        };
        let is_there = |n: u32| {
            let byte = (n - 1) as usize / 8;
            byte < bytes && message.get(start + byte).is_some_and(|byte| byte & (0x80 >> ((n - 1) % 8)) != 0)
        };
        self.elements.iter().filter(|row| is_there(row.number)).find_map(Row::no_part)
    }

    /// The spec as iso8583_rs reads it: YAML, of which JSON is a part. Elements for which it has no part are left out: a
    /// message without them can still be read.
    ///
    /// # Errors
    /// The dialect has a part that iso8583_rs cannot express.
    pub fn spec(&self) -> Result<String, SpecError> {
        if !self.header.is_empty() {
            return Err(SpecError::Header);
        }
        if self.third_bitmap.as_ref().is_some_and(|third| third.announced_by != 65 || third.bitmap != "bin") {
            return Err(SpecError::ThirdBitmap);
        }
        let (mti, mti_bytes) = match self.mti.as_str() {
            "ascii" => ("ASCII", 4),
            "ebcdic" => ("EBCDIC", 4),
            _ => ("BCD", 2),
        };
        let children: Vec<Value> = self.elements.iter().filter_map(Row::field).collect();
        let selectors: Vec<String> =
            MTIS.iter().flat_map(|v| (0..1000).map(move |rest| format!("{v}{rest:03}"))).collect();
        let mti_field = |name: &str, id: u32| json!({"name": name, "id": id, "type": "Fixed", "len": mti_bytes, "data_encoding": mti});
        let bitmap = json!({
            "name": "bitmap", "id": 2, "type": "Bitmapped", "len": 0, "data_encoding": "BINARY", "children": children
        });
        let spec = json!({
            "name": "dialect", "id": 1, "header_fields": [mti_field("hdr_msg_type", 1)],
            "messages": [{"name": "any", "selector": selectors, "id": 1, "fields": [mti_field("message_type", 1), bitmap]}],
        });
        Ok(spec.to_string())
    }
}

impl Row {
    fn field(&self) -> Option<Value> {
        if self.prefix_digits.unwrap_or(0) > 3 || self.prefix.as_deref() == Some("hexascii") {
            return None;
        }
        let (encoding, bytes) = match (self.content.as_str(), self.format.as_str()) {
            ("ascii", _) => ("ASCII", self.length),
            ("ebcdic", _) => ("EBCDIC", self.length),
            ("raw", _) => ("BINARY", self.length),
            // as text, twice as long
            ("hexascii", _) if self.prefix_counts.as_deref() != Some("bytes") => ("ASCII", self.length * 2),
            ("hexebcdic", _) if self.prefix_counts.as_deref() != Some("bytes") => ("EBCDIC", self.length * 2),
            // sign and packed digits, as bytes
            ("bcd", "x+n") => ("BINARY", 1 + self.length / 2),
            ("bcd", _) if self.prefix.is_none() => ("BCD", self.length.div_ceil(2)),
            // a prefix of iso8583_rs counts bytes; ours counts digits, or bytes that are two characters each
            _ => return None,
        };
        let mut field = json!({
            "name": format!("de{}", self.number), "id": 100 + self.number, "position": self.number,
            "type": "Fixed", "len": bytes, "data_encoding": encoding,
        });
        if let (Some(prefix), Some(digits)) = (&self.prefix, self.prefix_digits) {
            let (encoding, bytes) = match prefix.as_str() {
                "ascii" => ("ASCII", digits),
                "ebcdic" => ("EBCDIC", digits),
                "bcd" => ("BCD", digits.div_ceil(2)),
                _ => ("BINARY", digits.div_ceil(2)),
            };
            field["type"] = "Variable".into();
            field["len"] = bytes.into();
            field["len_encoding"] = encoding.into();
        }
        Some(field)
    }

    /// Why a message with this element cannot be read, if it cannot.
    fn no_part(&self) -> Option<String> {
        let why = match (self.prefix_digits.unwrap_or(0), self.prefix.as_deref()) {
            (4.., _) => "its prefixes have up to three digits",
            (_, Some("hexascii")) => "it has no prefixes in hex digits",
            _ => "its prefixes count bytes, this one what they stand for",
        };
        self.field().is_none().then(|| format!("DE{}: {why}", self.number))
    }

    /// iso8583_rs gives packed and binary content as hex of whole bytes.
    fn ours(&self, theirs: &str) -> String {
        match (self.content.as_str(), self.format.as_str()) {
            ("raw" | "hexascii" | "hexebcdic", _) => theirs.to_uppercase(),
            ("bcd", "x+n") => {
                let sign = u8::from_str_radix(&theirs[..2], 16).map_or('?', char::from);
                format!("{sign}{}", &theirs[2..])
            }
            ("bcd", _) => {
                let filler = theirs.len() - self.length;
                if self.filler.as_deref() == Some("left0") { &theirs[filler..] } else { &theirs[..self.length] }.into()
            }
            _ => theirs.into(),
        }
    }
}
