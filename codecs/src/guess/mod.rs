//! Guesses framing and dialect of a stream of bytes: candidates, ranked, with the reasons in words.
//!
//! No single mark decides. A candidate is a framing, an encoding of type and bitmap, and a row for each element
//! present. Its score is in bits (see [`evidence`]), so that lengths that add up, digits that are digits, dates that
//! exist and an end that fits all count together. Known dialects are tried unchanged. Besides, every axis of a dialect
//! is varied separately, element by element, so that combinations which no file describes are found too.

mod axes;
mod by_dialect;
mod candidate;
mod cut;
mod evidence;
pub mod input;
mod message_head;
mod nearest;
mod plausibility;
mod read;
mod reason;
mod rows;
mod search;
mod state;

pub use axes::Axes;
pub use candidate::{Candidate, Fault, Guess, Reason};
pub use cut::Header;
pub use nearest::{Nearest, bitmap_key, content_key, prefix_key, version_words as version_key};

use crate::Message;
use crate::dialect::{BitmapEncoding, Dialect, Version};
use crate::encoding::Content;
use cut::Cut;
use message_head::{HeadEncoding, MessageHead};
use rows::{Reach, Tables};
use search::{Budget, Search};
use state::FoundReading;
use std::sync::Arc;

/// Numbers of starts that are searched: with a known header before the message, and with an unknown one.
const STARTS: usize = 10;
const STARTS_UNKNOWN: usize = 4;
/// Number of starts that are searched with rows of any length, if no reading reached its end without.
const STARTS_FAR: usize = 2;
/// Number of messages of a stream that are read.
const MESSAGES: usize = 8;
/// Number of attempts at an element, from one start. It limits the time that meaningless bytes can take.
const TRIES: u32 = 60_000;
const TRIES_FAR: u32 = 250_000;

/// A position at which messages may start, and a way to write their types and bitmaps.
#[derive(Clone, Debug)]
struct Start {
    cut: usize,
    header: Header,
    head_encoding: HeadEncoding,
    gain: f32,
}

/// A reading of the stream.
#[derive(Clone, Debug)]
struct StreamReading {
    start: Start,
    /// The framing, if not that of the cut: messages without framing, one after the other.
    framing: &'static str,
    messages: usize,
    found: FoundReading,
    /// Names of the known dialects with the same reading.
    fits: Vec<String>,
}

/// Guesses framing and dialect of the messages in one direction of a connection.
///
/// `stream` should begin with a frame; at most its first 65,535 bytes are examined. `known` are the dialects that the
/// result may name.
pub fn guess(stream: &[u8], known: &[Arc<Dialect>]) -> Guess {
    let stream = &stream[..stream.len().min(Message::MAX_BYTES)];
    let tables = Tables::new();
    let cuts = cut::cuts(stream);
    let starts = starts(&cuts);
    let mut readings = Vec::new();
    for start in &starts {
        let mut budget = Budget(TRIES);
        readings.extend(attempt(&tables, &cuts, start, Reach::Known, &mut budget, known));
    }
    if !readings.iter().any(|read| read.found.fault.is_none()) {
        for start in starts.iter().take(STARTS_FAR) {
            let mut budget = Budget(TRIES_FAR);
            readings.extend(attempt(&tables, &cuts, start, Reach::Any, &mut budget, &[]));
        }
    }
    candidate::rank(readings, &cuts, known, &tables)
}

/// The possible starts of messages, likeliest first.
fn starts(cuts: &[Cut]) -> Vec<Start> {
    let mut starts = Vec::new();
    for (index, cut) in cuts.iter().enumerate() {
        let Some(first) = cut.frames.first() else { continue };
        for (header, gain) in cut::headers(&first.bytes) {
            for head_encoding in head_encodings(&first.bytes[header.len()..]) {
                let Some(head) = head_encoding.read(&first.bytes[header.len()..]) else { continue };
                let gain = cut.gain + gain + head.gain - head_encoding.penalty();
                starts.push(Start { cut: index, header, head_encoding, gain });
            }
        }
    }
    starts.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    // repeating bytes look like the start of a message at every position
    let (unknown, known): (Vec<Start>, _) = starts.into_iter().partition(|s| matches!(s.header, Header::Unknown(_)));
    let mut kept: Vec<Start> = known.into_iter().take(STARTS).chain(unknown.into_iter().take(STARTS_UNKNOWN)).collect();
    kept.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    kept
}

/// The possible encodings of type and bitmaps.
fn head_encodings(bytes: &[u8]) -> impl Iterator<Item = HeadEncoding> + '_ {
    let types = [Content::Ascii, Content::Bcd, axes::EBCDIC];
    let maps = [BitmapEncoding::Raw, BitmapEncoding::HexAscii, BitmapEncoding::HexEbcdic];
    types.into_iter().flat_map(move |mti| maps.map(|bitmap| (mti, bitmap))).flat_map(move |(mti, bitmap)| {
        let plain = HeadEncoding { mti, bitmap, third: None };
        let reserved = plain.read(bytes).is_some_and(|head| head.elements.contains(&crate::de::BITMAP_TERTIARY));
        let thirds = [BitmapEncoding::Raw, bitmap].map(Some);
        let more = if !reserved {
            0
        } else if bitmap == BitmapEncoding::Raw {
            1
        } else {
            2
        };
        std::iter::once(plain).chain(thirds.into_iter().take(more).map(move |third| HeadEncoding { third, ..plain }))
    })
}

/// The readings from one start.
fn attempt(
    tables: &Tables,
    cuts: &[Cut],
    start: &Start,
    reach: Reach,
    budget: &mut Budget,
    known: &[Arc<Dialect>],
) -> Vec<StreamReading> {
    let cut = &cuts[start.cut];
    let frames = cut.frames.len().min(MESSAGES);
    let messages: Vec<MessageHead<'_>> = (cut.frames.iter().take(frames))
        .map_while(|frame| start.head_encoding.read(frame.bytes.get(start.header.len()..)?))
        .collect();
    let Some(first) = messages.first() else { return Vec::new() };
    // the first message is counted in the start; frames without a message count against the cut
    let gain = start.gain + messages[1..].iter().map(|m| m.gain).sum::<f32>() - 15.0 * (frames - messages.len()) as f32;
    let version = first.mti.version().unwrap_or(Version::V1987);
    let axes = Axes::of(version, start.head_encoding.mti, start.head_encoding.bitmap);
    let read = |mut found: FoundReading, framing, messages, fits| {
        found.score += gain;
        StreamReading { start: start.clone(), framing, messages, found, fits }
    };
    let mut readings = Vec::new();
    for nested in [false, true] {
        if nested && !messages.iter().any(|message| message.elements.contains(&crate::de::NESTED)) {
            continue;
        }
        let mut search = Search::new(tables, reach, nested, budget);
        if cut.framing == crate::frame::Framing::NONE {
            search = search.unframed(start.head_encoding);
        }
        let found = search.run(&messages, axes);
        if cut.framing == crate::frame::Framing::NONE && start.header.is_empty() {
            let more = follow(tables, start, nested, axes, &found, &messages, budget);
            readings.extend(more.map(|(found, count)| read(found, "pad", count, Vec::new())));
        }
        readings.extend(found.into_iter().map(|found| read(found, cut.framing, messages.len(), Vec::new())));
    }
    for dialect in known {
        if dialect.version == version && suits(dialect, start, &cut.frames[0].bytes) {
            let mut found = by_dialect::read_by(&messages, axes, dialect);
            found.score -= 3.0;
            readings.push(read(found, cut.framing, messages.len(), vec![dialect.name.clone()]));
        }
    }
    readings
}

/// Whether a dialect encodes type, bitmaps and header as in the start.
fn suits(dialect: &Dialect, start: &Start, content: &[u8]) -> bool {
    let length = dialect.header.len();
    let found = content.get(..length).is_some_and(|found| dialect.is_header(found));
    let header = length == 0 || (length == start.header.len() && found);
    let third = match (dialect.tertiary, start.head_encoding.third) {
        (Some((crate::dialect::Tertiary::AfterSecondary | crate::dialect::Tertiary::Chained, theirs)), Some(ours)) => {
            theirs == ours
        }
        (_, None) => true,
        _ => false,
    };
    header
        && third
        && candidate::same_content(dialect.mti, start.head_encoding.mti)
        && dialect.bitmap == start.head_encoding.bitmap
}

/// Messages without framing: if a message ends before the stream does, another may begin there.
fn follow(
    tables: &Tables,
    start: &Start,
    nested: bool,
    axes: Axes,
    found: &[FoundReading],
    messages: &[MessageHead<'_>],
    budget: &mut Budget,
) -> Option<(FoundReading, usize)> {
    let mut fault = found.iter().find_map(|found| found.fault)?;
    let mut parts = messages.to_vec();
    let mut gain = 0.0;
    while fault.kind == crate::ErrorKind::TrailingData && fault.message + 1 == parts.len() && parts.len() < MESSAGES {
        let last = parts.last_mut()?;
        let (message, rest) = last.bytes.split_at_checked(fault.at)?;
        last.bytes = message;
        let next = start.head_encoding.read(rest)?;
        gain += next.gain;
        parts.push(next);
        let mut found = Search::new(tables, Reach::Known, nested, budget)
            .unframed(start.head_encoding)
            .run(&parts, axes)
            .into_iter();
        let mut best = found.next()?;
        match best.fault {
            Some(again) => fault = again,
            None => {
                best.score += gain;
                return Some((best, parts.len()));
            }
        }
    }
    None
}
