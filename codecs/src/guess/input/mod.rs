//! Input of the guesser: hex in some form, a file of bytes, or a network capture.

mod capture;
mod dump;

pub use dump::bytes_of;

/// The bytes of one direction, with a name.
#[derive(Clone, PartialEq, Eq)]
pub struct Stream {
    /// Addresses of a captured connection; empty for a single stream.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({:?}, {} bytes)", self.name, self.bytes.len())
    }
}

/// The form in which an input was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Hex digits, with or without offsets and a column of characters.
    Hex,
    /// A network capture (pcap or pcapng).
    Capture,
    /// Raw bytes.
    Bytes,
}

/// The streams in an input of any form.
pub fn streams(input: &[u8]) -> (Form, Vec<Stream>) {
    if let Some(streams) = capture::streams(input) {
        return (Form::Capture, streams);
    }
    let hex = std::str::from_utf8(input).ok().and_then(bytes_of).filter(|bytes| !bytes.is_empty());
    match hex {
        Some(bytes) => (Form::Hex, vec![Stream { name: String::new(), bytes }]),
        None => (Form::Bytes, vec![as_it_is(input)]),
    }
}

/// The input as raw bytes: a text that is hex may also be a message in ASCII.
pub fn as_it_is(input: &[u8]) -> Stream {
    // an editor adds a line end to the last line
    let text = input.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    let is_text = |bytes: &&[u8]| bytes.iter().all(|b| (b' '..=b'~').contains(b));
    Stream { name: String::new(), bytes: text.filter(is_text).unwrap_or(input).to_vec() }
}
