//! Plausible values, which only a correct reading has: existing dates, known currencies, card numbers with a valid
//! check digit.

use crate::describe::{emv, words};
use crate::dialect::Version::{self, V1987, V1993};
use crate::encoding::Format;
use crate::mti::Mti;
use crate::tlv;
use crate::value::{Currency, ResponseCode, country_letters, luhn_digit};

/// Bits of evidence for (or, below zero, against) the reading, and the value's description.
pub(super) type Plausibility = (f32, &'static str);

/// Evidence from the content of an element; `None` if any content is equally likely.
pub(super) fn of(version: Version, element: u8, format: Format, chars: &[u8]) -> Option<Plausibility> {
    if format == Format::Binary {
        return (element == 55).then(|| chip(chars));
    }
    let text = std::str::from_utf8(chars).ok()?;
    match (element, version) {
        (2, _) => Some(card(chars)),
        (3, _) => processing(text),
        (7, _) => either(text.len() == 10 && date(&text[..4]) && clock(&text[4..]), 8.3, "a date and time"),
        (12, V1987) => either(clock(text), 3.5, "a time"),
        (12, V1993) => either(text.len() == 12 && year_date(&text[..6]) && clock(&text[6..]), 11.0, "a date and time"),
        (13 | 15 | 16 | 17, V1987) => either(date(text), 4.8, "a date"),
        (14, _) => either(text.len() == 4 && within(text, 2..4, 1..=12), 3.0, "an expiry date"),
        (15 | 28 | 29 | 73, V1993) => either(year_date(text), 4.0, "a date"),
        (19..=21, _) => either(country(text), 2.0, "a country"),
        (22, V1987) => entry_mode(text),
        (24, V1993) => either(number(text).is_some_and(|n| words::function_code(n).is_some()), 2.5, "a function code"),
        (25, V1987) => {
            either(number(text).is_some_and(|n| words::condition_code(n).is_some()), 1.0, "a condition code")
        }
        (35, _) => Some(track(chars)),
        (39, V1987) => response(chars),
        (39, V1993) => either(number(text).is_some_and(|n| words::action_code(n).is_some()), 2.5, "an action code"),
        (49..=51, _) => either(currency(text), 2.5, "a known currency"),
        (54, _) => amounts(text),
        (70, V1987) => either(number(text).is_some_and(|n| words::network_code(n).is_some()), 4.0, "a network code"),
        (90, V1987) => either(mti(text), 6.0, "original data"),
        _ => None,
    }
}

fn either(holds: bool, bits: f32, words: &'static str) -> Option<Plausibility> {
    Some((if holds { bits } else { -bits.min(6.0) }, words))
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn within(text: &str, at: std::ops::Range<usize>, allowed: std::ops::RangeInclusive<u32>) -> bool {
    text.get(at).and_then(number).is_some_and(|n| allowed.contains(&n))
}

/// MMDD.
fn date(text: &str) -> bool {
    text.len() == 4 && within(text, 0..2, 1..=12) && within(text, 2..4, 1..=31)
}

/// YYMMDD.
fn year_date(text: &str) -> bool {
    text.len() == 6 && date(&text[2..])
}

/// hhmmss.
fn clock(text: &str) -> bool {
    text.len() == 6 && within(text, 0..2, 0..=23) && within(text, 2..4, 0..=59) && within(text, 4..6, 0..=59)
}

fn country(text: &str) -> bool {
    number(text).is_some_and(|n| country_letters(n as u16).is_some())
}

fn currency(text: &str) -> bool {
    match number(text) {
        Some(number) => Currency::from_number(number as u16).letters().is_some(),
        None => Currency::from_letters(text).is_some(),
    }
}

fn card(chars: &[u8]) -> Plausibility {
    let [payload @ .., check] = chars else { return (-4.0, "a card number") };
    if !(12..=19).contains(&chars.len()) || !chars.iter().all(u8::is_ascii_digit) {
        return (-4.0, "a card number");
    }
    // many test card numbers have a wrong check digit
    if luhn_digit(payload) == *check {
        (5.0, "a card number that passes Luhn")
    } else {
        (0.5, "a card number's length")
    }
}

fn track(chars: &[u8]) -> Plausibility {
    let end = chars.iter().position(|c| !c.is_ascii_digit()).unwrap_or(chars.len());
    let separated = chars.get(end).is_some_and(|c| b"=Dd".contains(c));
    if separated && (12..=19).contains(&end) { (8.0, "a track 2 with its separator") } else { (-3.0, "a track 2") }
}

fn processing(text: &str) -> Option<Plausibility> {
    let account = |at: std::ops::Range<usize>| {
        text.get(at).and_then(number).is_some_and(|n| n % 10 == 0 && n <= 60 || [91, 92].contains(&n))
    };
    let kind = text.get(..2).and_then(number).is_some_and(|n| !(60..90).contains(&n));
    either(text.len() == 6 && kind && account(2..4) && account(4..6), 5.0, "a processing code")
}

fn entry_mode(text: &str) -> Option<Plausibility> {
    const MODES: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 79, 80, 81, 90, 91, 95];
    let known = text.get(..2).and_then(number).is_some_and(|n| MODES.contains(&n));
    either(text.len() == 3 && known, 2.0, "an entry mode")
}

fn response(chars: &[u8]) -> Option<Plausibility> {
    let code = <[u8; 2]>::try_from(chars).ok().map(ResponseCode);
    either(code.and_then(words::response_code).is_some(), 4.0, "a response code")
}

fn amounts(text: &str) -> Option<Plausibility> {
    let sets = crate::subfields::additional_amounts(text.as_bytes());
    either(sets.is_ok_and(|sets| !sets.is_empty()), 6.0, "amounts of twenty characters")
}

fn mti(text: &str) -> bool {
    let digits = text.as_bytes().first_chunk::<4>().and_then(|digits| Mti::from_digits(*digits));
    digits.is_some_and(|mti| super::evidence::message_type(mti, 4).is_some())
}

/// Chip data: a known tag is unlikely to occur by chance.
fn chip(content: &[u8]) -> Plausibility {
    let plain = tags(content);
    // in a dataset: its identifier, and two bytes of length
    let wrapped = match content {
        [_, high, low, rest @ ..] if usize::from(u16::from_be_bytes([*high, *low])) == rest.len() => tags(rest),
        _ => None,
    };
    match plain.max(wrapped) {
        Some(known) if known > 0 => ((known as f32 * 6.0).min(60.0), "chip data of known tags"),
        _ => (-4.0, "chip data of known tags"),
    }
}

/// Number of known tags; `None` if the content cannot be cut into tags.
fn tags(content: &[u8]) -> Option<usize> {
    let tags: Vec<_> = tlv::tags(content).collect::<Result<_, _>>().ok()?;
    Some(tags.iter().filter(|tag| emv::tag_name(tag.tag).is_some()).count())
}
