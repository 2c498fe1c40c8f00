//! Cutting and decoding a buffer of one mebibyte full of frames. Yardsticks: copying the buffer once, and searching it
//! for a byte that does not occur, the least that any reader of it has to spend.

use super::{best, sample, tenths};
use bytes::BytesMut;
use codecs::frame::{Frame, Framing};
use codecs::{Dialect, Message};
use serde_json::{Map, Value};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::codec::{Decoder, Encoder};

const BYTES: usize = 1 << 20;
const MEASURED: Duration = Duration::from_millis(700);

pub fn measure(dialect: &Arc<Dialect>, ending: &str, figures: &mut Map<String, Value>) {
    let (buffer, messages) = full(dialect);
    let absent = (0..=255).rev().find(|byte| !buffer.contains(byte)).expect("a message does not hold every byte");
    let mut copy = vec![0; BYTES];
    let floor = best(MEASURED, || {
        copy.copy_from_slice(black_box(&buffer));
        black_box(memchr::memchr(absent, black_box(&copy)));
    });
    let cut = cut(&buffer, |_| {});
    let decoded = self::cut(&buffer, |frame| {
        if let Frame::Message(framed) = frame {
            black_box(Message::decode(dialect, framed.body).expect("as encoded"));
        }
    });
    let each = |nanoseconds: f64| tenths(nanoseconds / messages as f64);
    let mut put = |name: &str, figure: f64| figures.insert(format!("buffer{ending}_{name}"), figure.into());
    put("messages", messages as f64);
    put("copy_and_memchr_us", tenths(floor / 1_000.0));
    put("frame_and_decode_us", tenths(decoded / 1_000.0));
    put("times_copy_and_memchr", tenths(decoded / floor));
    put("frame_ns_a_message", each(cut));
    put("decode_ns_a_message", each(decoded - cut));
}

/// A buffer with as many whole frames as fit, and their number.
fn full(dialect: &Arc<Dialect>) -> (Vec<u8>, usize) {
    let body = sample::authorization(dialect).encode().expect("the sample is well formed");
    let framed = codecs::frame::Framed::bare(body);
    let (mut frames, mut messages) = (BytesMut::new(), 0);
    let mut codec = framing();
    loop {
        let whole = frames.len();
        codec.encode(Frame::Message(framed.clone()), &mut frames).expect("a body of this size has a frame");
        if frames.len() > BYTES {
            frames.truncate(whole);
            // the rest of the buffer begins the largest possible frame, which is incomplete
            frames.resize(BYTES, 0xFF);
            return (frames.to_vec(), messages);
        }
        messages += 1;
    }
}

fn framing() -> codecs::frame::FrameCodec {
    Framing::named("bin2").expect("a framing of that name").codec(Message::MAX_BYTES)
}

/// Shortest time in nanoseconds to cut the buffer, passing each frame to `take`.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn cut(buffer: &[u8], mut take: impl FnMut(Frame)) -> f64 {
    let mut least = f64::MAX;
    let begun = std::time::Instant::now();
    while begun.elapsed() < MEASURED {
        // filling the receive buffer is not part of reading it
        let mut arrived = BytesMut::from(buffer);
        let mut codec = framing();
        let start = std::time::Instant::now();
        while let Some(frame) = codec.decode(&mut arrived).expect("as framed") {
            take(frame);
        }
        least = least.min(start.elapsed().as_nanos() as f64);
    }
    least
}
