//! The protocol between a program and `hsmd`, over a Unix stream socket.
//!
//! On connecting each side sends a greeting: `SWYH`, one version byte (1), and from the daemon one byte more, the role of
//! the socket. After that, frames; numbers are big-endian:
//!
//! ```text
//! request   length u32 | id u64 | verb u8   | budget_us u32 | body
//! answer    length u32 | id u64 | status u8 | body
//! ```
//!
//! `length` counts what follows it, at most [`LONGEST_FRAME`]. Requests are pipelined; answers come in any order and name
//! their request by `id`, which the client never reuses on a connection. `budget_us` is how long the client will still
//! wait, so that the two need no common clock; a request that has waited longer is answered `Unavailable`. `status` 0 is
//! an answer to the verb, others are [`HsmError`]s. Bodies are the fields of the verb in order: fixed-size values as they
//! are, variable ones behind a `u32` length, options behind a byte 0 or 1, choices behind their number.
//!
//! An answer with the id 2^64 - 1 answers no request. It is a notice: the daemon takes no requests for now (status 0xF0: it
//! is about to reopen its module, or cannot open it) or takes them again (0xF1). A client that has no other daemon may
//! ignore it.
//!
//! There is no authentication beyond the socket's file permissions and its peer's uid, and no encryption: it must not be
//! carried over a network.

mod body;
mod verbs;

use zeroize::Zeroize;

use crate::error::HsmError;
use crate::secret::hidden;
use crate::verb::{Answer, Verb, VerbKind};
pub use body::Malformed;
use body::{Reader, Wire};

/// First bytes on a connection, from both sides.
pub const GREETING: [u8; 5] = *b"SWYH\x01";

/// Bytes after a frame's length prefix at most; a batch of 16 envelopes has under 2 KiB, a MAC'd message under 10 KiB.
pub const LONGEST_FRAME: usize = 256 * 1024;

const LENGTH: usize = 4;

/// The id of a notice; a client that counts up from zero never reaches it.
const NOTICE: u64 = u64::MAX;
const PAUSING: u8 = 0xF0;
const ACCEPTING: u8 = 0xF1;

/// A request as it came off the wire.
#[derive(Debug)]
pub struct Request {
    /// The answer repeats it.
    pub id: u64,
    /// How long its client still waits, in microseconds.
    pub budget_us: u32,
    /// An unreadable body is answered `BadInput`; the frame's end is known, so the connection goes on.
    pub verb: Result<Verb, Malformed>,
}

/// An answer as it came off the wire. Its body is still bytes, because its format depends on the request's verb.
#[derive(Debug)]
pub struct Response<'a> {
    /// The request that it answers.
    pub id: u64,
    /// 0 for an answer to the verb; an error's number otherwise.
    pub status: u8,
    /// Input of [`take_answer`].
    pub body: &'a [u8],
}

impl Response<'_> {
    /// Whether the daemon takes requests, if this is a notice and no answer.
    pub fn notice(&self) -> Option<bool> {
        (self.id == NOTICE).then_some(self.status == ACCEPTING)
    }
}

/// Appends a notice whether the daemon takes requests.
pub fn put_notice(out: &mut Vec<u8>, accepting: bool) {
    framed(out, |out| {
        NOTICE.put(out);
        (if accepting { ACCEPTING } else { PAUSING }).put(out);
    });
}

/// Appends one framed request.
pub fn put_request(out: &mut Vec<u8>, id: u64, budget_us: u32, verb: &Verb) {
    framed(out, |out| {
        id.put(out);
        (verb.kind() as u8).put(out);
        budget_us.put(out);
        verbs::put_verb(verb, out);
    });
}

/// Appends one framed answer.
pub fn put_answer(out: &mut Vec<u8>, id: u64, answer: &Result<Answer, HsmError>) {
    framed(out, |out| {
        id.put(out);
        match answer {
            Ok(answer) => {
                0_u8.put(out);
                verbs::put_answer(answer, out);
            }
            Err(error) => verbs::put_error(error, out),
        }
    });
}

fn framed(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    body(out);
    let length = (out.len() - start - LENGTH) as u32;
    out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
}

/// Reads the inside of a request frame. `Err` means that not even the id could be read.
pub fn take_request(frame: &[u8]) -> Result<Request, Malformed> {
    let mut reader = Reader::new(frame);
    let id = u64::take(&mut reader)?;
    let kind = u8::take(&mut reader)?;
    let budget_us = u32::take(&mut reader)?;
    let verb = VerbKind::ALL
        .into_iter()
        .find(|k| *k as u8 == kind)
        .ok_or(Malformed("unknown verb"))
        .and_then(|kind| verbs::take_verb(kind, &mut reader))
        .and_then(|verb| reader.end().map(|()| verb));
    Ok(Request { id, budget_us, verb })
}

/// Reads the head of an answer frame.
pub fn take_response(frame: &[u8]) -> Result<Response<'_>, Malformed> {
    let mut reader = Reader::new(frame);
    Ok(Response { id: u64::take(&mut reader)?, status: u8::take(&mut reader)?, body: reader.rest() })
}

/// Reads the body of an answer to a verb of this kind.
pub fn take_answer(kind: VerbKind, status: u8, body: &[u8]) -> Result<Answer, HsmError> {
    let mut reader = Reader::new(body);
    let unreadable = |_| HsmError::Unavailable("the daemon's answer cannot be read");
    if status != 0 {
        return Err(verbs::take_error(status, &mut reader));
    }
    let answer = verbs::take_answer(kind, &mut reader).map_err(unreadable)?;
    reader.end().map_err(unreadable)?;
    Ok(answer)
}

/// Collects bytes of a stream and cuts them into frames. Consumed bytes are wiped: they hold PIN blocks and data keys.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    consumed: usize,
}
hidden!(FrameBuffer);

impl FrameBuffer {
    /// Where the next bytes of the stream are to be appended.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.consumed > 0 {
            let left = self.bytes.len() - self.consumed;
            self.bytes.copy_within(self.consumed.., 0);
            self.bytes[left..].zeroize();
            self.bytes.truncate(left);
            self.consumed = 0;
        }
        self.bytes.reserve(16 * 1024);
        &mut self.bytes
    }

    /// The next whole frame without its length prefix, if it is there.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Malformed> {
        let waiting = &self.bytes[self.consumed..];
        let Some(prefix) = waiting.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > LONGEST_FRAME {
            return Err(Malformed("frame too long"));
        }
        if waiting.len() < LENGTH + length {
            return Ok(None);
        }
        let start = self.consumed + LENGTH;
        self.consumed = start + length;
        Ok(Some(&self.bytes[start..start + length]))
    }
}

impl Drop for FrameBuffer {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests;
