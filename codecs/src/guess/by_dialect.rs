//! The reading by a known dialect.

use super::axes::Axes;
use super::message_head::{MessageHead, bitmap};
use super::read::read;
use super::state::{ElementStep, FIT, FoundReading, MISSING, ReadFault, State, child, digits_of, misfit, partial};
use crate::bitmap::Bitmap;
use crate::de;
use crate::dialect::{Dialect, Tertiary};
use crate::encoding::Content;
use crate::error::ErrorKind;

/// Reads the messages by the rows of a dialect only.
pub(super) fn read_by(messages: &[MessageHead<'_>], axes: Axes, dialect: &Dialect) -> FoundReading {
    let mut state = State { at: 0, axes, score: 0.0, tail: None, nested: false };
    let mut steps = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        state.at = message.body;
        let mut elements = message.elements.clone();
        let mut next = 0;
        while let Some(element) = elements.get(next).copied() {
            next += 1;
            let stop = |kind, at| Some(ReadFault { message: index, element, at, kind });
            let missing = MISSING * (elements.len() - next) as f32;
            if let Some((Tertiary::InDe127, encoding)) = dialect.third_bitmap_at(element) {
                let Some(bits) = bitmap(encoding, message.bytes, &mut state.at) else {
                    return failed(
                        state,
                        steps,
                        missing,
                        stop(ErrorKind::Truncated, message.bytes.len()),
                        message.bytes.len(),
                    );
                };
                let mut third = Bitmap::default();
                third.set_map(2, bits);
                elements.extend(third.iter());
                state.nested = true;
                continue;
            }
            let Some(rule) = dialect.rule(element) else {
                let at = state.at;
                return failed(state, steps, missing, stop(ErrorKind::NoRule, at), message.bytes.len());
            };
            let reading = match read(message.bytes, state.at, rule) {
                Ok(reading) => reading,
                Err((kind, at)) => {
                    let missing = missing - partial(message.bytes, state.at, rule);
                    return failed(state, steps, missing, stop(kind, at), message.bytes.len());
                }
            };
            let odd = rule.content == Content::Bcd && digits_of(rule, &reading) % 2 == 1;
            let child = child(index, &state, element, *rule, &reading, 0.0, odd);
            steps.push(child.step);
            state = child.state;
        }
        if state.at != message.bytes.len() {
            let element = elements.last().copied().unwrap_or(de::BITMAP);
            let fault = ReadFault { message: index, element, at: state.at, kind: ErrorKind::TrailingData };
            return failed(state, steps, 0.0, Some(fault), message.bytes.len());
        }
        state.score += FIT;
    }
    FoundReading { score: state.score, axes: state.axes, steps, fault: None, nested: state.nested }
}

fn failed(
    state: State,
    steps: Vec<ElementStep>,
    missing: f32,
    fault: Option<ReadFault>,
    length: usize,
) -> FoundReading {
    let against = fault.map_or(0.0, |fault| misfit(fault.kind, length.saturating_sub(fault.at)));
    FoundReading { score: state.score - against - missing, axes: state.axes, steps, fault, nested: state.nested }
}
