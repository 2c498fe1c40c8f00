//! From readings to candidates: equal readings are merged, the best come first.

use super::axes::Axes;
use super::cut::{Cut, Header, rank as framing_rank};
use super::nearest::{self, Nearest};
use super::rows::Tables;
use super::state::ElementStep;
use super::{StreamReading, reason};
use crate::dialect::{Dialect, Keys, Length};
use crate::encoding::{Content, Format, Padding, PrefixEncoding};
use crate::error::{DecodeError, ErrorKind};
use std::sync::Arc;

/// Number of candidates returned.
const GIVEN: usize = 8;
/// Least evidence of a candidate, in bits.
const LEAST: f32 = 4.0;
/// Candidates whose scores differ by less are tied.
const TIE: f32 = 0.05;

/// The result of a guess: the candidates for a stream.
#[derive(Clone, Debug)]
pub struct Guess {
    /// Number of bytes examined.
    pub bytes: usize,
    /// The candidates, likeliest first.
    pub candidates: Vec<Candidate>,
}

impl Guess {
    /// Whether the first candidate reads the whole input, and its evidence is better than chance.
    pub fn is_sure(&self) -> bool {
        self.candidates.first().is_some_and(|best| best.fault.is_none() && best.score > 16.0)
    }
}

/// A framing and a dialect, with the evidence for them.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Bits that the reading saves compared with bytes without meaning: twenty more are a million to one.
    pub score: f32,
    /// Another candidate has the same score: the bytes do not distinguish them.
    pub tied: bool,
    /// Name as in [`crate::frame::Framing::named`].
    pub framing: &'static str,
    /// The header before each message, within its frame.
    pub header: Header,
    /// Bytes of the header that belong to neither framing nor dialect: to be skipped before decoding.
    pub skip: usize,
    /// Offset of the first MTI in the stream.
    pub offset: usize,
    /// Number of messages that were read, and of frames.
    pub messages: usize,
    pub frames: usize,
    pub keepalives: usize,
    /// Names of the known dialects that read all of it this way.
    pub fits: Vec<String>,
    /// If none fits: the nearest known dialect, and the differences.
    pub nearest: Option<Nearest>,
    /// The choices that the messages show; `None` for those that they do not.
    pub axes: Axes,
    /// Where the reading ended, if before the end.
    pub fault: Option<Fault>,
    pub reasons: Vec<Reason>,
    /// A dialect made from what the messages show, extending no other. One of `fits` describes more elements.
    pub file: Keys,
}

/// The position at which a reading failed.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Number of the message, from 1.
    pub message: usize,
    /// Element, kind, and offset from the MTI.
    pub error: DecodeError,
    /// Offset from the start of the stream.
    pub offset: usize,
    /// Number of elements read before the fault, and of elements that the bitmap announces.
    pub read: usize,
    pub announced: usize,
}

/// One piece of evidence for or against a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub against: bool,
    pub words: String,
}

/// Message, element, offset, length, and encodings.
type StepSignature = (usize, u8, usize, usize, Content, Option<PrefixEncoding>, Option<Padding>);

/// The properties that two readings must share to be merged.
#[derive(PartialEq)]
struct Signature {
    framing: &'static str,
    header: Header,
    head_encoding: super::HeadEncoding,
    fault: Option<(usize, u8)>,
    steps: Vec<StepSignature>,
}

pub(super) fn rank(readings: Vec<StreamReading>, cuts: &[Cut], known: &[Arc<Dialect>], tables: &Tables) -> Guess {
    let mut groups: Vec<(Signature, StreamReading)> = Vec::new();
    for read in readings {
        let signature = signature(&read);
        match groups.iter_mut().find(|(other, _)| *other == signature) {
            Some((_, best)) => {
                let mut fits = std::mem::take(&mut best.fits);
                fits.extend(read.fits.iter().cloned());
                if read.found.score > best.found.score {
                    *best = read;
                }
                best.fits = fits;
            }
            None => groups.push((signature, read)),
        }
    }
    let mut readings: Vec<StreamReading> = groups.into_iter().map(|(_, read)| read).collect();
    readings.sort_by(|a, b| {
        b.found.score.total_cmp(&a.found.score).then_with(|| framing_rank(a.framing).cmp(&framing_rank(b.framing)))
    });
    readings.retain(|read| read.found.score > LEAST);
    readings.truncate(GIVEN);
    let scores: Vec<f32> = readings.iter().map(|read| read.found.score).collect();
    let near = |i: usize, j: usize| scores.get(i).zip(scores.get(j)).is_some_and(|(a, b)| (a - b).abs() < TIE);
    let candidates = readings.iter().enumerate().map(|(i, read)| {
        let tied = near(i, i + 1) || (i > 0 && near(i, i - 1));
        Candidate { tied, ..candidate(read, &cuts[read.start.cut], known, tables) }
    });
    Guess {
        bytes: cuts.iter().map(|cut| cut.frames[0].bytes.len()).max().unwrap_or(0),
        candidates: candidates.collect(),
    }
}

fn signature(read: &StreamReading) -> Signature {
    let step = |step: &ElementStep| {
        let variable = step.rule.length != Length::Fixed;
        let odd = step.rule.content == Content::Bcd && digits(step) % 2 == 1;
        (
            step.message,
            step.element,
            step.start,
            step.units,
            plain(step.rule.content),
            variable.then_some(step.rule.prefix),
            odd.then_some(step.rule.padding),
        )
    };
    Signature {
        framing: read.framing,
        header: read.start.header,
        head_encoding: read.start.head_encoding,
        fault: read.found.fault.map(|fault| (fault.message, fault.element)),
        steps: read.found.steps.iter().map(step).collect(),
    }
}

pub(super) fn digits(step: &ElementStep) -> usize {
    step.units - usize::from(step.rule.format == Format::SignedNumeric && step.units > 0)
}

/// The encoding without its code page, which a message rarely shows.
pub(super) fn plain(content: Content) -> Content {
    match content {
        Content::Ebcdic(_) => super::axes::EBCDIC,
        Content::HexEbcdic(_) => Content::HexEbcdic(crate::ebcdic::CodePage::Cp500),
        other => other,
    }
}

pub(super) fn same_content(a: Content, b: Content) -> bool {
    plain(a) == plain(b)
}

fn candidate(read: &StreamReading, cut: &Cut, known: &[Arc<Dialect>], tables: &Tables) -> Candidate {
    let StreamReading { start, found, .. } = read;
    let (framing, inside) = named(read.framing, start.header);
    let first = &cut.frames[0];
    let offset = first.start + start.header.len();
    let mut fits: Vec<String> = if found.fault.is_none() { read.fits.clone() } else { Vec::new() };
    // the plain dialects of the standard before those of partners
    fits.sort_by_key(|name| (!name.starts_with("iso"), name.clone()));
    let nearest = if fits.is_empty() { nearest::of(read, known) } else { None };
    let header_known = |name: &String| known.iter().any(|dialect| dialect.name == *name && !dialect.header.is_empty());
    let skip = if inside || fits.first().is_some_and(header_known) { 0 } else { start.header.len() };
    let fault = found.fault.map(|fault| {
        let frame = cut.frames.get(fault.message).unwrap_or(first);
        let body = frame.bytes.get(start.header.len()..).unwrap_or_default();
        let announced = start.head_encoding.read(body).map_or(0, |head| head.elements.len());
        Fault {
            message: fault.message + 1,
            error: DecodeError::new(fault.kind, fault.element, fault.at),
            offset: frame.start + start.header.len() + fault.at,
            read: found.steps.iter().filter(|step| step.message == fault.message).count(),
            announced,
        }
    });
    let header = start.header;
    Candidate {
        score: found.score,
        tied: false,
        framing,
        header,
        skip,
        offset,
        messages: read.messages,
        frames: if read.framing == cut.framing { cut.frames.len() } else { read.messages },
        keepalives: cut.keepalives,
        reasons: reason::reasons(read, cut),
        file: nearest::file(read, tables),
        fits,
        nearest,
        axes: found.axes,
        fault,
    }
}

/// The framing that includes this header; false if there is none.
fn named(framing: &'static str, header: Header) -> (&'static str, bool) {
    match (framing, header) {
        ("bin2", Header::Tpdu) => ("nac", true),
        ("bcd2", Header::Tpdu) => ("ncc", true),
        ("cs", Header::Station) => ("vap", true),
        (framing, header) => (framing, header.is_empty()),
    }
}

impl Fault {
    /// Whether bytes were left after the last element.
    pub fn is_trailing(&self) -> bool {
        self.error.kind == ErrorKind::TrailingData
    }
}
