//! `iso8583 guess`: finds framing and dialect of bytes that nobody has described.

use super::dialects::Dialects;
use super::source;
use codecs::Dialect;
use codecs::describe::Style;
use codecs::dialect::SHIPPED;
use codecs::guess::input::{self, Form, Stream};
use codecs::guess::{self, Axes, Candidate, Guess};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// Exits with 1 if no candidate reads a stream to its end.
pub fn run(dialects: &mut Dialects, given: &str, as_json: bool, style: Style) -> anyhow::Result<ExitCode> {
    let known = known(dialects);
    let bytes = source::read(given)?;
    let (form, streams) = input::streams(&bytes);
    let mut guessed: Vec<(Stream, Guess)> = streams.into_iter().map(|stream| judged(stream, &known)).collect();
    // digits may also be a message in ASCII, which gets four more bits per digit than hex
    if form == Form::Hex && !guessed.iter().any(|(_, guess)| guess.is_sure()) {
        let text = judged(input::as_it_is(&bytes), &known);
        let score = |guess: &Guess| guess.candidates.first().map_or(0.0, |best| best.score);
        let as_hex = guessed.first().map_or(0.0, |(_, guess)| score(guess));
        if text.1.is_sure() && score(&text.1) - 4.0 * text.0.bytes.len() as f32 > as_hex {
            guessed = vec![text];
        }
    }
    let mut out = io::stdout().lock();
    if guessed.is_empty() {
        anyhow::bail!("there is no TCP payload in this capture");
    }
    if as_json {
        let streams: Vec<Value> = guessed.iter().map(|(stream, guess)| to_json(stream, guess)).collect();
        serde_json::to_writer(&mut out, &json!({ "streams": streams })).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        for (stream, guess) in &guessed {
            super::verdict::write(&mut out, stream, guess, given, style)?;
        }
    }
    Ok(if guessed.iter().all(|(_, guess)| guess.is_sure()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The best candidate, if it reads all of a stream.
pub fn best(dialects: &mut Dialects, stream: &[u8]) -> Option<Candidate> {
    let guess = guess::guess(stream, &known(dialects));
    if guess.is_sure() { guess.candidates.into_iter().next() } else { None }
}

fn judged(stream: Stream, known: &[Arc<Dialect>]) -> (Stream, Guess) {
    let guess = guess::guess(&stream.bytes, known);
    (stream, guess)
}

/// All dialects; one that cannot be read is left out, and `iso8583 dialects` says why.
fn known(dialects: &mut Dialects) -> Vec<Arc<Dialect>> {
    let shipped = SHIPPED.iter().map(|(name, _)| (*name).to_owned());
    let names: BTreeSet<String> = shipped.chain(dialects.in_folder().unwrap_or_default()).collect();
    names.iter().filter_map(|name| dialects.named(name).ok()).collect()
}

fn to_json(stream: &Stream, guess: &Guess) -> Value {
    let candidates: Vec<Value> = guess.candidates.iter().map(candidate).collect();
    json!({ "name": stream.name, "bytes": stream.bytes.len(), "sure": guess.is_sure(), "candidates": candidates })
}

fn candidate(candidate: &Candidate) -> Value {
    let Candidate { score, tied, framing, header, skip, offset, messages, frames, keepalives, .. } = candidate;
    let fault = candidate.fault.map(|fault| {
        json!({
            "kind": fault.error.kind.name(), "element": fault.error.path(), "message": fault.message,
            "offset": fault.offset, "elements_read": fault.read, "elements_announced": fault.announced,
        })
    });
    let nearest = candidate.nearest.as_ref().map(|near| json!({ "name": near.name, "differences": near.differences }));
    let reasons = |against: bool| {
        let words = candidate.reasons.iter().filter(|reason| reason.against == against);
        words.map(|reason| reason.words.clone()).collect::<Vec<_>>()
    };
    let mut file = serde_json::to_value(&candidate.file).unwrap_or(Value::Null);
    without_nulls(&mut file);
    json!({
        "score": (f64::from(*score) * 10.0).round() / 10.0, "tied": tied, "framing": framing, "header": header.name(), "skip": skip,
        "offset": offset, "messages": messages, "frames": frames, "keepalives": keepalives,
        "dialects": candidate.fits, "nearest": nearest, "encodings": encodings(&candidate.axes), "fault": fault,
        "because": reasons(false), "against": reasons(true), "dialect": file,
    })
}

/// The axes by their keys in a dialect file; null if the messages do not show them.
fn encodings(axes: &Axes) -> Value {
    let content = |content: Option<codecs::encoding::Content>| content.map(guess::content_key);
    json!({
        "version": guess::version_key(axes.version), "mti": guess::content_key(axes.mti),
        "bitmap": guess::bitmap_key(axes.bitmap), "n": content(axes.n), "ch": content(axes.ch), "z": content(axes.z),
        "b": content(axes.b), "len": axes.len.map(guess::prefix_key),
    })
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(object) = value {
        object.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|inner| !inner.is_empty()));
        object.values_mut().for_each(without_nulls);
    }
}
