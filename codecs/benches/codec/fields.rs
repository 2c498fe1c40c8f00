//! The cost of one more element, in messages of 5 to 60 elements.

use super::{nanoseconds, tenths};
use bytes::{Bytes, BytesMut};
use codecs::dialect::Length;
use codecs::encoding::Format;
use codecs::{Builder, Dialect, Message, Mti};
use serde_json::{Map, Value};
use std::hint::black_box;
use std::sync::Arc;

const COUNTS: [usize; 6] = [5, 10, 20, 30, 45, 60];
/// Content length of an element of variable length, if its row allows as much.
const VARIABLE: usize = 12;

/// Figures for each number of elements, and the cost of an element between the smallest and the largest number.
pub fn measure(dialect: &Arc<Dialect>, figures: &mut Map<String, Value>) {
    let mut spans = Vec::new();
    for count in COUNTS {
        let elements = elements(dialect, count);
        let mut builder = Builder::new(dialect, Mti::of(b"0200"));
        let mut out = BytesMut::with_capacity(1 << 16);
        let mut encode = || {
            builder.restart(Mti::of(b"0200"));
            for (element, content) in &elements {
                builder.put_content(*element, content);
            }
            out.clear();
            builder.encode_into(&mut out).expect("content was made to suit");
        };
        let encode_ns = nanoseconds(&mut encode);
        encode();
        let frame = Bytes::copy_from_slice(&out);
        let decode_ns = nanoseconds(|| {
            black_box(&Message::decode(dialect, black_box(&frame).clone()).expect("as encoded"));
        });
        figures.insert(format!("decode_{count}_fields_ns"), decode_ns.into());
        figures.insert(format!("encode_{count}_fields_ns"), encode_ns.into());
        spans.push((count as f64, decode_ns, encode_ns));
    }
    for pair in spans.windows(2) {
        let ((from, decode, encode), (to, next_decode, next_encode)) = (pair[0], pair[1]);
        let each = |cost: f64| tenths(cost / (to - from));
        figures.insert(format!("decode_per_field_{from}_to_{to}_ns"), each(next_decode - decode).into());
        figures.insert(format!("encode_per_field_{from}_to_{to}_ns"), each(next_encode - encode).into());
    }
}

/// That many elements, spread evenly over the first two bitmaps, so that each message has the same mixture.
fn elements(dialect: &Dialect, count: usize) -> Vec<(u8, Vec<u8>)> {
    let all: Vec<_> = dialect.elements().filter(|(_, rule)| rule.format != Format::Binary && rule.max <= 999).collect();
    let chosen = (0..count).map(|i| all[i * all.len() / count]);
    chosen
        .map(|(element, rule)| {
            let length = if rule.length == Length::Fixed { rule.max } else { rule.max.min(VARIABLE) };
            let mut content = vec![b'7'; length];
            if rule.format == Format::SignedNumeric {
                content[0] = b'C';
            }
            (element, content)
        })
        .collect()
}
