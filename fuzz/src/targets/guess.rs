//! Guessing: whatever it is given – a stream, text of hex digits, a capture of the network – it ranks candidates that hold
//! together, and a dialect that it names reads the messages.

use super::golden::goldens;
use super::{Target, no_choice};
use codecs::dialect::{SHIPPED, shipped, shipped_text};
use codecs::encoding::to_hex;
use codecs::frame::Framing;
use codecs::guess::{self, Candidate, input};
use codecs::{Dialect, Message};
use std::sync::{Arc, LazyLock};

pub const TARGET: Target = Target { name: "guess", check, seeds, dictionary, choices: no_choice };

static KNOWN: LazyLock<Vec<Arc<Dialect>>> =
    LazyLock::new(|| SHIPPED.iter().map(|(name, _)| shipped(name).expect("shipped dialects read")).collect());

fn check(input: &[u8]) {
    let (_, streams) = input::streams(input);
    assert!(streams.iter().map(|stream| stream.bytes.len()).sum::<usize>() <= input.len());
    // a capture may hold many; what is done with one does not depend on the others
    for stream in streams.iter().take(4) {
        let guess = guess::guess(&stream.bytes, &KNOWN);
        assert!(guess.bytes <= stream.bytes.len());
        assert!(guess.candidates.is_sorted_by(|a, b| a.score >= b.score), "the likeliest is not the first");
        guess.candidates.iter().for_each(|candidate| holds_together(candidate, &stream.bytes));
        if guess.is_sure() && guess.candidates[0].messages == 1 {
            reads(&guess.candidates[0], &stream.bytes);
        }
    }
}

fn holds_together(candidate: &Candidate, stream: &[u8]) {
    let Candidate { framing, offset, messages, frames, fault, .. } = candidate;
    assert!(Framing::named(framing).is_some(), "{framing} is no framing");
    assert!(*offset < stream.len() && messages <= frames && candidate.score.is_finite());
    assert!(!candidate.reasons.is_empty());
    if let Some(fault) = fault {
        assert!(fault.offset <= stream.len() && fault.message > 0);
    }
}

/// The dialect that is named for a candidate, or else the one that is pieced together, reads its message.
fn reads(candidate: &Candidate, stream: &[u8]) {
    let source = |base: &str| shipped_text(base).map(Into::into);
    let dialect = match candidate.fits.first() {
        Some(name) => shipped(name),
        None => Dialect::from_keys("guessed", &candidate.file, &source).map(Arc::new),
    };
    let dialect = dialect.unwrap_or_else(|fault| panic!("what was guessed is no dialect: {fault}"));
    if !dialect.header.is_empty() {
        return; // it stands before the MTI, where the candidate's place begins
    }
    let read = Message::decode_prefix(&dialect, stream[candidate.offset..].to_vec().into());
    read.unwrap_or_else(|fault| panic!("{}: what was guessed does not read it: {fault}", candidate.framing));
}

/// The golden messages behind two bytes of length, without any, and as text.
fn seeds() -> Vec<Vec<u8>> {
    let forms = |bytes: &[u8]| {
        let framed = [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
        [bytes.to_vec(), to_hex(&framed).into_bytes(), framed]
    };
    let mut seeds: Vec<Vec<u8>> = goldens().iter().flat_map(|golden| forms(&golden.bytes)).collect();
    seeds.extend(CAPTURES.map(<[u8]>::to_vec));
    seeds
}

/// Captures of an empty and of a short packet, in both orders of bytes, and the start of the newer format.
const CAPTURES: [&[u8]; 3] = [
    b"\xD4\xC3\xB2\xA1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0",
    b"\xA1\xB2\xC3\xD4\0\x02\0\x04\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\x65\0\0\0\0\0\0\0\0\0\0\0\x2C\0\0\0\x2C\
      E\0\0,\0\x01\0\0@\x06\0\0\x7F\0\0\x01\x7F\0\0\x01\x1F\x90\x1F\x91\0\0\0\x01\0\0\0\0P\x18\0\0\0\0\0\0\x00\x020800",
    b"\x0A\x0D\x0D\x0A\x1C\0\0\0\x4D\x3C\x2B\x1A\x01\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x1C\0\0\0",
];

fn dictionary() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = ["iso87-ascii", "iso87-binary", "ipm-ebcdic"]
        .iter()
        .flat_map(|name| shipped(name).expect("shipped dialects read").dictionary())
        .filter(|word| word.name.starts_with("mti") || word.name.starts_with("bitmap"))
        .map(|word| word.bytes)
        .collect();
    let marks =
        [&b"\xD4\xC3\xB2\xA1"[..], b"\xA1\xB2\xC3\xD4", b"\x0A\x0D\x0D\x0A", b"ISO", b"\x60\0\x01\0\0", b"0000  "];
    words.extend(marks.map(<[u8]>::to_vec));
    words
}
