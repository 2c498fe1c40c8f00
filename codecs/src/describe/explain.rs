//! A message as a table: byte, element, name, value, meaning.

use super::{Message, Style, element_name, meaning, parts, words};
use crate::de;
use crate::error::DecodeError;
use std::fmt::Write;

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the content starts, counted from the first byte of the message.
    pub offset: Option<usize>,
    /// `DE4`, or the label of a sub-element.
    pub label: String,
    pub name: String,
    /// What may be shown of the content.
    pub value: String,
    pub meaning: String,
    /// True for a sub-element of the line above.
    pub within: bool,
}

/// The elements of a message with their sub-elements, in the order of the wire.
pub fn lines(message: &Message) -> Vec<Line> {
    let mut lines = Vec::new();
    for element in message.elements() {
        let Some(field) = message.field(element) else { continue };
        let note = message.dialect().note(element);
        lines.push(Line {
            offset: message.offset(element),
            label: format!("DE{element}"),
            name: element_name(message.dialect().version, element).into(),
            value: de::shown(element, &field),
            meaning: meaning(message, element).or_else(|| note.map(Into::into)).unwrap_or_default(),
            within: false,
        });
        lines.extend(parts(message, element).into_iter().map(|part| Line {
            offset: part.offset,
            label: part.label,
            name: part.name,
            value: part.value,
            meaning: part.meaning,
            within: true,
        }));
    }
    lines
}

/// The whole message as text: its type in words, then the table.
pub fn explain(message: &Message, style: Style) -> String {
    render(message, None, style)
}

/// As [`explain`], for a message that was read up to a fault: the fault comes last.
pub fn render(message: &Message, fault: Option<&DecodeError>, style: Style) -> String {
    let mut text = String::new();
    let paint = style;
    let mti = message.mti();
    let _ = writeln!(text, "{}  {}", paint.label(mti.as_str()), words::mti(mti));
    let dialect = message.dialect();
    let _ = writeln!(text, "{}", paint.aside(&format!("      {} bytes, {}", message.bytes().len(), dialect.name)));
    let lines = lines(message);
    let width = |of: fn(&Line) -> &String, least: usize, most: usize| {
        lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0).clamp(least, most)
    };
    let (label_width, name_width, value_width) =
        (width(|l| &l.label, 4, 8) + 2, width(|l| &l.name, 8, 46), width(|l| &l.value, 8, 42));
    for line in &lines {
        let offset = line.offset.map_or(String::new(), |at| at.to_string());
        let label = if line.within { format!("  {}", line.label) } else { line.label.clone() };
        let row = format!(
            "{}  {}  {}  {}  {}",
            paint.aside(&format!("{offset:>4}")),
            paint.label(&format!("{label:<label_width$}")),
            format_args!("{:<name_width$}", line.name),
            if line.within {
                format!("{:<value_width$}", line.value)
            } else {
                paint.value(&format!("{:<value_width$}", line.value))
            },
            paint.aside(&line.meaning),
        );
        let _ = writeln!(text, "{}", row.trim_end());
    }
    if let Some(fault) = fault {
        let _ = writeln!(text, "{}", paint.fault(&format!("      {fault}")));
    }
    text
}
