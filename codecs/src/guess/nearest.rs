//! A reading as a dialect: the file for it, and its differences from known dialects.

use super::StreamReading;
use super::axes::Axes;
use super::candidate::{digits, plain, same_content};
use super::rows::Tables;
use super::state::ElementStep;
use crate::dialect::{BitmapEncoding, Dialect, Keys, Length, Rule, Version};
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};
use crate::error::element_name;
use std::sync::Arc;

/// The known dialect with the fewest differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    pub name: String,
    /// The differences, in words: `bitmap raw`, `DE52 b8 raw`.
    pub differences: Vec<String>,
}

pub(super) fn of(read: &StreamReading, known: &[Arc<Dialect>]) -> Option<Nearest> {
    let compared = known.iter().map(|dialect| {
        let differences = differences(read, dialect);
        // another version or bitmap makes it another family, however well the elements agree
        let weight = differences.len() + if dialect.version == read.found.axes.version { 0 } else { 4 };
        (weight, Nearest { name: dialect.name.clone(), differences })
    });
    compared.min_by_key(|(weight, nearest)| (*weight, !nearest.name.starts_with("iso"))).map(|(_, nearest)| nearest)
}

fn differences(read: &StreamReading, dialect: &Dialect) -> Vec<String> {
    let head_encoding = read.start.head_encoding;
    let mut words = Vec::new();
    if dialect.version != read.found.axes.version {
        words.push(format!("version {}", version_words(read.found.axes.version)));
    }
    if !same_content(dialect.mti, head_encoding.mti) {
        words.push(format!("MTI in {}", content_words(head_encoding.mti)));
    }
    if dialect.bitmap != head_encoding.bitmap {
        words.push(format!("bitmap {}", bitmap_words(head_encoding.bitmap)));
    }
    if read.found.nested && !matches!(dialect.tertiary, Some((crate::dialect::Tertiary::InDe127, _))) {
        words.push("a third bitmap in DE127".into());
    }
    if head_encoding.third.is_some() && dialect.tertiary.is_none() {
        words.push("a third bitmap after the second".into());
    }
    let moved = Moved::between(read, dialect);
    words.extend(moved.words());
    let mut seen = Vec::new();
    for step in &read.found.steps {
        let told = dialect.rule(step.element).is_some_and(|rule| alike(rule, step) || alike(&moved.apply(rule), step));
        if !told && !seen.contains(&step.element) {
            seen.push(step.element);
            words.push(format!("{} {}", element_name(step.element), row_words(&step.rule)));
        }
    }
    words
}

/// Encodings that differ throughout, reported once and not at each element.
struct Moved {
    content: [Option<(Content, Content)>; 4],
    prefix: Option<(PrefixEncoding, PrefixEncoding)>,
}

const FORMATS: [Format; 4] = [Format::Numeric, Format::Text, Format::Binary, Format::Track];

impl Moved {
    fn between(read: &StreamReading, dialect: &Dialect) -> Self {
        let axes = &read.found.axes;
        let content = FORMATS.map(|format| {
            let theirs =
                usual(dialect.elements().filter(|(_, rule)| rule.format == format).map(|(_, rule)| rule.content))?;
            axes.content(format).filter(|ours| !same_content(*ours, theirs)).map(|ours| (theirs, ours))
        });
        let prefixes = dialect.elements().filter(|(_, rule)| rule.length != Length::Fixed).map(|(_, rule)| rule.prefix);
        let prefix = usual(prefixes).zip(axes.len).filter(|(theirs, ours)| theirs != ours);
        Self { content, prefix }
    }

    fn apply(&self, rule: &Rule) -> Rule {
        let format = if rule.format == Format::SignedNumeric { Format::Numeric } else { rule.format };
        let moved = FORMATS.iter().position(|of| *of == format).and_then(|at| self.content[at]);
        let content =
            moved.filter(|(theirs, _)| same_content(*theirs, rule.content)).map_or(rule.content, |(_, ours)| ours);
        let prefix = self.prefix.filter(|(theirs, _)| *theirs == rule.prefix).map_or(rule.prefix, |(_, ours)| ours);
        Rule { content, prefix, ..*rule }
    }

    fn words(&self) -> Vec<String> {
        let what = ["digits", "text", "binary elements", "tracks"];
        let content = self
            .content
            .iter()
            .zip(what)
            .filter_map(|(moved, what)| moved.map(|(_, ours)| format!("{what} {}", with_preposition(ours))));
        let prefix = self.prefix.map(|(_, ours)| format!("lengths in {}", prefix_words(ours)));
        content.chain(prefix).collect()
    }
}

/// The most frequent of the items.
fn usual<T: PartialEq + Copy>(items: impl Iterator<Item = T>) -> Option<T> {
    let all: Vec<T> = items.collect();
    all.iter().copied().max_by_key(|item| all.iter().filter(|other| *other == item).count())
}

/// Whether a row reads an element the same as the step did.
fn alike(rule: &Rule, step: &ElementStep) -> bool {
    let odd = step.rule.content == Content::Bcd && digits(step) % 2 == 1;
    let variable = step.rule.length != Length::Fixed;
    // text admits digits, but digits do not admit text
    let suits = rule.format == step.rule.format || matches!(rule.format, Format::Text | Format::Track);
    same_content(rule.content, step.rule.content)
        && suits
        && (rule.format == Format::Binary) == (step.rule.format == Format::Binary)
        && rule.length == step.rule.length
        && (!variable || rule.prefix == step.rule.prefix)
        && if variable { step.units <= rule.max } else { step.units == rule.max }
        && (!odd || rule.padding == step.rule.padding)
}

/// The keys of a dialect for this reading, which extends no other.
pub(super) fn file(read: &StreamReading, tables: &Tables) -> Keys {
    let (axes, head_encoding) = (&read.found.axes, &read.start.head_encoding);
    let digits_in = axes.n.unwrap_or(head_encoding.mti);
    let text_in = axes.ch.unwrap_or(if digits_in == Content::Bcd { Content::Ascii } else { digits_in });
    let binary_in = axes.b.unwrap_or(match head_encoding.bitmap {
        BitmapEncoding::Raw => Content::Raw,
        BitmapEncoding::HexAscii => Content::HexAscii,
        BitmapEncoding::HexEbcdic => Content::HexEbcdic(crate::ebcdic::CodePage::Cp500),
    });
    let lengths_in = axes.len.unwrap_or(match digits_in {
        Content::Bcd => PrefixEncoding::Bcd,
        Content::Ebcdic(_) => PrefixEncoding::Ebcdic,
        _ => PrefixEncoding::Ascii,
    });
    let full = Axes {
        n: Some(digits_in),
        ch: Some(text_in),
        z: Some(axes.z.unwrap_or(digits_in)),
        b: Some(binary_in),
        len: Some(lengths_in),
        ..*axes
    };
    let third = match (head_encoding.third, read.found.nested) {
        (_, true) => Some(("de127", BitmapEncoding::Raw)),
        (Some(encoding), _) => Some(("after-secondary", encoding)),
        _ => None,
    };
    let mut keys = Keys::new();
    for (key, word) in [
        ("version", Some(version_words(axes.version))),
        ("mti", Some(content_key(head_encoding.mti))),
        ("bitmap", Some(bitmap_key(head_encoding.bitmap))),
        ("n", Some(content_key(digits_in))),
        ("ch", Some(content_key(text_in))),
        ("z", Some(content_key(full.z.unwrap_or(digits_in)))),
        ("b", Some(content_key(binary_in))),
        ("len", Some(prefix_key(lengths_in))),
        ("len_unit", (axes.len_unit == Some(LengthUnit::Bytes)).then_some("bytes")),
        ("pad", axes.pad.map(pad_key)),
        ("pad_var", axes.pad_var.map(pad_key)),
        ("tertiary", third.map(|(place, _)| place)),
        ("bitmap3", third.map(|(_, encoding)| bitmap_key(encoding))),
    ] {
        put(&mut keys, key, word);
    }
    let fields = exceptions(read, &full, tables);
    if !fields.is_empty() {
        keys.insert("fields".into(), fields.into());
    }
    keys
}

fn put(keys: &mut Keys, key: &str, word: Option<&str>) {
    if let Some(word) = word {
        keys.insert(key.into(), word.into());
    }
}

/// The rows that do not follow from the axes.
fn exceptions(read: &StreamReading, full: &Axes, tables: &Tables) -> Keys {
    let mut fields = Keys::new();
    for step in &read.found.steps {
        let standard = tables.row(full.version, step.element).map(|row| full.applied(&row));
        if !standard.is_some_and(|row| alike(&row, step)) {
            let rule = &step.rule;
            let (most, prefix) = match rule.length {
                Length::Fixed => (rule.max, None),
                Length::Prefix(digits) => (rule.max.min(rule.prefix.most(digits)), Some(prefix_key(rule.prefix))),
            };
            let mut exception = Keys::new();
            put(&mut exception, "format", Some(format_key(rule.format)));
            put(&mut exception, "enc", Some(content_key(rule.content)));
            put(&mut exception, "len_type", Some(length_key(rule.length)));
            exception.insert("max_len".into(), (most as i64).into());
            put(&mut exception, "pad", (rule.content == Content::Bcd).then(|| pad_key(rule.padding)));
            put(&mut exception, "len_enc", prefix);
            fields.insert(step.element.to_string(), exception.into());
        }
    }
    fields
}

fn row_words(rule: &Rule) -> String {
    let length = match rule.length {
        Length::Fixed => rule.max.to_string(),
        Length::Prefix(digits) => format!("{}{}", ".".repeat(usize::from(digits)), rule.max),
    };
    let prefix = match rule.length {
        Length::Fixed => String::new(),
        Length::Prefix(_) => format!(", length in {}", prefix_words(rule.prefix)),
    };
    format!("{}{length} {}{prefix}", format_key(rule.format), with_preposition(rule.content))
}

fn with_preposition(content: Content) -> String {
    if content == Content::Raw { "raw".into() } else { format!("in {}", content_words(content)) }
}

pub(super) fn content_words(content: Content) -> &'static str {
    match plain(content) {
        Content::Ascii => "ASCII",
        Content::Ebcdic(_) => "EBCDIC",
        Content::Bcd => "BCD",
        Content::Raw => "raw bytes",
        Content::HexAscii => "hex digits",
        Content::HexEbcdic(_) => "EBCDIC hex digits",
    }
}

fn prefix_words(prefix: PrefixEncoding) -> &'static str {
    match prefix {
        PrefixEncoding::Ascii => "ASCII",
        PrefixEncoding::Ebcdic => "EBCDIC",
        PrefixEncoding::Bcd => "BCD",
        PrefixEncoding::Binary => "binary",
        PrefixEncoding::HexAscii => "hex digits",
    }
}

fn bitmap_words(bitmap: BitmapEncoding) -> &'static str {
    match bitmap {
        BitmapEncoding::Raw => "raw",
        BitmapEncoding::HexAscii => "in hex digits",
        BitmapEncoding::HexEbcdic => "in EBCDIC hex digits",
    }
}

/// The value for the key `version` of a dialect file.
pub fn version_words(version: Version) -> &'static str {
    match version {
        Version::V1987 => "1987",
        Version::V1993 => "1993",
        Version::V2003 => "2003",
    }
}

/// The value for the keys `mti`, `n`, `ch`, `z`, `b` and `enc`.
pub fn content_key(content: Content) -> &'static str {
    match content {
        Content::Ascii => "ascii",
        Content::Ebcdic(_) => "ebcdic",
        Content::Bcd => "bcd",
        Content::Raw => "raw",
        Content::HexAscii => "hexascii",
        Content::HexEbcdic(_) => "hexebcdic",
    }
}

/// The value for the key `bitmap`.
pub fn bitmap_key(bitmap: BitmapEncoding) -> &'static str {
    match bitmap {
        BitmapEncoding::Raw => "bin",
        BitmapEncoding::HexAscii => "hexascii",
        BitmapEncoding::HexEbcdic => "hexebcdic",
    }
}

/// The value for the keys `len` and `len_enc`.
pub fn prefix_key(prefix: PrefixEncoding) -> &'static str {
    match prefix {
        PrefixEncoding::Ascii => "ascii",
        PrefixEncoding::Ebcdic => "ebcdic",
        PrefixEncoding::Bcd => "bcd",
        PrefixEncoding::Binary => "bin",
        PrefixEncoding::HexAscii => "hexascii",
    }
}

fn pad_key(padding: Padding) -> &'static str {
    match padding {
        Padding::LeftZero => "left0",
        Padding::RightZero => "right0",
        Padding::RightF => "rightF",
    }
}

fn format_key(format: Format) -> &'static str {
    match format {
        Format::Numeric => "n",
        Format::SignedNumeric => "x+n",
        Format::Text => "ans",
        Format::Binary => "b",
        Format::Track => "z",
    }
}

fn length_key(length: Length) -> &'static str {
    match length {
        Length::Fixed => "fixed",
        Length::Prefix(1) => "lvar",
        Length::Prefix(2) => "llvar",
        Length::Prefix(3) => "lllvar",
        Length::Prefix(4) => "llllvar",
        Length::Prefix(5) => "lllllvar",
        Length::Prefix(_) => "llllllvar",
    }
}
