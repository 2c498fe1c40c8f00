//! An excerpt of the bytes around a fault, with a mark under the byte at fault.

use super::{Message, Style};
use crate::de::Exposure;
use crate::error::DecodeError;
use std::fmt::Write;

const BEFORE: usize = 16;
/// Number of bytes shown after the fault. Their meaning is unknown: a few explain the fault, more could be a card
/// number.
const AFTER: usize = 4;

/// A line of bytes and characters, and a line with the mark and the fault.
pub(super) fn around(message: &Message, fault: &DecodeError, style: Style) -> String {
    let bytes = message.bytes();
    let at = fault.offset.min(bytes.len());
    let from = at.saturating_sub(BEFORE);
    let seen = if is_secret(message, fault.element) { 1 } else { AFTER };
    let to = (at + seen).min(bytes.len());
    let shown = visible(message, from, to);
    let (mut hex, mut chars) = (String::new(), String::new());
    for (place, byte) in (from..to).zip(&bytes[from..to]) {
        let open = place >= at || shown[place - from];
        let pair = if open { format!("{byte:02X} ") } else { "·· ".into() };
        hex.push_str(&if place == at { style.fault(&pair) } else { pair });
        chars.push(match char::from(*byte) {
            char if open && char.is_ascii_graphic() => char,
            ' ' if open => ' ',
            _ => '·',
        });
    }
    let more = if to < bytes.len() { "…" } else { "" };
    let (from_text, gap) = (format!("{from:>4}"), " ".repeat(3 * (BEFORE + AFTER - (to - from))));
    let mark = " ".repeat(6 + 3 * (at - from));
    let mut text = String::new();
    let _ = writeln!(text, "\n{}  {hex}{more}{gap} {}", style.aside(&from_text), style.aside(&chars));
    let what = if at == bytes.len() { format!("{fault}; the message ends here") } else { fault.to_string() };
    // the fault is written right of its mark if there is room, else below
    if mark.len() + 3 + what.len() <= 100 {
        let _ = writeln!(text, "{mark}{} {}", style.fault("^^"), style.fault(&what));
    } else {
        let _ = writeln!(text, "{mark}{}\n      {}", style.fault("^^"), style.fault(&what));
    }
    text
}

fn is_secret(message: &Message, element: u8) -> bool {
    message.dialect().rule(element).is_some_and(|rule| rule.exposure != Exposure::Clear)
}

/// Which bytes of `from..to` belong to no element that must be hidden.
fn visible(message: &Message, from: usize, to: usize) -> Vec<bool> {
    let mut visible = vec![true; to - from];
    for element in message.elements() {
        let (Some(field), Some(start)) = (message.field(element), message.offset(element)) else { continue };
        if is_secret(message, element) {
            for place in start.max(from)..(start + field.raw().len()).min(to) {
                visible[place - from] = false;
            }
        }
    }
    visible
}
