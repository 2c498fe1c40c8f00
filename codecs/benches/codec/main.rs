//! Nanoseconds and allocations to decode and encode an authorization request of 25 elements, in ASCII, packed,
//! and in ASCII with raw bitmaps, which is what its yardstick can read.
//!
//! Prints one JSON object; `scripts/bench codec` puts it beside its yardstick.

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use codecs::{Builder, Message, de, dialect};
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

#[path = "../tests/sample/mod.rs"]
mod sample;

const MEASURED: Duration = Duration::from_millis(700);
const ROUND: u32 = 200;

/// With `--sample DIALECT` it prints the message's bytes in hex and measures nothing.
fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--sample") {
        let dialect = dialect::shipped(arguments.get(at + 1).map_or("", |name| name)).expect("a shipped dialect");
        let bytes = sample::authorization(&dialect).encode().expect("the sample is well formed");
        return writeln!(std::io::stdout(), "{}", codecs::encoding::to_hex(&bytes));
    }
    let mut figures = serde_json::Map::new();
    let mut allocations = 0;
    for (name, suffix) in [("iso87-ascii", ""), ("iso87-binary", "_bcd"), ("switchyard-host", "_raw")] {
        let dialect = dialect::shipped(name).expect("shipped");
        let bytes = sample::authorization(&dialect).encode().expect("the sample is well formed");
        let values = sample::Values::new();
        let mut builder = Builder::new(&dialect, sample::MTI);
        let mut out = BytesMut::with_capacity(4096);

        let decode = || {
            black_box(Message::decode(&dialect, Bytes::clone(black_box(&bytes))).expect("as encoded"));
        };
        let read = || {
            let message = Message::decode(&dialect, Bytes::clone(black_box(&bytes))).expect("as encoded");
            black_box(read_values(&message).expect("as encoded"));
        };
        let mut encode = || {
            out.clear();
            builder.restart(sample::MTI);
            values.fill(&mut builder);
            builder.encode_into(&mut out).expect("the sample is well formed");
            black_box(&out);
        };
        encode();
        allocations += measure(decode).count_total + measure(&mut encode).count_total;
        figures.insert(format!("allocs_read{suffix}"), measure(read).count_total.into());
        figures.insert(format!("bytes{suffix}"), bytes.len().into());
        figures.insert(format!("decode{suffix}_ns"), nanoseconds(decode).into());
        figures.insert(format!("decode_and_read{suffix}_ns"), nanoseconds(read).into());
        figures.insert(format!("encode{suffix}_ns"), nanoseconds(encode).into());
    }
    figures.insert("allocs".into(), allocations.into());
    writeln!(std::io::stdout(), "{}", serde_json::Value::Object(figures))
}

/// What a switch reads of a request.
fn read_values(message: &Message) -> Result<u64, codecs::DecodeError> {
    let pan = message.require::<de::Pan>()?;
    let track = message.require::<de::Track2>()?;
    let terminal = message.require::<de::TerminalId>()?;
    let merchant = message.require::<de::MerchantId>()?;
    let time = message.require::<de::LocalTime>()?;
    let date = message.require::<de::LocalDate>()?;
    let mode = message.require::<de::PosEntryMode>()?;
    black_box((&pan, &track, &terminal, &merchant, time, date, mode, message.require::<de::Icc>()?));
    Ok(message.require::<de::Amount>()?.0 as u64 + u64::from(message.require::<de::Stan>()?.0))
}

/// The best of many short rounds: what the code costs while nothing else runs, on a machine where other things do.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut best = f64::MAX;
    while begun.elapsed() < MEASURED {
        let start = Instant::now();
        (0..ROUND).for_each(|_| work());
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUND));
    }
    (best * 10.0).round() / 10.0
}
