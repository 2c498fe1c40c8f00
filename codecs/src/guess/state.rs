//! States of the search: how far a reading has come, and its score.

use super::axes::{Axes, EXCEPTION};
use super::evidence;
use super::plausibility::{self, Plausibility};
use super::read::{ElementReading, read};
use crate::dialect::{Length, Rule};
use crate::encoding::{Content, Format};
use crate::error::ErrorKind;

/// Bits against a reading in which the message does not end with its last element. Truncation is likelier than a wrong
/// end, and each unread byte is unexplained.
pub(super) fn misfit(kind: ErrorKind, unread: usize) -> f32 {
    if kind == ErrorKind::Truncated { 14.0 } else { 26.0 + unread as f32 }
}

/// Bits against a reading for each announced element that is missing.
pub(super) const MISSING: f32 = 4.0;
/// Bits for an end that fits: a wrong reading ends anywhere.
pub(super) const FIT: f32 = 9.0;

/// One element of a reading.
#[derive(Clone, Debug)]
pub(super) struct ElementStep {
    /// Index of the message.
    pub message: usize,
    pub element: u8,
    pub start: usize,
    pub units: usize,
    pub rule: Rule,
    pub plausibility: Option<Plausibility>,
}

/// Where a reading failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadFault {
    pub message: usize,
    pub element: u8,
    /// Offset from the first byte of that message's MTI.
    pub at: usize,
    pub kind: ErrorKind,
}

/// One reading of the messages.
#[derive(Clone, Debug)]
pub(super) struct FoundReading {
    pub score: f32,
    pub axes: Axes,
    pub steps: Vec<ElementStep>,
    /// `None` if all messages were read to their last byte.
    pub fault: Option<ReadFault>,
    /// Whether a third bitmap was at the place of element 127.
    pub nested: bool,
}

/// A way to read the elements so far, with the choices made for them.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub at: usize,
    pub axes: Axes,
    pub score: f32,
    /// Index of its last step in the search's store.
    pub tail: Option<u32>,
    pub nested: bool,
}

/// A state after one more element, whose step is not stored yet.
pub(super) struct Child {
    pub state: State,
    pub step: ElementStep,
}

pub(super) fn digits_of(rule: &Rule, reading: &ElementReading) -> usize {
    reading.units - usize::from(rule.format == Format::SignedNumeric && reading.units > 0)
}

/// The state after an element that was read this way.
pub(super) fn child(
    index: usize,
    state: &State,
    element: u8,
    rule: Rule,
    reading: &ElementReading,
    cost: f32,
    odd: bool,
) -> Child {
    let variable = rule.length != Length::Fixed;
    let mut axes = state.axes;
    let plausibility = plausibility::of(axes.version, element, rule.format, &reading.chars);
    // with a cost this high it is an exception, which shows nothing about other elements
    let exception = cost >= EXCEPTION;
    if !exception {
        axes.set_content(rule.format, rule.content);
        if variable {
            axes.len.get_or_insert(rule.prefix);
        }
    }
    // a dialect has one such choice for all its elements
    if variable && rule.content == Content::Bcd {
        axes.len_unit.get_or_insert(rule.unit);
    }
    if odd {
        axes.set_padding(variable, rule.padding);
    }
    let gain =
        evidence::content(&rule, &reading.chars) + evidence::prefix(&rule) + plausibility.map_or(0.0, |(bits, _)| bits);
    let score = state.score + gain - cost;
    let state = State { at: reading.end, axes, score, tail: state.tail, nested: state.nested };
    let step = ElementStep { message: index, element, start: reading.start, units: reading.units, rule, plausibility };
    Child { state, step }
}

/// For each offset, the most evidence that the following bytes can give. States at different offsets are compared by
/// their score plus this.
pub(super) fn best_possible(bytes: &[u8]) -> Vec<f32> {
    let mut rest = vec![0.0; bytes.len() + 1];
    for (at, byte) in bytes.iter().enumerate().rev() {
        let repeated = at > 0 && bytes[at - 1] == *byte;
        let of_byte = match byte {
            b' ' | b'0' | 0x40 | 0xF0 if repeated => 6.8,
            b'0'..=b'9' | 0xF0..=0xF9 => 4.3,
            b'A'..=b'Z' | b'a'..=b'z' | 0xC1..=0xC9 | 0xD1..=0xD9 | 0xE2..=0xE9 => 2.8,
            b' ' | 0x40 => 4.0,
            b'!'..=b'~' => 1.0,
            0 => 5.0,
            byte if byte >> 4 <= 9 && byte & 15 <= 9 => 1.4,
            _ => 0.0,
        };
        rest[at] = rest[at + 1] + of_byte;
    }
    rest
}

/// Evidence from the bytes that are there of a truncated element: only that they are of its class.
pub(super) fn partial(bytes: &[u8], at: usize, rule: &Rule) -> f32 {
    let start = match rule.length {
        Length::Fixed => at,
        Length::Prefix(digits) => at + rule.prefix.wire_len(digits),
    };
    let there = bytes.len().saturating_sub(start);
    let prefix = bytes.get(at..start).and_then(|raw| rule.prefix.read(raw)).unwrap_or(0);
    let whole = if rule.length == Length::Fixed { rule.max } else { prefix };
    let per_byte = rule.content.wire_len(2).max(1);
    let units = there * 2 / per_byte;
    // if there is more than the element needs, it is not truncated
    if units >= whole || whole > rule.max {
        return 0.0;
    }
    let part = Rule { length: Length::Fixed, max: units, ..*rule };
    read(bytes, start, &part).map_or(0.0, |reading| evidence::content(&part, &reading.chars))
}
