//! Damaged messages, exhaustively for the golden messages: cut short at every byte, and every byte changed to every
//! other value. The result is an error with its position, or another message; never a panic, and never more memory than
//! the frame's size.

#[path = "../../fuzz/src/targets/golden.rs"]
mod golden;

use allocation_counter::measure;
use bytes::Bytes;
use codecs::describe::{Style, explain};
use codecs::encoding::hex_value;
use codecs::{Builder, DecodeError, Dialect, Message, dialect};
use golden::goldens;
use std::sync::Arc;

fn messages() -> impl Iterator<Item = (Arc<Dialect>, Bytes)> {
    goldens().into_iter().filter_map(|golden| Some((dialect::shipped(&golden.dialect).ok()?, golden.bytes.into())))
}

/// Decodes, and asserts that no more is allocated than the frame has bytes.
fn decode(dialect: &Arc<Dialect>, bytes: &Bytes) -> Result<Message, DecodeError> {
    let (owned, mut decoded) = (bytes.clone(), None);
    let heap = measure(|| decoded = Some(Message::decode(dialect, owned)));
    assert!(heap.bytes_max <= bytes.len() as u64, "{}: {} bytes on the heap", dialect.name, heap.bytes_max);
    decoded.expect("it was measured")
}

#[test]
fn every_proper_prefix_is_an_error_within_it() {
    for (dialect, bytes) in messages() {
        for cut in 0..bytes.len() {
            let error = decode(&dialect, &bytes.slice(..cut)).expect_err("a message cut short");
            assert!(error.offset <= cut, "{} cut at {cut}: {error}", dialect.name);
        }
    }
}

#[test]
fn a_byte_after_the_end_is_an_error() {
    for (dialect, bytes) in messages() {
        for byte in 0..=255 {
            let longer = [&bytes[..], &[byte]].concat().into();
            let error = decode(&dialect, &longer).expect_err("a message with a byte too many");
            assert!(error.offset <= bytes.len(), "{}: {error}", dialect.name);
        }
    }
}

/// A message that still decodes encodes to the changed bytes, so its fields differ from those of the golden message.
/// Hex digits are the exception: they are written in upper case, and a lower-case letter is the same message.
#[test]
fn every_other_value_of_every_byte_is_an_error_or_another_message() {
    for (dialect, bytes) in messages() {
        let mut again = Builder::new(&dialect, codecs::Mti::of(b"0000"));
        let mut out = bytes::BytesMut::with_capacity(4096);
        for at in 0..bytes.len() {
            for value in (0..=255).filter(|value| *value != bytes[at]) {
                let mut changed = bytes.to_vec();
                changed[at] = value;
                let changed = Bytes::from(changed);
                match decode(&dialect, &changed) {
                    Err(error) => assert!(error.offset <= changed.len(), "{} byte {at}: {error}", dialect.name),
                    Ok(message) => {
                        again.restart(message.mti());
                        out.clear();
                        again.copy_all(&message).encode_into(&mut out).expect("what was read can be written");
                        if is_other_case(&dialect, value, out[at]) {
                            out[at] = value;
                        }
                        assert!(out == changed, "{} byte {at} as {value:02X}", dialect.name);
                    }
                }
            }
        }
    }
}

fn is_other_case(dialect: &Dialect, a: u8, b: u8) -> bool {
    let digit = |byte| hex_value(byte).or_else(|| hex_value(dialect.ebcdic.decode(byte)));
    digit(a).is_some() && digit(a) == digit(b)
}

/// The readable part of a damaged message can be displayed.
#[test]
fn a_changed_message_can_be_explained() {
    for (dialect, bytes) in messages() {
        for at in 0..bytes.len() {
            for flipped in [0x01, 0x80] {
                let mut changed = bytes.to_vec();
                changed[at] ^= flipped;
                if let Ok((readable, _)) = Message::decode_to_fault(&dialect, changed.into()) {
                    assert!(explain(&readable, Style::Plain).len() > 10);
                }
            }
        }
    }
}
