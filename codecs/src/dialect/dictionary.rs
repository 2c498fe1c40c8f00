//! The words of a dialect, as a dictionary for fuzzers: byte sequences that a random mutation would hardly ever
//! produce.

use super::{BitmapEncoding, Dialect, Length, Rule, Version};
use crate::bitmap::Bitmap;
use crate::de::{self, DataElement};
use crate::describe::emv;
use crate::encoding::{Content, Format, hex_digit, to_hex};
use crate::subfields::{AdditionalAmount, additional};
use crate::subfields::{amount_type, write_additional_amount, write_additional_data, write_private_data};
use crate::tlv;
use crate::value::{Currency, Minor};
use std::collections::BTreeMap;
use std::fmt;

/// A byte sequence with a meaning in the dialect, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// `mti-0200`, `bitmap-55`, `tag-9F26` …
    pub name: String,
    pub bytes: Vec<u8>,
}

impl fmt::Display for Word {
    /// One line of a dictionary in the format of libFuzzer and AFL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=\"", self.name)?;
        for byte in &self.bytes {
            write!(f, "\\x{byte:02X}")?;
        }
        f.write_str("\"")
    }
}

/// The message types in common use, without their version digit.
const TYPES: [&str; 19] = [
    "100", "110", "120", "121", "130", "200", "210", "220", "230", "400", "410", "420", "421", "430", "500", "520",
    "644", "800", "810",
];

impl Dialect {
    /// Header and message types, a bitmap for each element, length prefixes at their bounds, separators of tracks, tags
    /// of chip data and sub-elements, each encoded as in the dialect and listed once.
    pub fn dictionary(&self) -> Vec<Word> {
        let mut words = Words::default();
        words.add("header", self.header.clone());
        self.mti_words(&mut words);
        self.bitmap_words(&mut words);
        for (element, rule) in self.elements() {
            length_words(element, rule, &mut words);
            self.content_words(element, rule, &mut words);
        }
        words.0.into_iter().map(|(bytes, name)| Word { name, bytes }).collect()
    }

    fn mti_words(&self, words: &mut Words) {
        let version = match self.version {
            Version::V1987 => '0',
            Version::V1993 => '1',
            Version::V2003 => '2',
        };
        for rest in TYPES {
            let digits = format!("{version}{rest}");
            words.add(&format!("mti-{digits}"), in_content(self.mti, digits.as_bytes()));
        }
    }

    fn bitmap_words(&self, words: &mut Words) {
        for (element, _) in self.elements() {
            let mut present = Bitmap::default();
            present.set(element);
            let map = usize::from((element - 1) / 64);
            // bit 1 of a map announces the next
            (0..map).for_each(|before| present.set(before as u8 * 64 + 1));
            let bytes = (0..=map).flat_map(|index| self.in_bitmap(present.map(index))).collect();
            words.add(&format!("bitmap-{element}"), bytes);
        }
    }

    fn in_bitmap(&self, bits: u64) -> Vec<u8> {
        let bytes = bits.to_be_bytes();
        match self.bitmap {
            BitmapEncoding::Raw => bytes.to_vec(),
            BitmapEncoding::HexAscii => to_hex(&bytes).into_bytes(),
            BitmapEncoding::HexEbcdic => to_hex(&bytes).bytes().map(|digit| self.ebcdic.encode(digit)).collect(),
        }
    }

    fn content_words(&self, element: u8, rule: &Rule, words: &mut Words) {
        if rule.format == Format::Track {
            for separator in [b'=', b'D'] {
                words.add("track-separator", in_content(rule.content, &[separator, b'2']));
            }
        }
        if element == de::Icc::NUMBER && rule.format == Format::Binary {
            for tag in emv::tags() {
                let mut bytes = Vec::new();
                tlv::write(tag, &[], &mut bytes);
                bytes.pop();
                words.add(&format!("tag-{tag:X}"), in_content(rule.content, &bytes));
            }
        }
        for (name, part) in parts(element, self.version) {
            words.add(name, in_content(rule.content, &part));
        }
    }
}

/// Sub-elements of composites in text.
fn parts(element: u8, version: Version) -> Vec<(&'static str, Vec<u8>)> {
    let mut part = Vec::new();
    match element {
        de::AdditionalData::NUMBER if version == Version::V1987 => {
            write_additional_data(additional::CAPABILITIES as u8, b"1", &mut part);
            vec![("additional-data", part)]
        }
        de::AdditionalData::NUMBER => {
            // the file id in the header of a clearing file
            write_private_data(105, &[b'0'; 25], &mut part);
            vec![("private-data", part)]
        }
        de::AdditionalAmounts::NUMBER => {
            let (account_type, amount_type) = (0, amount_type::APPROVED);
            let set = AdditionalAmount { account_type, amount_type, currency: Currency::EUR, amount: Minor(-1) };
            write_additional_amount(&set, &mut part);
            vec![("additional-amount", part)]
        }
        _ => Vec::new(),
    }
}

/// The lengths zero, smallest, largest, one more, and the largest that the prefix can represent.
fn length_words(element: u8, rule: &Rule, words: &mut Words) {
    let Length::Prefix(digits) = rule.length else { return };
    for length in [0, 1, rule.max, rule.max + 1, rule.prefix.most(digits)] {
        let mut bytes = vec![0; rule.prefix.wire_len(digits)];
        if rule.prefix.write(length, &mut bytes) {
            words.add(&format!("length-{element}-{length}"), bytes);
        }
    }
}

/// The content encoding of ASCII characters, or of bytes if it is binary; packed digits start at the left.
fn in_content(content: Content, chars: &[u8]) -> Vec<u8> {
    let hex = |encode: &dyn Fn(u8) -> u8| {
        chars.iter().flat_map(|byte| [encode(hex_digit(byte >> 4)), encode(hex_digit(*byte))]).collect()
    };
    let nibble = |char: &u8| match char {
        b'=' | b'D' => 13,
        digit => digit & 15,
    };
    match content {
        Content::Ascii | Content::Raw => chars.to_vec(),
        Content::Ebcdic(page) => chars.iter().map(|char| page.encode(*char)).collect(),
        Content::Bcd => chars.chunks(2).map(|pair| nibble(&pair[0]) << 4 | pair.get(1).map_or(0, nibble)).collect(),
        Content::HexAscii => hex(&|digit| digit),
        Content::HexEbcdic(page) => hex(&|digit| page.encode(digit)),
    }
}

/// Words by their bytes: a word that several elements share is kept once, under its first name.
#[derive(Default)]
struct Words(BTreeMap<Vec<u8>, String>);

impl Words {
    /// The longest word that a libFuzzer dictionary may contain.
    const MOST: usize = 64;

    fn add(&mut self, name: &str, bytes: Vec<u8>) {
        if (1..=Self::MOST).contains(&bytes.len()) {
            self.0.entry(bytes).or_insert_with(|| name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::dialect::shipped;

    fn words(dialect: &str) -> Vec<String> {
        shipped(dialect).unwrap().dictionary().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_are_written_as_the_dialect_writes() {
        let (ascii, binary) = (words("iso87-ascii"), words("iso87-binary"));
        for (words, line) in [
            (&ascii, r#"mti-0200="\x30\x32\x30\x30""#),
            (&ascii, r#"bitmap-3="\x32\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30\x30""#),
            (&ascii, r#"tag-9F26="\x39\x46\x32\x36""#),
            (&ascii, r#"length-2-19="\x31\x39""#),
            (&ascii, r#"track-separator="\x3D\x32""#),
            (&binary, r#"mti-0200="\x02\x00""#),
            (&binary, r#"bitmap-3="\x20\x00\x00\x00\x00\x00\x00\x00""#),
            (&binary, r#"bitmap-90="\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00""#),
            (&binary, r#"tag-9F26="\x9F\x26""#),
            (&binary, r#"length-2-20="\x20""#),
            (&binary, r#"track-separator="\xD2""#),
        ] {
            assert!(words.iter().any(|word| word == line), "{line} is among {words:#?}");
        }
    }
}
