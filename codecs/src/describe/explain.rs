//! A message as a table: offset, bytes, element, name, value, meaning.

use super::table::{Row, Table};
use super::{Message, Style, element_name, excerpt, meaning, parts, words};
use crate::de::{self, Exposure};
use crate::dialect::{BitmapEncoding, Length};
use crate::encoding::{Format, to_hex};
use crate::error::DecodeError;
use crate::field::Field;
use crate::value::mask_card_numbers;
use std::fmt::Write;

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedElement {
    /// Offset of the content from the first byte of the message.
    pub offset: Option<usize>,
    /// The first bytes on the wire in hex, as far as they may be shown.
    pub bytes: String,
    /// `DE4`, or the label of a sub-element.
    pub label: String,
    pub name: String,
    /// The content, as far as it may be shown.
    pub value: String,
    pub meaning: String,
    /// 0 for an element, 1 for a part of the element above, 2 for a part of such a part.
    pub depth: usize,
}

/// The elements of a message with their sub-elements, in the order of the wire.
pub fn explained_elements(message: &Message) -> Vec<ExplainedElement> {
    let mut explained_elements = Vec::new();
    for element in message.elements() {
        let Some(field) = message.field(element) else { continue };
        let note = message.dialect().note(element);
        explained_elements.push(ExplainedElement {
            offset: message.offset(element),
            bytes: wire(&field),
            label: format!("DE{element}"),
            name: element_name(message.dialect().version, element).into(),
            value: de::shown(&field),
            meaning: meaning(message, element).or_else(|| note.map(Into::into)).unwrap_or_default(),
            depth: 0,
        });
        explained_elements.extend(parts(message, element).into_iter().map(|part| ExplainedElement {
            offset: part.offset,
            bytes: String::new(),
            label: part.label,
            name: part.name,
            value: part.value,
            meaning: part.meaning,
            depth: part.depth + 1,
        }));
    }
    explained_elements
}

/// Bytes shown beside an element; the rest is in its value.
const BESIDE: usize = 4;

/// The first bytes on the wire; dots for bytes that must be hidden.
fn wire(field: &Field<'_>) -> String {
    let raw = field.raw();
    let more = if raw.len() > BESIDE { "…" } else { "" };
    let first = &raw[..raw.len().min(BESIDE)];
    if is_secret(field) {
        return format!("{}{more}", "··".repeat(first.len()));
    }
    format!("{}{more}", to_hex(first))
}

/// Whether the bytes of an element would reveal what its value hides.
fn is_secret(field: &Field<'_>) -> bool {
    let mut text: Vec<u8> = field.chars().collect();
    let masked = field.rule().format == Format::Text && field.rule().length != Length::Fixed;
    let holds_card = masked && {
        let plain = text.clone();
        mask_card_numbers(&mut text);
        plain != text
    };
    field.rule().exposure != Exposure::Clear || holds_card
}

/// The whole message as text: its type in words, then the table.
pub fn explain(message: &Message, style: Style) -> String {
    render(message, None, style)
}

/// As [`explain`], for a message that was read up to a fault: the bytes around the fault follow, with a mark under the
/// byte at fault.
pub fn render(message: &Message, fault: Option<&DecodeError>, style: Style) -> String {
    let mut text = String::new();
    let mti = message.mti();
    let title = style.heading(&format!("{mti}  {}", words::mti(mti)));
    let size = format!("{} bytes, {}", message.bytes().len(), message.dialect().name);
    let _ = writeln!(text, "{title}  {}", style.aside(&size));
    let mut table = Table::new(style);
    beginning(message, &mut table);
    for explained in explained_elements(message) {
        table.push(Row {
            offset: explained.offset,
            bytes: explained.bytes,
            label: format!("{}{}", "  ".repeat(explained.depth), explained.label),
            name: explained.name,
            value: explained.value,
            meaning: explained.meaning,
            is_part: explained.depth > 0,
        });
    }
    text.push_str(&table.text());
    if let Some(fault) = fault {
        text.push_str(&excerpt::around(message, fault, style));
    }
    text
}

/// Header, type and bitmap, which are no elements but part of the message.
fn beginning(message: &Message, table: &mut Table) {
    let (dialect, bytes) = (message.dialect(), message.bytes());
    let beside = |from: usize, to: usize| {
        let more = if to - from > BESIDE { "…" } else { "" };
        bytes.get(from..to.min(from + BESIDE)).map_or(String::new(), |raw| format!("{}{more}", to_hex(raw)))
    };
    let row = |offset, bytes, label: &str, name: &str, value| Row {
        offset: Some(offset),
        bytes,
        label: label.into(),
        name: name.into(),
        value,
        meaning: String::new(),
        is_part: false,
    };
    let header = dialect.header.len();
    if header > 0 {
        table.push(row(0, beside(0, header), "header", "", String::new()));
    }
    let bitmap = header + dialect.mti.wire_len(4);
    table.push(row(header, beside(header, bitmap), "MTI", "message type", message.mti().as_str().into()));
    let width = if dialect.bitmap == BitmapEncoding::Raw { 8 } else { 16 };
    let numbers = message.elements().map(|element| element.to_string()).collect::<Vec<_>>().join(" ");
    if bytes.len() >= bitmap + width {
        table.push(row(bitmap, beside(bitmap, bitmap + width), "bitmap", "elements that are present", numbers));
    }
}
