//! Paths of keys: parsing them, spelling them in an error, and finding them in the text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest `name` that stands for a list entry in an error; an entry with a longer one goes by its index.
const LONGEST_NAME: usize = 32;

/// One step of a path: a key of a table, or an index of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyStep {
    Key(String),
    Entry(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPath(pub Vec<KeyStep>);

impl KeyPath {
    /// Parses a path such as `listener[1].address`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (key, entries) = part.split_once('[').map_or((part, ""), |(key, entries)| (key, entries));
            steps.push(KeyStep::Key(key.to_owned()));
            let entries = entries.split('[').filter_map(|entry| entry.trim_end_matches(']').parse().ok());
            steps.extend(entries.map(KeyStep::Entry));
        }
        Self(steps)
    }

    /// The path with list entries by their `name` where they have one: `listener.terminals.address`.
    pub(crate) fn spelled_in(&self, document: &Spanned<DeValue<'_>>) -> String {
        let mut spelled = String::new();
        let mut at = Some(document.get_ref());
        for step in &self.0 {
            let next = at.and_then(|value| down(value, step)).map(|(_, value)| value.get_ref());
            match (step, at.and_then(|list| name_of_entry(list, step))) {
                (KeyStep::Key(key), _) => push_key(&mut spelled, key),
                (KeyStep::Entry(_), Some(name)) => push_key(&mut spelled, name),
                (KeyStep::Entry(place), None) => spelled.push_str(&format!("[{place}]")),
            }
            at = next;
        }
        spelled
    }

    /// The path with list entries by their index: `listener[1].address`.
    pub(crate) fn spelled(&self) -> String {
        self.spelled_in(&Spanned::new(0..0, DeValue::Boolean(false)))
    }

    /// The path without list entries: `listener.address`.
    pub(crate) fn of_the_kind(&self) -> String {
        let keys = self.0.iter().filter(|step| matches!(step, KeyStep::Key(_))).cloned();
        Self(keys.collect()).spelled()
    }

    /// The path of another key in the same table.
    pub(crate) fn beside(mut self, key: &str) -> Self {
        self.0.pop();
        self.0.push(KeyStep::Key(key.to_owned()));
        self
    }

    /// Offset of the key in the text; of the innermost table or entry around it if the key is missing.
    pub(crate) fn offset_in(&self, document: &Spanned<DeValue<'_>>) -> Option<usize> {
        let mut at = document;
        let mut offset = None;
        for step in &self.0 {
            let Some((found, value)) = down(at.get_ref(), step) else { break };
            (offset, at) = (Some(found), value);
        }
        offset
    }
}

fn push_key(spelled: &mut String, key: &str) {
    if !spelled.is_empty() {
        spelled.push('.');
    }
    if is_name(key) {
        spelled.push_str(key);
    } else {
        // as TOML would quote it; control characters must not break the line
        spelled.push_str(&format!("\"{}\"", key.escape_debug()));
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The value that a step leads to, and the offset at which it begins (a key's value: at the key).
fn down<'d, 't>(from: &'d DeValue<'t>, step: &KeyStep) -> Option<(usize, &'d Spanned<DeValue<'t>>)> {
    match step {
        KeyStep::Key(wanted) => {
            let (key, value) = from.as_table()?.iter().find(|(key, _)| key.get_ref() == wanted)?;
            Some((key.span().start, value))
        }
        KeyStep::Entry(place) => {
            let value = from.as_array()?.get(*place)?;
            Some((value.span().start, value))
        }
    }
}

/// The `name` of a list entry, unless another entry has the same one or it is no plain word.
fn name_of_entry<'d>(list: &'d DeValue<'_>, step: &KeyStep) -> Option<&'d str> {
    let KeyStep::Entry(place) = step else { return None };
    let list = list.as_array()?;
    let name = |entry: &'d Spanned<DeValue<'_>>| entry.get_ref().as_table()?.get("name")?.get_ref().as_str();
    let wanted = name(list.get(*place)?)?;
    let is_unique = list.iter().filter(|entry| name(entry) == Some(wanted)).count() == 1;
    (is_unique && is_name(wanted) && wanted.len() <= LONGEST_NAME).then_some(wanted)
}

/// The last key before `at` that is on the same line, or whose value reaches beyond `at`.
pub(crate) fn last_key_on_the_line(text: &str, at: usize, document: &Spanned<DeValue<'_>>) -> Option<KeyPath> {
    let line = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    last_key(document, |start, reaches| start <= at && (start >= line || reaches > at))
}

/// The last key before `at`.
pub(crate) fn last_key_before(at: usize, document: &Spanned<DeValue<'_>>) -> Option<KeyPath> {
    last_key(document, |start, _| start < at)
}

fn last_key(document: &Spanned<DeValue<'_>>, is_meant: impl Fn(usize, usize) -> bool) -> Option<KeyPath> {
    let mut last: Option<(usize, KeyPath)> = None;
    keys_of_value(document.get_ref(), &mut Vec::new(), &mut |start, reaches, steps| {
        if is_meant(start, reaches) && last.as_ref().is_none_or(|(before, _)| *before <= start) {
            last = Some((start, KeyPath(steps.to_vec())));
        }
    });
    last.map(|(_, path)| path)
}

fn keys_of(table: &DeTable<'_>, steps: &mut Vec<KeyStep>, seen: &mut impl FnMut(usize, usize, &[KeyStep])) {
    for (key, value) in table {
        steps.push(KeyStep::Key(key.get_ref().to_string()));
        // the span of a table that has a header covers the header only, not its keys
        seen(key.span().start, value.span().end, steps);
        keys_of_value(value.get_ref(), steps, seen);
        steps.pop();
    }
}

fn keys_of_value(value: &DeValue<'_>, steps: &mut Vec<KeyStep>, seen: &mut impl FnMut(usize, usize, &[KeyStep])) {
    match value {
        DeValue::Table(table) => keys_of(table, steps, seen),
        DeValue::Array(list) => {
            for (place, entry) in list.iter().enumerate() {
                steps.push(KeyStep::Entry(place));
                keys_of_value(entry.get_ref(), steps, seen);
                steps.pop();
            }
        }
        _ => {}
    }
}
