//! Lays rows out in columns for a terminal of a hundred characters. Longer texts are wrapped, nothing is left out.

use super::Style;
use std::fmt::Write;

const WIDTH: usize = 100;
const OFFSET: usize = 4;
const BYTES: usize = 9;
const NAME: usize = 32;
/// Smallest width of the value column, so that most meanings are aligned.
const VALUE: usize = 12;

/// One row before layout.
#[derive(Debug)]
pub(super) struct Row {
    pub offset: Option<usize>,
    pub bytes: String,
    pub label: String,
    pub name: String,
    pub value: String,
    pub meaning: String,
    pub is_part: bool,
}

#[derive(Debug)]
pub(super) struct Table {
    style: Style,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(style: Style) -> Self {
        Self { style, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(super) fn text(&self) -> String {
        let label = self.rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0).clamp(6, 12);
        let mut text = String::new();
        for row in &self.rows {
            self.row(row, label, &mut text);
        }
        text
    }

    fn row(&self, row: &Row, label: usize, text: &mut String) {
        let style = self.style;
        let left = OFFSET + 2 + BYTES + 2 + label + 2 + NAME + 2;
        let names = wrapped(&row.name, NAME);
        let last = self.last(row, WIDTH - left);
        for i in 0..names.len().max(last.len()).max(1) {
            let first = i == 0;
            let offset = row.offset.filter(|_| first).map_or(String::new(), |at| at.to_string());
            let bytes = if first { row.bytes.as_str() } else { "" };
            let label_text = if first { row.label.as_str() } else { "" };
            let line = format!(
                "{}  {}  {}  {}  {}",
                style.aside(&format!("{offset:>OFFSET$}")),
                style.aside(&format!("{bytes:<BYTES$}")),
                style.label(&format!("{label_text:<label$}")),
                format_args!("{:<NAME$}", names.get(i).map_or("", String::as_str)),
                last.get(i).map_or("", String::as_str),
            );
            let _ = writeln!(text, "{}", trimmed(&line));
        }
    }

    /// Value and meaning, on as many lines as needed.
    fn last(&self, row: &Row, width: usize) -> Vec<String> {
        let style = self.style;
        let paint = |value: &str| if row.is_part { value.to_owned() } else { style.value(value) };
        let values = if row.value.contains(' ') { wrapped(&row.value, width) } else { chunks(&row.value, width) };
        let mut lines: Vec<String> = values.iter().map(|value| paint(value)).collect();
        if row.meaning.is_empty() {
            return lines;
        }
        let used = values.last().map_or(0, |value| value.chars().count());
        let room = width.saturating_sub(used.max(VALUE) + 2);
        match lines.last_mut() {
            // beside the value, unless it would be squeezed into a narrow column there
            Some(line) if row.meaning.chars().count() <= room => {
                let gap = " ".repeat(used.max(VALUE) + 2 - used);
                *line = format!("{line}{gap}{}", style.meaning(&row.meaning));
            }
            _ => lines.extend(wrapped(&row.meaning, width).iter().map(|words| style.meaning(words))),
        }
        lines
    }
}

/// Without blanks at the end, which may be inside colour sequences.
fn trimmed(line: &str) -> String {
    let mut rest = line.trim_end();
    // a coloured column that contains only blanks
    while let Some(before) = rest.strip_suffix("\x1b[0m") {
        match before.rfind("\x1b[") {
            Some(at) if before[at..].find('m').is_some_and(|end| before[at + end + 1..].trim().is_empty()) => {
                rest = before[..at].trim_end();
            }
            _ => break,
        }
    }
    rest.to_owned()
}

/// Wraps words to lines of at most `width` characters; a longer word is broken.
fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(if word.is_empty() { vec![String::new()] } else { chunks(word, width) }),
        }
    }
    lines
}

fn chunks(text: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(width).map(|chunk| chunk.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: &str, meaning: &str) -> Row {
        Row {
            offset: Some(12),
            bytes: "30303030…".into(),
            label: "DE43".into(),
            name: "card acceptor name and location of it".into(),
            value: value.into(),
            meaning: meaning.into(),
            is_part: false,
        }
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_and_nothing_is_lost() {
        for style in [Style::Plain, Style::Colour] {
            let mut table = Table::new(style);
            table.push(row(&"A".repeat(400), &"one two three ".repeat(30)));
            table.push(row("", "short"));
            table.push(row("CORNER SHOP            BERLIN       DE D", ""));
            let text = table.text();
            let plain: String = without_colours(&text);
            assert!(plain.lines().all(|line| line.chars().count() <= WIDTH), "{plain}");
            assert!(plain.lines().all(|line| line.trim_end() == line), "{plain}");
            assert_eq!(plain.matches('A').count(), 400);
            assert_eq!(plain.matches("three").count(), 30);
        }
    }

    fn without_colours(text: &str) -> String {
        text.split("\x1b[")
            .enumerate()
            .map(|(i, part)| if i == 0 { part } else { part.split_once('m').map_or("", |p| p.1) })
            .collect()
    }
}
