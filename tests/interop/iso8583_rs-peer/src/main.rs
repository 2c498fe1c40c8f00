//! Has iso8583_rs read a message of ours, write it again, and says how long that takes it.
//!
//! usage: SPEC_FILE=spec.yaml iso8583_rs-peer < message.hex      prints one JSON object; fails where the bytes differ
//!
//! The message's form is spec.yaml: iso8583_rs knows raw bitmaps only, so it is given `switchyard-host` bytes.

use iso8583_rs::iso8583::iso_spec::{self, IsoMsg, Spec};
use std::hint::black_box;
use std::io::Read;
use std::time::{Duration, Instant};

const MEASURED: Duration = Duration::from_millis(700);
const ROUND: u32 = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut hex = String::new();
    std::io::stdin().read_to_string(&mut hex)?;
    let bytes = (0..hex.trim().len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16))
        .collect::<Result<Vec<u8>, _>>()?;
    let spec = iso_spec::spec("");
    let elements = elements(&bytes);
    let values = values(spec, &bytes, &elements)?;
    if build(spec, &values)? != bytes {
        return Err("iso8583_rs writes other bytes than it was given".into());
    }
    let parse = || {
        let mut copy = bytes.clone();
        black_box(spec.parse(&mut copy).ok());
    };
    let write = || {
        black_box(build(spec, black_box(&values)).ok());
    };
    let allocs = (allocation_counter::measure(parse).count_total, allocation_counter::measure(write).count_total);
    println!(
        "{{\"iso8583_rs_decode_ns\":{:.1},\"iso8583_rs_encode_ns\":{:.1},\"iso8583_rs_decode_allocs\":{},\
         \"iso8583_rs_encode_allocs\":{},\"iso8583_rs_elements\":{}}}",
        nanoseconds(parse),
        nanoseconds(write),
        allocs.0,
        allocs.1,
        elements.len()
    );
    Ok(())
}

/// The bits of the raw bitmap behind the message type.
fn elements(bytes: &[u8]) -> Vec<u32> {
    (1..=64).filter(|n| bytes[4 + (n - 1) / 8] & (0x80 >> ((n - 1) % 8)) != 0).map(|n| n as u32).collect()
}

fn values(spec: &'static Spec, bytes: &[u8], elements: &[u32]) -> Result<Vec<(u32, String)>, String> {
    let message = spec.parse(&mut bytes.to_vec()).map_err(|e| e.msg)?;
    elements.iter().map(|n| Ok((*n, message.bmp_child_value(*n).map_err(|e| e.msg)?))).collect()
}

fn build(spec: &'static Spec, values: &[(u32, String)]) -> Result<Vec<u8>, String> {
    let segment = spec.get_message_from_header("0100").map_err(|e| e.msg)?;
    let mut message: IsoMsg = iso_spec::new_msg(spec, segment);
    message.set("message_type", "0100").map_err(|e| e.msg)?;
    for (position, value) in values {
        message.set_on(*position, value).map_err(|e| e.msg)?;
    }
    message.assemble().map_err(|e| e.msg)
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
    best
}
