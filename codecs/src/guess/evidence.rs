//! Evidence for a reading, in bits: what it saves compared with bytes without meaning.
//!
//! A byte without meaning costs eight bits. A decimal digit costs log2(10) in any encoding, so a byte that must be an
//! ASCII digit, and is one, is evidence of almost five bits. Lengths, bitmaps and meaningful values are measured in the
//! same unit, so that all of them can be added up.

use crate::dialect::{Length, Rule};
use crate::encoding::{Content, Format};
use crate::mti::{Class, Function, Mti};

/// Evidence from an element's content for its row.
pub(super) fn content(rule: &Rule, chars: &[u8]) -> f32 {
    let bits = |wire: usize| wire as f32 * 8.0;
    let units = match rule.format {
        Format::Binary => chars.len(),
        _ => chars.len().min(rule.max),
    };
    let wire = bits(rule.wire_len(units));
    match (rule.format, rule.content) {
        (Format::Binary, Content::Raw) => raw(chars),
        (Format::Binary, _) => wire - bits(chars.len()),
        (Format::Numeric, _) => wire - digits(chars),
        (Format::SignedNumeric, _) => wire - 2.0 - digits(chars.get(1..).unwrap_or_default()),
        (Format::Track, _) => wire - chars.iter().map(|c| if c.is_ascii_digit() { 3.4 } else { 6.0 }).sum::<f32>(),
        (Format::Text, _) => wire - text(chars),
    }
}

/// Evidence from a length prefix that is within its row's limit.
pub(super) fn prefix(rule: &Rule) -> f32 {
    match rule.length {
        Length::Fixed => 0.0,
        Length::Prefix(digits) => 8.0 * rule.prefix.wire_len(digits) as f32 - (rule.max.min(1000) as f32 + 1.0).log2(),
    }
}

/// The cost of decimal digits; leading zeros are common.
fn digits(chars: &[u8]) -> f32 {
    let zeros = chars.iter().take_while(|c| **c == b'0').count();
    zeros as f32 * 1.2 + (chars.len() - zeros) as f32 * 3.32
}

/// The cost of bytes of any kind. Filler repeats itself in them too, and many contain text.
fn raw(bytes: &[u8]) -> f32 {
    let repeated = bytes.windows(2).filter(|pair| pair[0] == pair[1]).count() as f32 * 5.0;
    let mixed: f32 = bytes.chunks(1).map(|byte| 7.0 - text(byte).min(8.0)).sum();
    repeated.max(mixed)
}

fn text(chars: &[u8]) -> f32 {
    let mut previous = 0;
    let mut cost = 0.0;
    for char in chars {
        cost += match char {
            // filler repeats itself
            b' ' | b'0' if *char == previous => 1.2,
            b'0'..=b'9' => 4.0,
            b'A'..=b'Z' | b'a'..=b'z' => 5.2,
            b' ' => 4.0,
            0x21..=0x7E => 7.0,
            _ => 16.0,
        };
        previous = *char;
    }
    cost
}

/// Evidence from four digits for being a message type; `None` if they cannot be one.
pub(super) fn message_type(mti: Mti, wire: usize) -> Option<f32> {
    let [version, class, function, origin] = *mti.digits();
    let plausible = version <= b'2' && (b'1'..=b'8').contains(&class) && function <= b'7' && origin <= b'5';
    let usual = version <= b'1' && function <= b'4' && origin <= b'4' && class != b'7';
    plausible.then_some(8.0 * wire as f32 - if usual { 6.5 } else { 12.0 })
}

/// Elements that most messages of a class have, and those that many have. Others are rare: reserved, national, or of
/// other classes.
fn expected(mti: Mti) -> (&'static [u8], &'static [u8]) {
    match mti.class() {
        Class::Network => (&[7, 11, 70], &[1, 3, 12, 13, 24, 32, 33, 39, 41, 48, 53, 93, 94, 96, 100, 128]),
        Class::Reversal => (
            &[2, 3, 4, 7, 11, 12, 37, 41, 42, 49],
            &[1, 13, 14, 18, 22, 24, 25, 26, 30, 32, 35, 38, 39, 43, 48, 54, 55, 56, 60, 61, 62, 63, 90, 95, 127],
        ),
        Class::Reconciliation => {
            (&[1, 7, 11, 74, 75, 76, 77, 86, 87, 88, 89, 97], &[12, 13, 15, 32, 39, 41, 42, 48, 50, 66, 81, 99, 124])
        }
        Class::Administrative | Class::Fee | Class::File => {
            (&[7, 11], &[1, 2, 3, 4, 12, 13, 24, 32, 33, 37, 39, 41, 48, 49, 60, 63, 71, 72, 93, 94, 127])
        }
        Class::Authorization | Class::Financial | Class::Other(_) => (
            &[2, 3, 4, 11, 12, 22, 41, 42, 49],
            &[
                1, 7, 13, 14, 15, 18, 19, 23, 24, 25, 26, 32, 35, 37, 38, 39, 43, 48, 52, 53, 54, 55, 60, 61, 62, 63,
                64, 102, 123, 127, 128,
            ],
        ),
    }
}

/// Evidence from the announced elements for being a bitmap. A rare element costs; but some systems send any element, so
/// the cost is limited to that of a bitmap without information.
pub(super) fn bitmap(mti: Mti, elements: &[u8], maps: usize, wire: usize) -> f32 {
    let (usual, some) = expected(mti);
    let response = matches!(mti.function(), Function::Response | Function::AdviceResponse);
    let cost: f32 = (1..=(maps * 64).min(128) as u8)
        .map(|element| {
            let odds: f32 = match element {
                39 if response => 0.9,
                39 => 0.05,
                _ if usual.contains(&element) => 0.75,
                _ if some.contains(&element) => 0.3,
                _ => 0.025,
            };
            -(if elements.contains(&element) || (element == 1 && maps > 1) { odds } else { 1.0 - odds }).log2()
        })
        .sum();
    let silent = maps as f32 * 64.0 + 5.0;
    8.0 * wire as f32 - cost.min(silent)
}
