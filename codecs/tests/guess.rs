//! The guesser finds framing and dialect of the golden messages from their bytes alone, and survives any input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![expect(clippy::print_stderr, reason = "for the person who runs it")]
use bytes::{Bytes, BytesMut};
use codecs::encoding::{Format, from_hex};
use codecs::frame::{Frame, Framed, Framing};
use codecs::guess::{self, Candidate, Guess, input};
use codecs::{Dialect, Message, dialect};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio_util::codec::Encoder;

#[derive(Deserialize)]
struct Golden {
    name: String,
    hex: String,
}

/// Every golden message of every shipped dialect that has any.
#[expect(clippy::disallowed_methods, reason = "golden messages are files")]
fn goldens() -> Vec<(Arc<Dialect>, String, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut all = Vec::new();
    for dialect in known() {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{}.json", dialect.name))) else { continue };
        let of_dialect: Vec<Golden> = serde_json::from_str(&text).unwrap();
        for golden in of_dialect {
            all.push((Arc::clone(&dialect), golden.name, from_hex(&golden.hex).unwrap().into()));
        }
    }
    all
}

fn known() -> Vec<Arc<Dialect>> {
    dialect::SHIPPED.iter().map(|(name, _)| dialect::shipped(name).unwrap()).collect()
}

fn header(framing: &Framing, body: usize) -> Bytes {
    match framing.header_bytes() {
        5 => Bytes::from_static(&[0x60, 0x00, 0x12, 0x00, 0x00]),
        22 => {
            let mut header = [0u8; 22];
            (header[0], header[1], header[2]) = (0x16, 0x01, 0x02);
            header[3..5].copy_from_slice(&(22 + body as u16).to_be_bytes());
            header[5..8].copy_from_slice(&[0x12, 0x34, 0x56]);
            header.to_vec().into()
        }
        _ => Bytes::new(),
    }
}

fn framed(name: &str, bodies: &[&Bytes]) -> Option<BytesMut> {
    let framing = Framing::named(name).unwrap();
    let mut stream = BytesMut::new();
    for body in bodies {
        let frame = Frame::Message(Framed { header: header(&framing, body.len()), body: Bytes::clone(body) });
        // a message that is not text may contain the mark
        framing.codec(Message::MAX_BYTES).encode(frame, &mut stream).ok()?;
    }
    Some(stream)
}

/// The candidates with the same score as the first.
fn first(guess: &Guess) -> &[Candidate] {
    let best = guess.candidates.first().map_or(0.0, |best| best.score);
    let tied = guess.candidates.iter().take_while(|other| best - other.score < 0.05).count();
    &guess.candidates[..tied]
}

/// At least `floor` of a hundred must be right. `xml` and `pad` cannot be distinguished from other framings, and are
/// tested apart.
fn rate(hits: usize, misses: &[String], floor: usize) {
    let rate = hits * 100 / (hits + misses.len());
    eprintln!("{hits} of {} named ({rate} %), not:\n{}", hits + misses.len(), misses.join("\n"));
    assert!(rate >= floor, "{rate} % of {}:\n{}", hits + misses.len(), misses.join("\n"));
}

const FRAMINGS: [&str; 18] = [
    "none",
    "ascii4",
    "ascii5",
    "hex4",
    "bin2",
    "bin2-incl",
    "bin2-le",
    "bin3",
    "bin4",
    "bcd2",
    "nac",
    "ncc",
    "cs",
    "gicc",
    "rbp",
    "vap",
    "base24tcp",
    "etx",
];

#[test]
fn golden_messages_are_named_in_every_framing() {
    let (known, goldens) = (known(), goldens());
    let (mut hits, mut misses) = (0, Vec::new());
    for (index, (dialect, name, body)) in goldens.iter().enumerate() {
        // each message in some framings, each framing around some messages
        for framing in FRAMINGS.iter().cycle().skip(index * 4).take(4) {
            let Some(stream) = framed(framing, &[body]) else { continue };
            let guess = guess::guess(&stream, &known);
            let right = |candidate: &Candidate| candidate.framing == *framing && candidate.fits.contains(&dialect.name);
            if first(&guess).iter().any(right) {
                hits += 1;
            } else {
                let best = guess.candidates.first().map(|best| (best.framing, &best.fits, best.fault));
                misses.push(format!("{} {name} in {framing}: {best:?}", dialect.name));
            }
        }
    }
    // some messages lack what is particular to their dialect: tokens, bytes that are no text
    rate(hits, &misses, 93);
}

#[test]
fn several_messages_in_a_stream_are_read_together() {
    let (known, goldens) = (known(), goldens());
    // private elements that one dialect reads as bytes are text in another
    for dialect in known.iter().filter(|dialect| dialect.name != "nac-pos-bytes") {
        let bodies: Vec<&Bytes> =
            goldens.iter().filter(|(of, ..)| of.name == dialect.name).map(|(.., body)| body).collect();
        for framing in ["bin2", "ascii4", "ncc", "rbp"] {
            // two headers in a row are taken for one
            if framing == "ncc" && !dialect.header.is_empty() {
                continue;
            }
            let count = bodies.len().min(5);
            let Some(stream) = framed(framing, &bodies[..count]).filter(|_| count > 0) else { continue };
            let guess = guess::guess(&stream, &known);
            let best = &guess.candidates[0];
            assert_eq!(
                (best.framing, best.messages, best.frames),
                (framing, count, count),
                "{} {framing}",
                dialect.name
            );
            assert!(best.fits.contains(&dialect.name), "{} in {framing}: {:?}", dialect.name, best.nearest);
        }
    }
}

/// Without known dialects the axes must suffice, and the dialect in the candidate must read the message.
#[test]
fn an_unknown_dialect_is_pieced_together() {
    let (mut hits, mut misses) = (0, Vec::new());
    for (dialect, name, body) in goldens() {
        let guess = guess::guess(&body, &[]);
        let found = guess.candidates.first().and_then(|best| {
            let pieced =
                Dialect::from_keys("pieced", &best.file, &|base| dialect::shipped_text(base).map(Into::into)).ok()?;
            Message::decode(&Arc::new(pieced), body.clone()).ok()
        });
        let wanted = Message::decode(&dialect, body).unwrap();
        if found.is_some_and(|found| values(&found) == values(&wanted)) {
            hits += 1;
        } else {
            misses.push(format!(
                "{} {name}: {:?}",
                dialect.name,
                guess.candidates.first().map(|best| best.file.get("fields"))
            ));
        }
    }
    // the axes do not cover partners' headers, lengths in hex digits, and rows after bit 128
    rate(hits, &misses, 84);
}

fn values(message: &Message) -> BTreeMap<u8, Vec<u8>> {
    message.elements().map(|element| (element, message.field(element).unwrap().content().into_owned())).collect()
}

#[test]
fn what_differs_from_the_nearest_dialect_is_said() {
    let dialect = dialect::shipped("iso87-ascii").unwrap();
    let file = r#"extends = "iso87-ascii"
        [fields.52]
        enc = "raw"
        [fields.41]
        max_len = 16"#;
    let other = Dialect::from_toml("other", file, &|base| dialect::shipped_text(base).map(Into::into)).unwrap();
    let mut builder = codecs::Builder::new(&Arc::new(other), codecs::Mti::of(b"0200"));
    for (element, content) in [
        (2u8, &b"4000120000000002"[..]),
        (3, b"000000"),
        (4, b"000000001999"),
        (11, b"000007"),
        (12, b"101530"),
        (13, b"1120"),
        (22, b"051"),
        (41, b"T000000100000042"),
        (42, b"SWYD00000000001"),
        (49, b"978"),
        (52, b"\xA5\x5A\xC3\x3C\x99\x66\xF0\x0F"),
    ] {
        builder.put_content(element, content);
    }
    let guess = guess::guess(&builder.encode().unwrap(), &[dialect]);
    let nearest = guess.candidates[0].nearest.as_ref().unwrap();
    assert_eq!(nearest.name, "iso87-ascii");
    assert!(nearest.differences.iter().any(|words| words.contains("DE41 ans16")), "{:?}", nearest.differences);
    assert!(nearest.differences.iter().any(|words| words.contains("raw")), "{:?}", nearest.differences);
}

#[test]
fn a_broken_message_is_said_to_break_where_it_does() {
    let known = known();
    let (_, _, body) =
        goldens().into_iter().find(|(dialect, name, _)| dialect.name == "iso87-ascii" && !name.is_empty()).unwrap();
    let cut = body.slice(..body.len() - 3);
    let guess = guess::guess(&cut, &known);
    let best = &guess.candidates[0];
    let fault = best.fault.unwrap();
    assert!(!guess.is_sure());
    assert_eq!((fault.message, fault.error.kind), (1, codecs::ErrorKind::Truncated));
    assert!(fault.offset <= cut.len() && fault.read < fault.announced, "{fault:?}");
}

#[test]
fn messages_with_nothing_between_them_are_found() {
    let (known, goldens) = (known(), goldens());
    let bodies: Vec<&Bytes> =
        goldens.iter().filter(|(of, ..)| of.name == "iso87-ascii").map(|(.., body)| body).take(3).collect();
    let guess = guess::guess(&framed("pad", &bodies).unwrap(), &known);
    assert_eq!((guess.candidates[0].framing, guess.candidates[0].messages), ("pad", bodies.len()));
}

#[test]
fn nothing_is_made_of_nothing() {
    let known = known();
    for bytes in [&b""[..], b"\0", b"0200", &[0; 300], &[0xFF; 300], b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let guess = guess::guess(bytes, &known);
        assert!(!guess.is_sure(), "{:?}", guess.candidates);
    }
}

/// Reasons may be shown on screens and in tickets: they name elements and never contain their content.
#[test]
fn reasons_show_no_card() {
    let known = known();
    for (dialect, name, body) in goldens() {
        let message = Message::decode(&dialect, body.clone()).unwrap();
        let said: String =
            guess::guess(&body, &known).candidates.iter().flat_map(|c| c.reasons.clone()).map(|r| r.words).collect();
        for element in [2u8, 35, 45, 52, 55] {
            let Some(field) = message.field(element) else { continue };
            let content: String = match field.rule().format {
                Format::Binary => codecs::encoding::to_hex(&field.content()),
                _ => field.chars().map(char::from).collect(),
            };
            assert!(content.len() < 8 || !said.contains(&content), "{name}: DE{element} in {said}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = guess::guess(&bytes, &[]);
        let _ = input::streams(&bytes);
    }

    #[test]
    fn no_changed_message_brings_it_down(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let goldens = goldens();
        let mut bytes = which.get(&goldens).2.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = guess::guess(&bytes, &[]);
    }

    #[test]
    fn no_text_brings_the_reading_of_dumps_down(text in "[0-9a-fA-Fx:|. \n*]{0,200}") {
        let _ = input::streams(text.as_bytes());
    }
}
