//! Values of chip data in words: bits by name, codes, dates (EMV 4.3 Books 3 and 4; EMV Contactless Book C-3 for the
//! terminal transaction qualifiers).

use crate::describe::words;
use crate::value::{Currency, ResponseCode, country_letters};

/// The bits of a value: byte from 1, bit from 8 (the most significant) to 1, and its meaning when set.
type Bits = &'static [(usize, u8, &'static str)];

/// A tag's value in words; empty if there is nothing to add to the digits.
pub fn meaning(tag: u32, value: &[u8]) -> String {
    match (tag, value) {
        (0x82, _) => bits(INTERCHANGE_PROFILE, value),
        (0x95, _) => or(bits(VERIFICATION_RESULTS, value), "nothing wrong"),
        (0x9B, _) => or(bits(STATUS_INFORMATION, value), "nothing performed"),
        (0x9F33, _) => bits(TERMINAL_CAPABILITIES, value),
        (0x9F66, _) => bits(TRANSACTION_QUALIFIERS, value),
        (0x9F27, [information]) => information_data(*information),
        (0x9F34, [method, condition, result]) => verification(*method, *condition, *result),
        (0x9F10, _) => issuer_data(value),
        (0x9F35, [kind]) => terminal_type(*kind).into(),
        (0x9F36, [high, low]) => format!("{}", u16::from_be_bytes([*high, *low])),
        (0x9C, [kind]) => decimal(&[*kind]).map_or(String::new(), |kind| words::transaction_type(kind as u8).into()),
        (0x9A | 0x5F24 | 0x5F25, [year, month, day]) => date(*year, *month, *day),
        (0x9F21, [hour, minute, second]) => format!("{hour:02X}:{minute:02X}:{second:02X}"),
        (0x5F2A, _) => currency(value).into(),
        (0x9F1A | 0x5F28, _) => decimal(value).and_then(|n| country_letters(n as u16)).unwrap_or("").into(),
        (0x8A, [a, b]) => response(ResponseCode([*a, *b])),
        (0x4F | 0x84 | 0x9F06, _) => scheme(value).into(),
        _ => String::new(),
    }
}

fn or(words: String, none: &str) -> String {
    if words.is_empty() { none.into() } else { words }
}

fn bits(names: Bits, value: &[u8]) -> String {
    let set = |(byte, bit, _): &&(usize, u8, &str)| value.get(byte - 1).is_some_and(|b| b >> (bit - 1) & 1 == 1);
    names.iter().filter(set).map(|(.., words)| *words).collect::<Vec<_>>().join("; ")
}

/// The number in packed digits.
fn decimal(value: &[u8]) -> Option<u32> {
    value
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .try_fold(0u32, |n, digit| (digit <= 9).then(|| n.checked_mul(10)?.checked_add(u32::from(digit)))?)
}

fn currency(value: &[u8]) -> &'static str {
    decimal(value).and_then(|number| Currency::from_number(number as u16).letters()).unwrap_or("")
}

fn date(year: u8, month: u8, day: u8) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = decimal(&[month]).and_then(|month| MONTHS.get((month as usize).checked_sub(1)?));
    month.map_or(String::new(), |month| format!("{day:X} {month} 20{year:02X}"))
}

fn response(code: ResponseCode) -> String {
    match code.as_str() {
        // decisions of a terminal or chip without the issuer
        "Y1" => "approved offline".into(),
        "Z1" => "declined offline".into(),
        "Y3" => "could not go online, approved offline".into(),
        "Z3" => "could not go online, declined offline".into(),
        _ => words::response_code(code).unwrap_or("").into(),
    }
}

/// The kind of cryptogram, from the top two bits.
fn cryptogram_kind(information: u8) -> &'static str {
    match information >> 6 {
        0 => "AAC, declined by the card",
        1 => "TC, approved by the card",
        2 => "ARQC, the card asks the issuer",
        _ => "reserved",
    }
}

fn information_data(information: u8) -> String {
    let reason = match information & 7 {
        1 => "; service not allowed",
        2 => "; PIN tries exceeded",
        3 => "; issuer authentication failed",
        _ => "",
    };
    let advice = if information & 8 == 0 { "" } else { "; advice required" };
    format!("{}{advice}{reason}", cryptogram_kind(information))
}

fn verification(method: u8, condition: u8, result: u8) -> String {
    let how = match (method, method & 0x3F) {
        (0x3F, _) => "none performed",
        (_, 0x00) => "fail verification",
        (_, 0x01) => "plaintext PIN to the card",
        (_, 0x02) => "enciphered PIN online",
        (_, 0x03) => "plaintext PIN to the card, and signature",
        (_, 0x04) => "enciphered PIN to the card",
        (_, 0x05) => "enciphered PIN to the card, and signature",
        (_, 0x1E) => "signature",
        (_, 0x1F) => "no verification required",
        _ => "another method",
    };
    let when = match condition {
        0x01 => ", if unattended cash",
        0x02 => ", if neither cash nor cashback",
        0x03 => ", if the terminal supports it",
        0x04 => ", if manual cash",
        0x05 => ", if purchase with cashback",
        0x06 => ", if under the card's amount X",
        0x07 => ", if over the card's amount X",
        0x08 => ", if under the card's amount Y",
        0x09 => ", if over the card's amount Y",
        _ => "",
    };
    let outcome = match result {
        0 => "result not known",
        1 => "failed",
        2 => "successful",
        _ => "reserved result",
    };
    format!("{how}{when}: {outcome}")
}

/// Key and cryptogram version used by the card. Two forms are common: length, key, version (Visa); key, version
/// (M/Chip). The length byte distinguishes them.
fn issuer_data(value: &[u8]) -> String {
    match value {
        [length, key, version, ..] if *length == 6 || usize::from(*length) + 1 == value.len() => {
            format!("key {key}, cryptogram version {version} (0x{version:02X})")
        }
        [key, version, ..] if value.len() >= 18 => format!("key {key}, cryptogram version 0x{version:02X}"),
        _ => String::new(),
    }
}

fn terminal_type(kind: u8) -> &'static str {
    match kind {
        0x11 => "bank, attended, online only",
        0x12 => "bank, attended, offline and online",
        0x13 => "bank, attended, offline only",
        0x14 => "bank, unattended, online only",
        0x15 => "bank, unattended, offline and online",
        0x16 => "bank, unattended, offline only",
        0x21 => "merchant, attended, online only",
        0x22 => "merchant, attended, offline and online",
        0x23 => "merchant, attended, offline only",
        0x24 => "merchant, unattended, online only",
        0x25 => "merchant, unattended, offline and online",
        0x26 => "merchant, unattended, offline only",
        0x34 => "cardholder, online only",
        0x35 => "cardholder, offline and online",
        0x36 => "cardholder, offline only",
        _ => "",
    }
}

/// The payment scheme, from the registered application provider at the start of the identifier (ISO/IEC 7816-5).
fn scheme(identifier: &[u8]) -> &'static str {
    match identifier.get(..5) {
        Some([0xA0, 0, 0, 0, 0x03]) => "Visa",
        Some([0xA0, 0, 0, 0, 0x04]) => "Mastercard",
        Some([0xA0, 0, 0, 0, 0x25]) => "American Express",
        Some([0xA0, 0, 0, 0, 0x65]) => "JCB",
        Some([0xA0, 0, 0, 0x01, 0x52]) => "Discover",
        Some([0xA0, 0, 0, 0x02, 0x77]) => "Interac",
        Some([0xA0, 0, 0, 0x03, 0x33]) => "UnionPay",
        Some([0xA0, 0, 0, 0x05, 0x24]) => "RuPay",
        _ => "",
    }
}

const VERIFICATION_RESULTS: Bits = &[
    (1, 8, "offline data authentication not performed"),
    (1, 7, "SDA failed"),
    (1, 6, "chip data missing"),
    (1, 5, "card on the exception file"),
    (1, 4, "DDA failed"),
    (1, 3, "CDA failed"),
    (1, 2, "SDA selected"),
    (2, 8, "card and terminal have different versions"),
    (2, 7, "application expired"),
    (2, 6, "application not yet effective"),
    (2, 5, "service not allowed for the card"),
    (2, 4, "new card"),
    (3, 8, "cardholder verification failed"),
    (3, 7, "unknown verification method"),
    (3, 6, "PIN tries exceeded"),
    (3, 5, "PIN required, PIN pad absent or broken"),
    (3, 4, "PIN required, not entered"),
    (3, 3, "online PIN entered"),
    (4, 8, "floor limit exceeded"),
    (4, 7, "lower consecutive offline limit exceeded"),
    (4, 6, "upper consecutive offline limit exceeded"),
    (4, 5, "picked at random to go online"),
    (4, 4, "merchant forced it online"),
    (5, 8, "default TDOL used"),
    (5, 7, "issuer authentication failed"),
    (5, 6, "script failed before the final cryptogram"),
    (5, 5, "script failed after the final cryptogram"),
];

const STATUS_INFORMATION: Bits = &[
    (1, 8, "offline data authentication"),
    (1, 7, "cardholder verification"),
    (1, 6, "card risk management"),
    (1, 5, "issuer authentication"),
    (1, 4, "terminal risk management"),
    (1, 3, "script processing"),
];

const INTERCHANGE_PROFILE: Bits = &[
    (1, 7, "SDA"),
    (1, 6, "DDA"),
    (1, 5, "cardholder verification"),
    (1, 4, "terminal risk management"),
    (1, 3, "issuer authentication"),
    (1, 2, "on-device verification"),
    (1, 1, "CDA"),
    (2, 8, "EMV mode, contactless"),
];

const TERMINAL_CAPABILITIES: Bits = &[
    (1, 8, "manual entry"),
    (1, 7, "magnetic stripe"),
    (1, 6, "chip"),
    (2, 8, "plaintext PIN to the card"),
    (2, 7, "enciphered PIN online"),
    (2, 6, "signature"),
    (2, 5, "enciphered PIN to the card"),
    (2, 4, "no verification"),
    (3, 8, "SDA"),
    (3, 7, "DDA"),
    (3, 6, "card capture"),
    (3, 4, "CDA"),
];

const TRANSACTION_QUALIFIERS: Bits = &[
    (1, 8, "magnetic-stripe mode"),
    (1, 6, "EMV mode"),
    (1, 5, "contact chip"),
    (1, 4, "offline-only reader"),
    (1, 3, "online PIN"),
    (1, 2, "signature"),
    (1, 1, "offline authentication for online transactions"),
    (2, 8, "online cryptogram required"),
    (2, 7, "verification required"),
    (2, 6, "offline PIN on the contact chip"),
    (3, 8, "issuer updates"),
    (3, 7, "verification on the consumer's device"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chip_values_are_said_in_words() {
        for (tag, value, words) in [
            (0x95, &[0, 0, 0x04, 0x80, 0][..], "online PIN entered; floor limit exceeded"),
            (0x95, &[0; 5], "nothing wrong"),
            (
                0x9B,
                &[0xE8, 0],
                "offline data authentication; cardholder verification; card risk management; terminal risk management",
            ),
            (0x82, &[0x39, 0x00], "DDA; cardholder verification; terminal risk management; CDA"),
            (0x9F34, &[0x42, 0x03, 0x00], "enciphered PIN online, if the terminal supports it: result not known"),
            (0x9F34, &[0x1E, 0x03, 0x02], "signature, if the terminal supports it: successful"),
            (0x9F27, &[0x80], "ARQC, the card asks the issuer"),
            (0x9F10, &[6, 1, 0x12, 3, 0xA0, 0, 0], "key 1, cryptogram version 18 (0x12)"),
            (0x9F1A, &[0x02, 0x76], "DE"),
            (0x5F2A, &[0x09, 0x78], "EUR"),
            (0x9A, &[0x26, 0x11, 0x20], "20 Nov 2026"),
            (0x9A, &[0x26, 0x1F, 0x20], ""),
            (0x84, &[0xA0, 0, 0, 0, 0x04, 0x10, 0x10], "Mastercard"),
            (0x8A, b"05", "do not honour"),
            (0x95, &[], "nothing wrong"),
        ] {
            assert_eq!(meaning(tag, value), words, "{tag:X}");
        }
    }
}
