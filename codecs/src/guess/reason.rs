//! The reasons for a candidate, in words.

use super::candidate::Reason;
use super::cut::Cut;
use super::{StreamReading, nearest};
use crate::dialect::BitmapEncoding;
use crate::error::element_name;

/// Evidence for a reading in the order of the wire, then evidence against it. No content except the MTI is included:
/// reasons may be shown to anyone.
pub(super) fn reasons(read: &StreamReading, cut: &Cut) -> Vec<Reason> {
    let StreamReading { start, found, .. } = read;
    let first = &cut.frames[0];
    let mut reasons = Vec::new();
    let mut say = |against, words: String| reasons.push(Reason { against, words });
    if read.framing == cut.framing {
        cut.words.iter().for_each(|words| say(false, words.clone()));
    } else {
        say(false, format!("{} messages follow each other with nothing between them", read.messages));
    }
    if cut.keepalives > 0 {
        say(false, format!("{} empty frames are keep-alives", cut.keepalives));
    }
    start.header.words(&first.bytes).into_iter().for_each(|words| say(false, words));
    let body = first.bytes.get(start.header.len()..).unwrap_or_default();
    if let Some(head) = start.head_encoding.read(body) {
        say(false, format!("MTI {} in {}", head.mti, nearest::content_words(start.head_encoding.mti)));
        let how = match start.head_encoding.bitmap {
            BitmapEncoding::Raw => "raw bitmap",
            BitmapEncoding::HexAscii => "bitmap in hex digits",
            BitmapEncoding::HexEbcdic => "bitmap in EBCDIC hex digits",
        };
        let third = if start.head_encoding.third.is_some() { ", a third bitmap among them" } else { "" };
        say(false, format!("{how}{third} announces {}", counted(head.elements.len())));
    }
    let nested = if found.nested { "; DE127 is a third bitmap" } else { "" };
    match found.fault {
        None if read.messages > 1 => {
            let elements = found.steps.len();
            say(false, format!("{} of {} messages fit to the last byte{nested}", counted(elements), read.messages));
        }
        None => say(false, format!("{} fit to the last byte{nested}", counted(found.steps.len()))),
        Some(_) => {}
    }
    let plausibility = |wanted: fn(f32) -> bool| {
        let mut all: Vec<_> = found.steps.iter().filter(|step| step.message == 0).collect();
        all.retain(|step| step.plausibility.is_some_and(|(bits, _)| wanted(bits)));
        let words = |step: &&super::state::ElementStep| {
            format!("{} {}", element_name(step.element), step.plausibility.map_or("", |(_, words)| words))
        };
        all.iter().map(words).collect::<Vec<_>>().join(", ")
    };
    let (fits, against) = (plausibility(|bits| bits > 0.9), plausibility(|bits| bits < -0.9));
    if !fits.is_empty() {
        say(false, fits);
    }
    if !against.is_empty() {
        say(true, format!("is not what it should be: {against}"));
    }
    reasons
}

fn counted(elements: usize) -> String {
    if elements == 1 { "1 element".into() } else { format!("{elements} elements") }
}
