//! How long iso8583_rs takes, and how often it allocates.

use crate::codec;
use iso8583_rs::iso8583::iso_spec::Spec;
use serde_json::{Map, Value};
use std::hint::black_box;
use std::time::{Duration, Instant};

const MEASURED: Duration = Duration::from_millis(700);
const ROUND: u32 = 50;

/// # Errors
/// iso8583_rs writes other bytes than it has read, so that its figures would mean nothing.
pub fn measure(
    spec: &'static Spec,
    bytes: &[u8],
    ending: &str,
    figures: &mut Map<String, Value>,
) -> Result<(), Box<dyn std::error::Error>> {
    let message = codec::decode(spec, bytes)?;
    if codec::encode(spec, &message)? != bytes {
        return Err("iso8583_rs writes other bytes than it was given".into());
    }
    let parse = || {
        let mut copy = bytes.to_vec();
        black_box(spec.parse(&mut copy).ok());
    };
    let write = || {
        black_box(codec::encode(spec, black_box(&message)).ok());
    };
    let mut put =
        |verb: &str, unit: &str, figure: Value| figures.insert(format!("iso8583_rs_{verb}{ending}_{unit}"), figure);
    put("decode", "allocs", allocation_counter::measure(parse).count_total.into());
    put("encode", "allocs", allocation_counter::measure(write).count_total.into());
    put("decode", "ns", nanoseconds(parse).into());
    put("encode", "ns", nanoseconds(write).into());
    Ok(())
}

/// The best of many short rounds, as the benchmark of codecs/ counts.
fn nanoseconds(work: impl Fn()) -> f64 {
    let begun = Instant::now();
    let mut best = f64::MAX;
    while begun.elapsed() < MEASURED {
        let start = Instant::now();
        (0..ROUND).for_each(|_| work());
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(ROUND));
    }
    (best * 10.0).round() / 10.0
}
