//! Decoding: any bytes are a message or an error that says where; nothing is allocated above the size of the frame.

use super::Target;
use super::dialects::{choices, dialect_and_message, dictionary, seeds};
use allocation_counter::measure;
use bytes::Bytes;
use codecs::{DecodeError, Dialect, Message};
use std::sync::Arc;

pub const TARGET: Target = Target { name: "decode", check, seeds, dictionary, choices };

fn check(input: &[u8]) {
    if let Some((dialect, bytes)) = dialect_and_message(input) {
        any_bytes(&dialect, &bytes);
    }
}

fn any_bytes(dialect: &Arc<Dialect>, bytes: &Bytes) {
    // the first clone of a buffer makes it a shared one: that is the caller's business
    let (owned, mut decoded) = (bytes.clone(), None);
    let heap = measure(|| decoded = Some(Message::decode(dialect, owned)));
    assert!(heap.bytes_max <= bytes.len() as u64, "{} bytes on the heap for {}", heap.bytes_max, bytes.len());
    match decoded.expect("it was measured") {
        Ok(message) => {
            fields_lie_within(&message);
            let (_, read) = Message::decode_prefix(dialect, bytes.clone()).expect("a whole message is its own prefix");
            assert_eq!(read, bytes.len());
            let (_, fault) = Message::decode_to_fault(dialect, bytes.clone()).expect("its MTI was read");
            assert_eq!(fault, None);
        }
        Err(fault) => has_a_fault(dialect, bytes, fault),
    }
}

fn has_a_fault(dialect: &Arc<Dialect>, bytes: &Bytes, fault: DecodeError) {
    assert!(fault.offset <= bytes.len(), "{fault} of {} bytes", bytes.len());
    match Message::decode_to_fault(dialect, bytes.clone()) {
        Ok((readable, found)) => {
            assert_eq!(found, Some(fault));
            fields_lie_within(&readable);
        }
        Err(of_mti) => assert_eq!(of_mti, fault),
    }
}

/// Each element has its bytes, one behind the other, and as many characters as it says.
fn fields_lie_within(message: &Message) {
    let mut end = 0;
    for element in message.elements() {
        let field = message.field(element).expect("a present element has a field");
        let offset = message.offset(element).expect("and a place");
        assert!(offset >= end, "DE{element} starts before the one in front of it ends");
        end = offset + field.raw().len();
        assert_eq!(&message.bytes()[offset..end], field.raw(), "DE{element}");
        assert_eq!(field.chars().count(), field.len(), "DE{element}");
        assert_eq!(field.content().len(), field.len(), "DE{element}");
        let mut copied = vec![0; field.len()];
        assert_eq!(field.copy_to(&mut copied), Some(field.len()), "DE{element}");
        assert_eq!(*field.content(), copied, "DE{element} reads two ways");
        if let Some(number) = field.number() {
            let digits: String = field.chars().map(char::from).collect();
            assert_eq!(digits.parse().unwrap_or(0), number, "DE{element}");
        }
    }
}
