//! The cost of decoding and encoding an authorization request of 25 elements, of an additional element, and of a buffer
//! full of frames. The request is measured in ASCII, packed, and in ASCII with raw bitmaps, which one of the yardsticks
//! can read.
//!
//! Prints one JSON object; `scripts/bench codec` compares it with its yardsticks, and has valgrind count instructions.
//!
//! With `--sample DIALECT` it prints the message's bytes in hex and measures nothing; with `--run VERB DIALECT TIMES`
//! it runs VERB that many times and prints nothing.

mod buffer;
mod fields;
#[path = "../../tests/sample/mod.rs"]
mod sample;
mod work;

use allocation_counter::measure;
use codecs::{Dialect, dialect};
use serde_json::{Map, Value};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use work::Work;

const MEASURED: Duration = Duration::from_millis(700);
const ROUND: u32 = 200;

/// The forms of the message: dialect, and ending of the figures' names.
const FORMS: [(&str, &str); 3] = [("iso87-ascii", ""), ("iso87-binary", "_bcd"), ("switchyard-host", "_raw")];

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--sample", name, ..] => {
            let bytes = sample::authorization(&shipped(name)).encode().expect("the sample is well formed");
            writeln!(std::io::stdout(), "{}", codecs::encoding::to_hex(&bytes))
        }
        ["--run", verb, name, times, ..] => {
            let mut work = Work::new(&shipped(name));
            let (_, run) = Work::VERBS.into_iter().find(|(known, _)| *known == verb).expect("a verb that is measured");
            (0..times.parse().expect("a number of times")).for_each(|_: u32| run(&mut work));
            Ok(())
        }
        _ => writeln!(std::io::stdout(), "{}", Value::Object(figures())),
    }
}

fn shipped(name: &str) -> Arc<Dialect> {
    dialect::shipped(name).unwrap_or_else(|fault| panic!("{fault}"))
}

fn figures() -> Map<String, Value> {
    let mut figures = Map::new();
    let mut allocations = 0;
    for (name, ending) in FORMS {
        let mut work = Work::new(&shipped(name));
        figures.insert(format!("bytes{ending}"), work.bytes().into());
        for (verb, run) in Work::VERBS {
            // once before, so that buffers have reached their final size
            run(&mut work);
            allocations += measure(|| run(&mut work)).count_total;
            figures.insert(format!("{verb}{ending}_ns"), nanoseconds(|| run(&mut work)).into());
        }
    }
    figures.insert("allocs".into(), allocations.into());
    fields::measure(&shipped("iso87-ascii"), &mut figures);
    for (name, ending) in &FORMS[..2] {
        buffer::measure(&shipped(name), ending, &mut figures);
    }
    figures
}

/// The best of many short rounds: the cost without interruption, on a machine that is not idle.
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    tenths(best(MEASURED, || (0..ROUND).for_each(|_| work())) / f64::from(ROUND))
}

/// Shortest time of `work` in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn best(measured: Duration, mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut best = f64::MAX;
    while begun.elapsed() < measured {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_nanos() as f64);
    }
    best
}

fn tenths(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}
